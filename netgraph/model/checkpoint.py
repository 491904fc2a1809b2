"""Checkpoints: weights as safetensors, and a JSON record beside them that is written last."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from netgraph.errors import StoreError
from netgraph.files import read_record, write_atomically
from netgraph.graph.layers import LAYER_TYPES
from netgraph.model.config import LossWeights, VAEConfig

FORMAT = "netgraph.NetVAE"
VERSION = 1
SHIPPED = Path(__file__).parent / "pretrained" / "quick.safetensors"


def record_path(path: Path) -> Path:
    """Give the path of a checkpoint's record."""
    return path.with_name(path.name + ".json")


def save_checkpoint(module: nn.Module, config: VAEConfig, path: Path) -> None:
    """Write a checkpoint; what stood there before is kept until both files are whole."""
    from safetensors.torch import save

    payload = save({key: value.detach().cpu().contiguous() for key, value in module.state_dict().items()})
    record = {
        "format": FORMAT,
        "version": VERSION,
        "sha256": hashlib.sha256(payload).hexdigest(),
        "layer_types": {name: layer_type.code for name, layer_type in LAYER_TYPES.items()},
        "config": asdict(config),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, payload)
    write_atomically(record_path(path), json.dumps(record, indent=1).encode())


def load_checkpoint(path: str | Path | None) -> tuple[VAEConfig, dict[str, Tensor]]:
    """Read a checkpoint's configuration and weights.

    Raises:
        StoreError: When a file is missing or damaged, or the checkpoint is of another version.
    """
    from safetensors.torch import load

    path = SHIPPED if path is None else Path(path)
    record = read_record(record_path(path), FORMAT, VERSION)
    _check_vocabulary(path, record["layer_types"])
    if not path.is_file():
        raise StoreError(f"{path}: no such checkpoint")
    payload = path.read_bytes()
    if hashlib.sha256(payload).hexdigest() != record["sha256"]:
        raise StoreError(f"{path}: damaged, its sha256 is not the one in {record_path(path).name}")
    return _config(path, record["config"]), load(payload)


def _check_vocabulary(path: Path, codes: dict[str, int]) -> None:
    here = {name: layer_type.code for name, layer_type in LAYER_TYPES.items()}
    if codes != here:
        changed = sorted(set(codes.items()) ^ set(here.items()))
        raise StoreError(f"{path}: made with another vocabulary of layer types ({changed[0][0]} differs)")


def _config(path: Path, values: dict[str, Any]) -> VAEConfig:
    try:
        return VAEConfig(**values | {"loss": LossWeights(**values["loss"])})
    except TypeError as error:
        raise StoreError(f"{record_path(path)}: {error}") from None

"""Checkpoints: weights as safetensors, and a JSON record beside them that is written last."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from netgraph.errors import StoreError
from netgraph.files import read_tensors, record_path, write_tensors
from netgraph.graph.layers import LAYER_TYPES
from netgraph.model.config import LossWeights, VAEConfig

FORMAT = "netgraph.NetVAE"
VERSION = 1
SHIPPED = Path(__file__).parent / "pretrained" / "quick.safetensors"


def save_checkpoint(module: nn.Module, config: VAEConfig, path: Path) -> None:
    """Write a checkpoint."""
    codes = {name: layer_type.code for name, layer_type in LAYER_TYPES.items()}
    record = {"layer_types": codes, "config": asdict(config)}
    write_tensors(path, module.state_dict(), FORMAT, VERSION, record)


def load_checkpoint(path: str | Path | None) -> tuple[VAEConfig, dict[str, Tensor]]:
    """Read a checkpoint's configuration and weights.

    Raises:
        StoreError: When a file is missing or damaged, or the checkpoint is of another version.
    """
    path = SHIPPED if path is None else Path(path)
    tensors, record = read_tensors(path, FORMAT, VERSION)
    _check_vocabulary(path, record["layer_types"])
    return _config(path, record["config"]), tensors


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

"""Checkpoints: weights as safetensors, and a JSON record beside them that is written last."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from netgraph.errors import StoreError
from netgraph.files import read_tensors, record_path, write_tensors
from netgraph.graph.layers import LAYER_TYPES
from netgraph.model.config import GeneratorConfig, LossWeights, PriorConfig, VAEConfig

FORMAT = "netgraph.NetVAE"
VERSION = 5
SHIPPED = Path(__file__).parent.parent / "pretrained" / "full.safetensors"


def save_checkpoint(module: nn.Module, config: VAEConfig, card: Mapping[str, Any], path: Path) -> None:
    """Write a checkpoint; its card says where it comes from and how good it is."""
    codes = {name: layer_type.code for name, layer_type in LAYER_TYPES.items()}
    record = {"layer_types": codes, "config": asdict(config), "card": dict(card)}
    write_tensors(path, module.state_dict(), FORMAT, VERSION, record)


def load_checkpoint(path: str | Path | None) -> tuple[VAEConfig, dict[str, Any], dict[str, Tensor]]:
    """Read a checkpoint's configuration, card and weights.

    Raises:
        StoreError: When a file is missing or damaged, or the checkpoint is of another version.
    """
    path = SHIPPED if path is None else Path(path)
    tensors, record = read_tensors(path, FORMAT, VERSION)
    _check_vocabulary(path, record["layer_types"])
    return _config(path, record["config"]), record["card"], tensors


def _check_vocabulary(path: Path, codes: dict[str, int]) -> None:
    here = {name: layer_type.code for name, layer_type in LAYER_TYPES.items()}
    if codes != here:
        changed = sorted(set(codes.items()) ^ set(here.items()))
        raise StoreError(f"{path}: made with another vocabulary of layer types ({changed[0][0]} differs)")


def _config(path: Path, values: dict[str, Any]) -> VAEConfig:
    try:
        parts = {"loss": LossWeights(**values["loss"]), "prior": PriorConfig(**values["prior"])}
        generator = values["generator"] and GeneratorConfig(**values["generator"])
        return VAEConfig(**values | parts | {"generator": generator})
    except TypeError as error:
        raise StoreError(f"{record_path(path)}: {error}") from None

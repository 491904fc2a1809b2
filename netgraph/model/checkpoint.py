"""Checkpoints: weights as safetensors, and a JSON record beside them that is written last."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from netgraph.errors import StoreError
from netgraph.files import read_tensors, record_path, write_tensors
from netgraph.graph.layers import LAYER_TYPES
from netgraph.model.config import GeneratorConfig, LossWeights, PriorConfig, VAEConfig
from netgraph.model.layouts import Layouts

FORMAT = "netgraph.NetVAE"
VERSION = 6
#: What the names of the tensors of its portfolio begin with.
PORTFOLIO = "portfolio."
SHIPPED = Path(__file__).parent.parent / "pretrained" / "full.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds.

    Attributes:
        config: The model's sizes.
        card: Where it comes from and how good it is.
        state: Its weights by name.
        portfolio: Layouts that go well together; None where there are none.
    """

    config: VAEConfig
    card: dict[str, Any]
    state: dict[str, Tensor]
    portfolio: Layouts | None


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint."""
    codes = {name: layer_type.code for name, layer_type in LAYER_TYPES.items()}
    record = {"layer_types": codes, "config": asdict(checkpoint.config), "card": dict(checkpoint.card)}
    tensors = dict(checkpoint.state)
    if checkpoint.portfolio is not None:
        more, record["portfolio"] = checkpoint.portfolio.to_tensors()
        tensors |= {PORTFOLIO + name: tensor for name, tensor in more.items()}
    write_tensors(path, tensors, FORMAT, VERSION, record)


def load_checkpoint(path: str | Path | None) -> Checkpoint:
    """Read a checkpoint; the one that ships when None.

    Raises:
        StoreError: When a file is missing or damaged, or the checkpoint is of another version.
    """
    path = SHIPPED if path is None else Path(path)
    tensors, record = read_tensors(path, FORMAT, VERSION)
    _check_vocabulary(path, record["layer_types"])
    state = {name: tensor for name, tensor in tensors.items() if not name.startswith(PORTFOLIO)}
    more = {name.removeprefix(PORTFOLIO): tensors[name] for name in tensors.keys() - state.keys()}
    portfolio = Layouts.from_tensors(more, record["portfolio"]) if more else None
    return Checkpoint(_config(path, record["config"]), record["card"], state, portfolio)


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

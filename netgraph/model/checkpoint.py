"""Checkpoints: weights as safetensors, and a JSON record beside them that is written last.

Tensors that are indexed by the codes of layer types are brought from the codes that they were written with to those of
here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from netgraph.errors import NetGraphError, StoreError
from netgraph.files import building_from, read_tensors, write_tensors
from netgraph.graph.architecture import TENSOR_KINDS
from netgraph.graph.layers import BY_CODE, FIRST_CODE, LAYER_TYPES, N_CODES
from netgraph.model.config import VAEConfig
from netgraph.model.coverage import Coverage
from netgraph.model.features import CODED, node_sizes, step_sizes
from netgraph.reading import field_of, typed

FORMAT = "netgraph.NetVAE"
VERSION = 8
#: Ends of the names of numbers of layers, each of which has tensors; and the most that any other size is (chosen: far
#: beyond what a computer can train).
_REPEATED, _LARGEST = ("layers", "rounds"), 2**16
#: Name of the coverage in a model's ``state_dict``; the record holds it.
COVERAGE = "decoder.architecture._extra_state"
SHIPPED = Path(__file__).parent.parent / "pretrained" / "full.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """The content of a checkpoint.

    Attributes:
        config: The model's sizes.
        card: Where it comes from and how good it is.
        state: Its weights by name.
        coverage: The architectures that it was trained on.
    """

    config: VAEConfig
    card: dict[str, Any]
    state: dict[str, Tensor]
    coverage: Coverage


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint."""
    codes = {name: layer_type.code for name, layer_type in LAYER_TYPES.items()}
    record = {"layer_types": codes, "config": asdict(checkpoint.config), "card": dict(checkpoint.card)}
    record["coverage"] = checkpoint.coverage.to_record()
    write_tensors(path, _uncovered(checkpoint.state), FORMAT, VERSION, record)


def load_checkpoint(path: str | Path | None) -> Checkpoint:
    """Read a checkpoint; the one that ships when None.

    Raises:
        StoreError: When a file is missing or damaged, or the checkpoint is of another version.
    """
    path = SHIPPED if path is None else Path(path)
    tensors, record = read_tensors(path, FORMAT, VERSION)
    with building_from(path, record):
        config, card = _config(record, tensors), field_of(record, "card", dict[str, Any])
        coverage = Coverage.from_record(field_of(record, "coverage", dict[str, Any]))
        if coverage.types - LAYER_TYPES.keys():
            unknown = min(coverage.types - LAYER_TYPES.keys())
            raise StoreError(f"trained on layers of type {unknown}, which are not in this vocabulary")
        state = recode(tensors, config, field_of(record, "layer_types", dict[str, int]))
        return Checkpoint(config, card, state, coverage)


def _uncovered(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Leave out what the coverage stands for."""
    return {name: tensor for name, tensor in state.items() if name != COVERAGE}


def _config(record: Mapping[str, Any], state: Mapping[str, Tensor]) -> VAEConfig:
    """Read the sizes of a model.

    Raises:
        StoreError: When one is of another type or too large.
    """
    config = typed(VAEConfig, field_of(record, "config", dict[str, Any]), "config")
    for name, value in asdict(config).items():
        if type(value) is int and value > (len(state) if name.endswith(_REPEATED) else _LARGEST):
            raise StoreError(f"config: {name} is {value} in a model of {len(state)} tensors")
    return config


def check_state(path: Path, state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Check that the weights of a checkpoint are those of a model of its sizes.

    Args:
        path: The checkpoint.
        state: Its weights.
        expected: Tensors of the same names and shapes, which need not hold anything.

    Raises:
        StoreError: With the first tensor that is missing, too much, of another shape, or not finite.
    """
    expected = _uncovered(expected)
    for name in sorted(state.keys() ^ expected.keys()):
        raise StoreError(f"{path}: tensor {name!r} is {'unknown' if name in state else 'missing'}")
    for name, found in state.items():
        if found.shape != expected[name].shape:
            shapes = f"{tuple(found.shape)}, its sizes ask for {tuple(expected[name].shape)}"
            raise StoreError(f"{path}: tensor {name!r} has shape {shapes}")
        if found.is_floating_point() != expected[name].is_floating_point():
            raise StoreError(f"{path}: tensor {name!r} has type {found.dtype}, not {expected[name].dtype}")
        if not found.sum().isfinite():
            raise StoreError(f"{path}: tensor {name!r} holds NaN or infinity")


def recode(state: Mapping[str, Tensor], config: VAEConfig, codes: Mapping[str, int]) -> dict[str, Tensor]:
    """Reorder the tensors of a model that was made with other codes; entries of types that it lacks are 0, scales 1.

    Args:
        state: The tensors by name.
        config: The model's sizes.
        codes: Code of each layer type that it was made with.

    Returns:
        All tensors, those that are indexed by codes as the codes of here ask for.

    Raises:
        NetGraphError: When one does not fit the codes.
    """
    if dict(codes) == {name: layer_type.code for name, layer_type in LAYER_TYPES.items()}:
        return dict(state)
    if min(codes.values(), default=0) < FIRST_CODE or len(set(codes.values())) < len(codes):
        raise NetGraphError("layer_types is no vocabulary of layer types: codes are below 3 or occur twice")
    count = max(codes.values()) + 1
    names = {code: layer_type.name for code, layer_type in BY_CODE.items()}
    types = [code if code < FIRST_CODE else codes.get(names.get(code, ""), -1) for code in range(N_CODES)]
    moves = [*types, count, count + 1]
    nodes = _embedding_rows(node_sizes(config), dict.fromkeys(CODED, types), count)
    embeddings = {f"{part}.embed.table.weight": nodes for part in ("encoder.architecture", "decoder.hypernet")}
    steps = _embedding_rows(step_sizes(config), {0: moves, 1: types}, count)
    embeddings |= {"decoder.architecture.embed.table.weight": steps}
    choices = {
        f"decoder.architecture.{name}": (moves, count + 2) for name in ("move.weight", "move.bias", "next_move.weight")
    }
    scales = _scale_rows(types, count), len(TENSOR_KINDS) * count**3
    rows = embeddings | choices | {"encoder.architecture.messages.embed.weight": (types, count)}
    rows |= {"encoder.scales.mean": scales, "encoder.scales.scale": scales}
    recoded = dict(state)
    for name in rows.keys() & state.keys():
        old, length = rows[name]
        if len(state[name]) != length:
            raise NetGraphError(f"{name} does not fit its vocabulary of layer types")
        recoded[name] = _take(state[name], old, float(name == "encoder.scales.scale"))
    return recoded


def _take(tensor: Tensor, rows: Sequence[int], missing: float) -> Tensor:
    index = torch.tensor(rows)
    taken = tensor[index.clamp(min=0)]
    taken[index < 0] = missing
    return taken


def _embedding_rows(sizes: Sequence[int], recoded: Mapping[int, Sequence[int]], count: int) -> tuple[list[int], int]:
    """Return the old row of each row of a :class:`~netgraph.model.attention.FeatureEmbedding`, -1 for none.

    The number of old rows comes second.

    Args:
        sizes: Vocabulary of each feature here.
        recoded: The old value of each value of those features that are codes or moves.
        count: Old codes.
    """
    rows: list[int] = []
    start = 0
    for feature, size in enumerate(sizes):
        values = recoded.get(feature, range(size))
        rows += [start, *(start + 1 + value if value >= 0 else -1 for value in values)]
        start += 1 + size + (count - N_CODES if feature in recoded else 0)
    return rows, start


def _scale_rows(types: Sequence[int], count: int) -> list[int]:
    """Return the old entry of each entry of the standardization table, -1 for none."""
    old = torch.tensor(types)
    known = (old[:, None, None] >= 0) & (old[:, None] >= 0) & (old >= 0)
    entry = (old[:, None, None] * count + old[:, None]) * count + old
    kinds = torch.arange(len(TENSOR_KINDS))[:, None, None, None] * count**3
    return torch.where(known, kinds + entry, -1).flatten().tolist()

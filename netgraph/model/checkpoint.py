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
from netgraph.graph.architecture import SLOT_KINDS
from netgraph.graph.layers import BY_CODE, FIRST_CODE, LAYER_TYPES, N_CODES
from netgraph.model.config import GeneratorConfig, VAEConfig
from netgraph.model.coverage import Coverage
from netgraph.model.layout import Layouts
from netgraph.model.slots import CODED, carrier_sizes, step_sizes
from netgraph.reading import field_of, typed

FORMAT = "netgraph.NetVAE"
VERSION = 7
#: What the names of the tensors of its portfolio begin with.
PORTFOLIO = "portfolio."
#: Keys of a model's sizes that hold those of a part; names of numbers of layers, each of which has tensors; and the
#: most that any other size is (chosen: far beyond what a computer can train).
_PARTS, _REPEATED, _LARGEST = ("loss", "prior", "generator"), ("layers", "rounds"), 2**16
#: Tensors that the record's coverage stands for; those of version 6 are passed over.
COVERED = ("_extra_state", "known_types", "most_layers", "most_units", "most_loose", "most_apart")
#: Settings that a model no longer has, and the value that all models have now.
RETIRED = {"config.response": True, "config.edge_head": "bilinear", "config.loss.free_bits": 0.0}
#: Name of the coverage in a model's ``state_dict``.
COVERAGE = "structure._extra_state"
SHIPPED = Path(__file__).parent.parent / "pretrained" / "full.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """The content of a checkpoint.

    Attributes:
        config: The model's sizes.
        card: Where it comes from and how good it is.
        state: Its weights by name.
        portfolio: Layouts that go well together; None where there are none.
        coverage: The architectures that it was trained on.
    """

    config: VAEConfig
    card: dict[str, Any]
    state: dict[str, Tensor]
    portfolio: Layouts | None
    coverage: Coverage


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint."""
    codes = {name: layer_type.code for name, layer_type in LAYER_TYPES.items()}
    record = {"layer_types": codes, "config": asdict(checkpoint.config), "card": dict(checkpoint.card)}
    record["coverage"] = checkpoint.coverage.to_record()
    tensors = _uncovered(checkpoint.state)
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
    with building_from(path, record):
        state = {name: tensor for name, tensor in tensors.items() if not name.startswith(PORTFOLIO)}
        more = {name.removeprefix(PORTFOLIO): tensors[name] for name in tensors.keys() - state.keys()}
        config, card = _config(record, state), field_of(record, "card", dict[str, Any])
        coverage = Coverage.from_record(field_of(record, "coverage", dict[str, Any]))
        if coverage.types - LAYER_TYPES.keys():
            unknown = min(coverage.types - LAYER_TYPES.keys())
            raise StoreError(f"trained on layers of type {unknown}, which are not in this vocabulary")
        state = recode(_uncovered(state), config, field_of(record, "layer_types", dict[str, int]))
        portfolio = Layouts.from_tensors(more, field_of(record, "portfolio", dict[str, Any])) if more else None
        shape = (len(portfolio or ()), config.layout_slots + 1, config.slot_size)
        if portfolio is not None and (portfolio.network.shape != shape or not portfolio.network.isfinite().all()):
            raise StoreError(f"tensor {PORTFOLIO + 'network'!r} is not finite, or has another shape than {shape}")
        return Checkpoint(config, card, state, portfolio, coverage)


def _uncovered(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Leave out what the coverage stands for."""
    left_out = {f"structure.{name}" for name in COVERED}
    return {name: tensor for name, tensor in state.items() if name not in left_out}


def _config(record: Mapping[str, Any], state: Mapping[str, Tensor]) -> VAEConfig:
    """Read the sizes of a model; those that an older checkpoint does not have keep their defaults.

    Raises:
        StoreError: When one is of another type or too large, or a retired setting differs from what all models have.
    """
    values = _without_retired(field_of(record, "config", dict[str, Any]), "config")
    known = asdict(VAEConfig(generator=GeneratorConfig()))
    nested = {key: known[key] | values[key] for key in _PARTS if isinstance(values.get(key), dict)}
    config = typed(VAEConfig, asdict(VAEConfig()) | values | nested, "config")
    for part in (config, config.prior, config.generator):
        for name, value in asdict(part).items() if part else ():
            if type(value) is int and value > (len(state) if name.endswith(_REPEATED) else _LARGEST):
                raise StoreError(f"config: {name} is {value} in a model of {len(state)} tensors")
    return config


def _without_retired(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Drop the settings that a model no longer has, in its parts too."""
    kept: dict[str, Any] = {}
    for name, value in values.items():
        path = f"{key}.{name}"
        if path not in RETIRED:
            kept[name] = _without_retired(value, path) if isinstance(value, dict) else value
        elif value != RETIRED[path]:
            raise StoreError(f"{path} is {value!r}; this netgraph reads models with {RETIRED[path]!r} alone")
    return kept


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
    carriers = _embedding_rows(carrier_sizes(config), dict.fromkeys(CODED, types), count)
    embeddings = {f"{part}.embed.table.weight": carriers for part in ("encoder", "weights", "prior", "generator")}
    embeddings |= {"structure.embed.table.weight": _embedding_rows(step_sizes(config), {0: moves, 1: types}, count)}
    choices = {f"structure.{name}": (moves, count + 2) for name in ("move.weight", "move.bias", "next_move.weight")}
    scales = _scale_rows(types, count), len(SLOT_KINDS) * count**3
    rows = embeddings | choices | {"encoder.messages.embed.weight": (types, count)}
    rows |= {"scales.mean": scales, "scales.scale": scales}
    recoded = dict(state)
    for name in rows.keys() & state.keys():
        old, length = rows[name]
        if len(state[name]) != length:
            raise NetGraphError(f"{name} does not fit its vocabulary of layer types")
        recoded[name] = _take(state[name], old, float(name == "scales.scale"))
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
    kinds = torch.arange(len(SLOT_KINDS))[:, None, None, None] * count**3
    return torch.where(known, kinds + entry, -1).flatten().tolist()

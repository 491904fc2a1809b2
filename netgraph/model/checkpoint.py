"""Checkpoints: weights as safetensors, and a JSON record beside them that is written last.

Tensors that are indexed by the codes of layer types are brought from the codes with which they were written to the
codes of here.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from netgraph.errors import NetGraphError, StoreError
from netgraph.files import building_from, read_tensors, write_tensors
from netgraph.graph.architecture import TENSOR_KINDS
from netgraph.graph.layers import FIRST_CODE, LAYER_TYPES
from netgraph.model.config import VAEConfig
from netgraph.model.coverage import Coverage
from netgraph.model.features import CODED, node_sizes, step_sizes
from netgraph.reading import field_of, typed

Model = TypeVar("Model", bound=nn.Module)
FORMAT, VERSION = "netgraph.NetVAE", 9
#: Ends of the names of numbers of layers, each of which has tensors; and the most that any other size is (chosen: far
#: beyond what a computer can train).
_REPEATED, _LARGEST = ("layers", "rounds"), 2**16
#: Name of the coverage in a model's ``state_dict``; the record holds it.
_COVERAGE = "decoder.architecture._extra_state"
#: Name of a tensor with an entry for each code and for two more moves.
_MOVES = "decoder.architecture.move.bias"
#: Name of a tensor of meta-features, NaN for networks of unknown data.
_UNKNOWN = "prior.function.meta_features"
#: Code of each layer type here.
_CODES = {name: layer_type.code for name, layer_type in LAYER_TYPES.items()}


def save_checkpoint(
    path: Path, config: VAEConfig, card: Mapping[str, Any], coverage: Coverage, state: Mapping[str, Tensor]
) -> None:
    """Write a checkpoint: sizes, card and coverage of a model, and its ``state_dict``."""
    record = {"layer_types": _CODES, "config": asdict(config), "card": dict(card), "coverage": coverage.to_record()}
    write_tensors(path, {name: state[name] for name in state if name != _COVERAGE}, FORMAT, VERSION, record)


def load_checkpoint(path: Path, build: Callable[[VAEConfig], Model]) -> tuple[Model, dict[str, Any], Coverage]:
    """Read a model without its coverage, its card, and the coverage.

    Args:
        path: The safetensors file.
        build: Builds a model of given sizes.

    Raises:
        StoreError: When a file is missing or damaged, or the checkpoint is of another version.
    """
    tensors, record = read_tensors(path, FORMAT, VERSION)
    with building_from(path, record):
        config = typed(VAEConfig, field_of(record, "config", dict[str, Any]), "config")
        for name, value in asdict(config).items():
            if type(value) is int and value > (len(tensors) if name.endswith(_REPEATED) else _LARGEST):
                raise StoreError(f"config: {name} is {value} in a model of {len(tensors)} tensors")
        card = field_of(record, "card", dict[str, Any])
        coverage = Coverage.from_record(field_of(record, "coverage", dict[str, Any]))
        for unknown in sorted(coverage.types - LAYER_TYPES.keys()):
            raise StoreError(f"trained on layers of type {unknown}, which are not in this vocabulary")
        state = recode(tensors, config, field_of(record, "layer_types", dict[str, int]))
    with torch.device("meta"):  # neither initial weights nor statistics are computed
        model = build(config)
    _check_state(path, state, model.state_dict())
    model.load_state_dict(state, strict=False, assign=True)  # all but the coverage
    return model, card, coverage


def _check_state(path: Path, state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Raise if a tensor is missing, too much, of another shape than expected, or not finite."""
    for name in sorted(state.keys() ^ expected.keys() - {_COVERAGE}):
        raise StoreError(f"{path}: tensor {name!r} is {'unknown' if name in state else 'missing'}")
    for name, found in state.items():
        if found.shape != expected[name].shape:
            shapes = f"{tuple(found.shape)}, its sizes ask for {tuple(expected[name].shape)}"
            raise StoreError(f"{path}: tensor {name!r} has shape {shapes}")
        if found.is_floating_point() != expected[name].is_floating_point():
            raise StoreError(f"{path}: tensor {name!r} has type {found.dtype}, not {expected[name].dtype}")
        if not (found.nan_to_num(0.0, torch.inf) if name == _UNKNOWN else found).sum().isfinite():
            raise StoreError(f"{path}: tensor {name!r} holds NaN or infinity")


def recode(state: Mapping[str, Tensor], config: VAEConfig, codes: Mapping[str, int]) -> dict[str, Tensor]:
    """Reorder the tensors of a model with other codes of layer types; rows of types that it lacks are 0, scales 1.

    Args:
        state: The tensors by name.
        config: The model's sizes.
        codes: Code of each layer type in the model.

    Raises:
        NetGraphError: When a tensor does not fit the codes.
    """
    if dict(codes) == _CODES:
        return dict(state)
    if min(codes.values(), default=0) < FIRST_CODE or len(set(codes.values())) < len(codes):
        raise NetGraphError("layer_types is no vocabulary of layer types: codes are below 3 or occur twice")
    if len(state.get(_MOVES, ())) != max(codes.values()) + 3:
        raise NetGraphError(f"{_MOVES} does not fit its vocabulary of layer types")
    recoded, old, here = dict(state), _row_labels(config, codes), _row_labels(config, _CODES)
    for name in here.keys() & state.keys():
        if len(state[name]) != len(old[name]):
            raise NetGraphError(f"{name} does not fit its vocabulary of layer types")
        row = {label: i for i, label in enumerate(old[name])}
        index = torch.tensor([row.get(label, -1) for label in here[name]])
        recoded[name] = state[name][index.clamp(min=0)]
        recoded[name][index < 0] = float(name == "encoder.scales.scale")
    return recoded


def _row_labels(config: VAEConfig, codes: Mapping[str, int]) -> dict[str, Sequence[Hashable]]:
    """Label the rows of every tensor that is indexed by codes, by the names of types in place of their codes."""
    names = {code: name for name, code in codes.items()}
    types: list[Hashable] = [names.get(code, code) for code in range(max(codes.values()) + 1)]
    moves = [*types, ("move", 0), ("move", 1)]
    nodes = _embedding_labels(node_sizes(config), dict.fromkeys(CODED, types))
    scales = list(product(range(len(TENSOR_KINDS)), types, types, types))
    return {
        "encoder.architecture.embed.table.weight": nodes,
        "encoder.architecture.messages.embed.weight": types,
        "encoder.scales.mean": scales,
        "encoder.scales.scale": scales,
        "decoder.hypernet.embed.table.weight": nodes,
        "decoder.architecture.embed.table.weight": _embedding_labels(step_sizes(config), {0: moves, 1: types}),
        "decoder.architecture.move.weight": moves,
        _MOVES: moves,
        "decoder.architecture.next_move.weight": moves,
    }


def _embedding_labels(sizes: Iterable[int], coded: Mapping[int, Sequence[Hashable]]) -> list[Hashable]:
    """Label the rows of a :class:`~netgraph.model.attention.FeatureEmbedding`: an entry for none, then each value."""
    features = enumerate(sizes)
    return [(i, value) for i, size in features for value in ("none", *coded.get(i, range(size)))]

"""Rows that move values without computing any: labels go through the very same call."""

from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from netgraph.errors import UnsupportedLayerError
from netgraph.graph.modules import rules
from netgraph.graph.modules.builder import Builder, held
from netgraph.graph.modules.functions import Operation, call
from netgraph.graph.modules.labels import Value, along, compress, spread
from netgraph.graph.modules.program import Row

_INDEXING = ("getitem", "index", "index_select")
_THROUGH_FLOAT = ("pad", "pixel_shuffle")


def view(b: Builder, row: Row, operation: Operation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wire a row that moves values: its labels, or a parameter's places in the state."""
    operands = _values(args, kwargs)
    if not operands:
        return call(operation, args, kwargs)
    if operation.name.split(".")[1] in _INDEXING and _values(args[1:], kwargs):
        return _indexed(b, row, operation, args, kwargs)
    labels = _moved(operation, args, kwargs, _labels_of)
    return pytree.tree_map(_joined, labels, _moved(operation, args, kwargs, _slots_of))


def _values(*trees: Any) -> list[Value]:
    return [leaf for leaf in pytree.tree_leaves(trees) if isinstance(leaf, Value)]


def _labels_of(value: Value) -> Tensor:
    return spread(torch.zeros((), dtype=torch.long) if value.labels is None else value.labels, value.shape)


def _slots_of(value: Value) -> Tensor:
    return torch.zeros(value.shape, dtype=torch.long) if value.slots is None else value.slots


def _moved(operation: Operation, args: Any, kwargs: dict[str, Any], read: Any) -> Any:
    base = operation.name.split(".")[1]
    through_float = operation.name.startswith("functional.") or base in _THROUGH_FLOAT

    def fill(leaf: Any) -> Any:
        if not isinstance(leaf, Value):
            return leaf
        return read(leaf).double() if through_float else read(leaf)

    filled = pytree.tree_map(fill, (args, {key: part for key, part in kwargs.items() if key != "value"}))
    result = call(operation, filled[0], filled[1])
    return pytree.tree_map(lambda leaf: leaf.long() if isinstance(leaf, Tensor) else leaf, result)


def _joined(labels: Any, slots: Any) -> Any:
    if not isinstance(labels, Tensor):
        return labels
    if bool(labels.any()):
        return Value(tuple(labels.shape), torch.float32, compress(labels))
    return Value(tuple(labels.shape), torch.float32, slots=slots if bool(slots.any()) else None)


def _indexed(b: Builder, row: Row, operation: Operation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wire what a tensor of indices picks; the indices themselves are not known, so they must not matter.

    Raises:
        UnsupportedLayerError: When they do: which channel, or which row of a parameter, is read depends on them.
    """
    operand, indices = args[0], _values(args[1:], kwargs)
    if operand.labels is not None and operand.labels.numel() == 1:
        return operand.labels.view([1] * (len(row.shape) - 2))
    if any(index.dtype == torch.bool for index in indices):
        raise UnsupportedLayerError("a selection by a mask, whose size depends on values")
    if operand.labels is None:
        return _table(b, row, operand, indices)
    size = max(operand.shape)
    picks = [_picked(operation, args, kwargs, share) for share in {0.0, 0.5, 1.0 - 0.5 / size}]
    if any(not torch.equal(picks[0], other) for other in picks):
        raise UnsupportedLayerError("channels chosen by a tensor of indices; the choice would have to be a constant")
    return compress(picks[0])


def _picked(operation: Operation, args: tuple[Any, ...], kwargs: dict[str, Any], share: float) -> Tensor:
    """Run the call with every index at the same share of each dimension."""
    operand: Value = args[0]
    if operation.name.endswith("index_select") or ".index_select." in operation.name:
        dims = [kwargs.get("dim", args[1] if len(args) > 1 else 0)]
    else:
        dims = list(range(len(operand.shape)))
    axis = iter(dims * 8)

    def index(value: Value) -> Tensor:
        if value is operand:
            return _labels_of(value)
        return torch.full(value.shape, int(share * operand.shape[next(axis)]), dtype=torch.long)

    result: Tensor = _moved(operation, args, kwargs, index)
    return result


def _table(b: Builder, row: Row, operand: Value, indices: list[Value]) -> Any:
    """Wire a parameter that is read at indices: an embedding where these come from an input."""
    if operand.slots is None or not any(index.labels is not None for index in indices):
        return None
    if len(indices) > 1 or operand.slots.ndim != 2 or len(row.shape) - 2 != len(indices[0].shape) + 1:
        raise UnsupportedLayerError("a parameter read at places that depend on an input; nn.Embedding can do so")
    return along(-1, len(row.shape) - 2, rules.embedding(b, row.name, indices[0], held(operand.slots)))

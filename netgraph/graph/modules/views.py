"""Rows that move values without computing any: labels go through the very same call."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from netgraph.errors import UnsupportedLayerError
from netgraph.graph.modules import rules
from netgraph.graph.modules.labels import Value, along, compress, values_in

_INDEXING = ("getitem", "index", "index_select")
_THROUGH_FLOAT = ("pad", "pixel_shuffle")


def view(c: rules.Call) -> Any:
    """Wire a call that moves values: its labels, or a parameter's places in the state."""
    if not values_in(c.args, c.kwargs):
        return c.function(*c.args, **c.kwargs)
    if c.base in _INDEXING and values_in(c.args[1:], c.kwargs):
        return _indexed(c)

    def joined(labels: Any, slots: Any) -> Any:
        if not isinstance(labels, Tensor):
            return labels
        if bool(labels.any()):
            return Value(tuple(labels.shape), torch.float32, compress(labels))
        return Value(tuple(labels.shape), torch.float32, slots=slots if bool(slots.any()) else None)

    zeros = lambda value: torch.zeros(value.shape, dtype=torch.long)  # noqa: E731
    slots = _moved(c, lambda value: zeros(value) if value.slots is None else value.slots)
    return pytree.tree_map(joined, _moved(c, Value.spread), slots)


def _moved(c: rules.Call, read: Callable[[Value], Tensor]) -> Any:
    """Make the call on what is read of each value, without padding by any."""
    through_float = c.of_module or c.target.startswith("functional.") or c.base in _THROUGH_FLOAT

    def fill(leaf: Any) -> Any:
        if not isinstance(leaf, Value):
            return leaf
        return read(leaf).double() if through_float else read(leaf)

    args, kwargs = pytree.tree_map(fill, (c.args, {key: part for key, part in c.kwargs.items() if key != "value"}))
    result = c.function(*args, **kwargs)
    return pytree.tree_map(lambda leaf: leaf.long() if isinstance(leaf, Tensor) else leaf, result)


def _indexed(c: rules.Call) -> Any:
    """Wire what a tensor of indices picks; the indices themselves are not known, so they must not matter.

    Raises:
        UnsupportedLayerError: When they do: which channel, or which row of a parameter, is read depends on them.
    """
    operand, indices = c.args[0], values_in(c.args[1:], c.kwargs)
    if operand.labels is not None and operand.labels.numel() == 1:
        return operand.labels.view([1] * (len(c.row.shape) - 2))
    if any(index.dtype == torch.bool for index in indices):
        raise UnsupportedLayerError("a selection by a mask, whose size depends on values")
    if operand.labels is None:
        return _table(c, operand, indices)
    picks = [_picked(c, operand, share) for share in {0.0, 0.5, 1.0 - 0.5 / max(operand.shape)}]
    if any(not torch.equal(picks[0], other) for other in picks):
        raise UnsupportedLayerError("channels chosen by a tensor of indices; the choice would have to be a constant")
    return compress(picks[0])


def _picked(c: rules.Call, operand: Value, share: float) -> Tensor:
    """Make the call with every index at the same share of each dimension."""
    dims = [c.dim(default=0)] if c.base == "index_select" else list(range(len(operand.shape)))
    axis = iter(dims * 8)

    def index(value: Value) -> Tensor:
        if value is operand:
            return value.spread()
        return torch.full(value.shape, int(share * operand.shape[next(axis)]), dtype=torch.long)

    result: Tensor = _moved(c, index)
    return result


def _table(c: rules.Call, operand: Value, indices: list[Value]) -> Any:
    """Wire a parameter that is read at indices: an embedding where these come from an input."""
    if operand.slots is None or not any(index.labels is not None for index in indices):
        return None
    ndim = len(c.row.shape) - 2
    if len(indices) > 1 or operand.slots.ndim != 2 or ndim != len(indices[0].shape) + 1:
        raise UnsupportedLayerError("a parameter read at places that depend on an input; nn.Embedding can do so")
    return along(-1, ndim, rules.embedding(c.b, c.name, indices[0], rules.held(operand.slots)))

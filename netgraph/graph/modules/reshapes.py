"""Calls that move values without computing any: labels go through the very same call."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from netgraph.errors import UnsupportedLayerError
from netgraph.graph.modules import edges
from netgraph.graph.modules.calls import Call
from netgraph.graph.modules.edges import Weights
from netgraph.graph.modules.labels import Value, along, compress, values_in

_INDEXING = ("getitem", "index", "index_select")
_THROUGH_FLOAT = ("pad", "pixel_shuffle")


def reshape(c: Call) -> Any:
    """Send the labels, or a parameter's indices in the state, through the very same call."""
    if not values_in(c.args, c.kwargs):
        return c.function(*c.args, **c.kwargs)
    if c.base in _INDEXING and values_in(c.args[1:], c.kwargs):
        return _index(c)

    def joined(labels: Any, slots: Any) -> Any:
        if not isinstance(labels, Tensor):
            return labels
        if bool(labels.any()):
            return Value(tuple(labels.shape), labels=compress(labels))
        return Value(tuple(labels.shape), slots=slots if bool(slots.any()) else None)

    zeros = lambda value: torch.zeros(value.shape, dtype=torch.long)  # noqa: E731
    slots = _moved(c, lambda value: zeros(value) if value.slots is None else value.slots)
    return pytree.tree_map(joined, _moved(c, Value.spread), slots)


def _moved(c: Call, read: Callable[[Value], Tensor]) -> Any:
    """Make the call on a tensor read from each value, without padding by any."""
    through_float = c.of_module or c.target.startswith("functional.") or c.base in _THROUGH_FLOAT

    def fill(leaf: Any) -> Any:
        if not isinstance(leaf, Value):
            return leaf
        return read(leaf).double() if through_float else read(leaf)

    args, kwargs = pytree.tree_map(fill, (c.args, {key: part for key, part in c.kwargs.items() if key != "value"}))
    result = c.function(*args, **kwargs)
    return pytree.tree_map(lambda leaf: leaf.long() if isinstance(leaf, Tensor) else leaf, result)


def _index(c: Call) -> Any:
    """Wire a selection by a tensor of indices; the indices themselves are not known, so they must not matter.

    Raises:
        UnsupportedLayerError: When they do: which channel, or which row of a parameter, is read depends on them.
    """
    operand, indices = c.args[0], values_in(c.args[1:], c.kwargs)
    if operand.labels is not None and operand.labels.numel() == 1:
        return operand.labels.view([1] * (len(c.shape) - 2))
    if any(index.dtype == torch.bool for index in indices):
        raise UnsupportedLayerError("a selection by a mask, whose size depends on values")
    if operand.labels is None:
        return _rows_of_parameter(c, operand, indices)
    dims = [c.dim(default=0)] if c.base == "index_select" else list(range(len(operand.shape)))

    def picked(share: float) -> Tensor:
        """Make the call with every index at the same share of each dimension."""
        axis = iter(dims * 8)
        index = lambda value: torch.full(value.shape, int(share * operand.shape[next(axis)]), dtype=torch.long)  # noqa: E731
        result: Tensor = _moved(c, lambda value: value.spread() if value is operand else index(value))
        return result

    picks = [picked(share) for share in {0.0, 0.5, 1.0 - 0.5 / max(operand.shape)}]
    if any(not torch.equal(picks[0], other) for other in picks):
        raise UnsupportedLayerError("channels chosen by a tensor of indices; the choice would have to be a constant")
    return compress(picks[0])


def _rows_of_parameter(c: Call, operand: Value, indices: list[Value]) -> Any:
    """Wire a parameter that is read at indices: an embedding where these come from an input."""
    slots = operand.slots
    if slots is None or not any(index.labels is not None for index in indices):
        return None
    ndim = len(c.shape) - 2
    if len(indices) > 1 or slots.ndim != 2 or ndim != len(indices[0].shape) + 1:
        raise UnsupportedLayerError("a parameter read at indices that depend on an input; nn.Embedding can do so")
    return along(-1, ndim, edges.embedding(c.b, c.name, indices[0], Weights(tuple(slots.shape), lambda: slots)))

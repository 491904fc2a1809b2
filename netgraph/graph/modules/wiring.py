"""The vertices and edges of a network of any kind.

Vertices are channels or units: what a layer's weights make, and what activations, sums and pools make of these. Rows
that only move values about (reshape, permute, chunk, concatenation) have none: the labels that say which vertex an
element belongs to go through the very same operation, so that whatever reads the result finds the vertex that feeds
it, be it behind a flatten, a split into heads or a shuffle. An edge carries every weight that multiplies its source on
the way to its target: a kernel for a convolution, a block of ``height x width`` for a linear layer behind a flatten,
all T weights for one that mixes T tokens. What depends on no input has no vertices, and neither has a parameter that
is used directly: it is the weights or the bias of what reads it. A normalization's statistics are no edges: each of its
vertices is fed by the one that it scales, as in the feed-forward vocabulary.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from netgraph.errors import NetGraphError, UnsupportedLayerError
from netgraph.graph.modules import call_rules, layer_rules
from netgraph.graph.modules.aliases import Aliases
from netgraph.graph.modules.builder import Builder, Wiring
from netgraph.graph.modules.encoding import Encoded, decode
from netgraph.graph.modules.functions import find_operation
from netgraph.graph.modules.labels import Value, along, value_of
from netgraph.graph.modules.program import Program, Row

__all__ = ["Wiring", "wire"]


def wire(program: Program, most: int | None = None) -> Wiring:
    """Go through the rows of a program in evaluation mode.

    Args:
        program: The program.
        most: Its number of vertices, where that is known: a file may ask for more than memory holds.

    Raises:
        UnsupportedLayerError: When it is not known how the vertices of a row are wired, with the row's name.
    """
    builder, aliases = Builder(program, most), Aliases(program)
    values: list[Any] = []
    made: list[Any] = []
    for position, row in enumerate(program.rows):
        builder.row = position
        try:
            values.append(_value(builder, row, values))
            for other in aliases.altered(position):
                values[other] = _altered(values[other], values[-1])
        except NetGraphError as error:
            raise UnsupportedLayerError(f"{row.label}: {error}") from error
        except (RuntimeError, ValueError, IndexError, TypeError, NotImplementedError, AssertionError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UnsupportedLayerError(f"{row.label}: its vertices cannot be read: {reason}") from error
        made.append(_without_slots(values[-1]))
    output = decode(program.table.output, {"row": values.__getitem__, "training": lambda name: False})
    return builder.wiring(made, output)


def _altered(old: Any, new: Any) -> Any:
    """After a call in place its operand, and what shares its memory, is what the call gave."""
    both = isinstance(old, Value) and isinstance(new, Value)
    return replace(new, slots=old.slots) if both else old


def _without_slots(value: Any) -> Any:
    """Let go of the places of parameters, which only the rules need."""
    return pytree.tree_map(lambda leaf: replace(leaf, slots=None) if isinstance(leaf, Value) else leaf, value)


def _value(builder: Builder, row: Row, values: list[Any]) -> Any:
    if row.op == "input":
        return _input(builder, row)
    if row.op == "tensor":
        return value_of(row.shape, slots=builder.slots(row.target))
    special: dict[str, Callable[[Any], Any]] = {"row": values.__getitem__, "training": lambda name: False}
    args, kwargs = decode(row.args, special), decode(row.kwargs, special)
    if row.op == "module":
        return _fit(row.shape, _module(builder, row, args, kwargs))
    operation = find_operation(row.target)
    return _fit(row.shape, call_rules.apply(builder, row, operation, args, kwargs))


def _module(builder: Builder, row: Row, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    part = builder.program.part_named.get(row.target)
    if part is None:
        raise UnsupportedLayerError("a call of a module inside a registered one")
    return layer_rules.apply(builder, part.name, part.type, part.hyper, [*args, *kwargs.values()])


def _fit(shape: Encoded, result: Any) -> Any:
    """Give a rule's result the recorded shape: a rule gives labels, a value, or a tuple of these."""
    if isinstance(shape, tuple) and shape[0] == "tuple":
        parts = result if isinstance(result, tuple | list) else (result,)
        padded = [*parts, *(None for _ in range(len(shape) - 1 - len(parts)))]
        return tuple(_fit(inner, part) for inner, part in zip(shape[1:], padded, strict=False))
    if isinstance(shape, tuple) and shape[0] == "shape":
        if isinstance(result, Value):
            return value_of(shape, result.labels, result.slots)
        if result is None or isinstance(result, Tensor):
            return value_of(shape, result)
    return result


_CHANNELS_FIRST = ("Conv", "BatchNorm", "InstanceNorm", "GroupNorm", "MaxPool", "AvgPool", "Adaptive", "Upsample")
_LAST = ("Linear", "MultiheadAttention", "LSTM", "GRU", "RNN", "LayerNorm", "RMSNorm", "Transformer", "Bilinear")


def _input(builder: Builder, row: Row) -> Any:
    """Give an input its vertices: its channels or features; one for integers; none for masks and numbers."""
    if not isinstance(row.shape, tuple) or row.shape[0] != "shape":
        return row.shape
    value = value_of(row.shape)
    if value.dtype == torch.bool or 0 in value.shape:
        return value
    if not (value.dtype.is_floating_point or value.dtype.is_complex) or not value.shape:
        return replace(value, labels=builder.add("Input", row.target, 1).view([1] * len(value.shape)))
    axis = _feature_axis(builder.program, row, len(value.shape))
    labels = builder.add("Input", row.target, value.shape[axis])
    return replace(value, labels=along(axis, len(value.shape), labels))


def _feature_axis(program: Program, row: Row, ndim: int) -> int:
    """Find the axis of an input's channels from the first layer that tells it."""
    position = program.rows.index(row)
    reached = {position}
    for later, user in enumerate(program.rows):
        if not reached.intersection(user.inputs):
            continue
        name = program.part_named[user.target].type if user.op == "module" else user.target
        found = _axis_of(name, ndim)
        if found is not None:
            return found
        if layer_rules.keeps_places(name) if user.op == "module" else _role(user) in ("each", "same", "join"):
            reached.add(later)
    return 1 if ndim >= 4 else ndim - 1


def _role(row: Row) -> str:
    return find_operation(row.target).role


def _axis_of(name: str, ndim: int) -> int | None:
    base = name.rpartition(".")[2] if not name.startswith("aten.") else name.split(".")[1]
    plain = base.replace("_", "").lower()
    if plain.startswith(tuple(prefix.lower() for prefix in _LAST)):
        return ndim - 1
    if plain.startswith(tuple(prefix.lower() for prefix in _CHANNELS_FIRST)):
        spatial = next((int(digit) for digit in plain if digit.isdigit()), ndim - 2)
        return max(0, ndim - spatial - 1) if spatial < ndim else 0
    return None

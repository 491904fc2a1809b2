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
from netgraph.graph.modules.builder import Builder, Wiring
from netgraph.graph.modules.call_rules import role_of_module, wire_call, wire_module
from netgraph.graph.modules.encoding import Encoded, decode, references
from netgraph.graph.modules.functions import find_operation
from netgraph.graph.modules.labels import Value, along, value_of
from netgraph.graph.modules.program import GraphNode, Program


def wire(program: Program, most: int | None = None) -> Wiring:
    """Return the nodes and edges of a program in evaluation mode, which are read once.

    Args:
        program: The program.
        most: Its number of vertices, where that is known: a file may ask for more than memory holds.

    Raises:
        UnsupportedLayerError: When it is not known how the vertices of a row are wired, with the row's name.
    """
    if "wiring" not in program.__dict__:
        program.__dict__["wiring"] = _wire(program, most)
    found: Wiring = program.__dict__["wiring"]
    return found


def structure(network: Any) -> Any:
    """Return what tells the nodes and edges of a network: an architecture itself, of a program its wiring."""
    return wire(network) if isinstance(network, Program) else network


def _wire(program: Program, most: int | None) -> Wiring:
    builder, aliases = Builder(program, most), Aliases(program)
    values: list[Any] = []
    made: list[Any] = []
    for position, row in enumerate(program.nodes):
        builder.row = position
        try:
            new = _value(builder, row, values)
            values.append(new)
            for other in aliases.altered(position):  # what shares memory is what the call in place gave
                old = values[other]
                both = isinstance(old, Value) and isinstance(new, Value)
                values[other] = replace(new, slots=old.slots) if both else old
        except NetGraphError as error:
            raise UnsupportedLayerError(f"{row.label}: {error}") from error
        except (RuntimeError, ValueError, IndexError, TypeError, NotImplementedError, AssertionError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UnsupportedLayerError(f"{row.label}: its vertices cannot be read: {reason}") from error
        forget = lambda leaf: replace(leaf, slots=None) if isinstance(leaf, Value) else leaf  # noqa: E731
        made.append(pytree.tree_map(forget, new))  # places of parameters, which only the rules need
    output = decode(program.calls.output, {"node": values.__getitem__, "training": lambda name: False})
    return Wiring(builder, made, output)


def _value(builder: Builder, row: GraphNode, values: list[Any]) -> Any:
    if row.op == "input":
        return _input(builder, row)
    if row.op == "tensor":
        return value_of(row.shape, slots=builder.slots(row.target))
    special: dict[str, Callable[[Any], Any]] = {"node": values.__getitem__, "training": lambda name: False}
    args, kwargs = decode(row.args, special), decode(row.kwargs, special)
    if row.op == "call":
        return _fit(row.shape, wire_call(builder, row, args, kwargs))
    part = builder.program.module_named.get(row.target)
    if part is None:
        raise UnsupportedLayerError("a call of a module inside a registered one")
    return _fit(row.shape, wire_module(builder, row, part, [*args, *kwargs.values()]))


def _fit(shape: Encoded, result: Any) -> Any:
    """Return a rule's result (labels, a value, or a tuple of these) in the recorded shape."""
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


#: Beginnings of the names of layers whose channels come before the places, or last; without underscores.
_CHANNELS_FIRST = ("conv", "batchnorm", "instancenorm", "groupnorm", "maxpool", "avgpool", "adaptive", "upsample")
_LAST = ("linear", "multiheadattention", "lstm", "gru", "rnn", "layernorm", "rmsnorm", "transformer", "bilinear")


def _input(builder: Builder, row: GraphNode) -> Any:
    """Add the vertices of an input: its channels or features; one for integers; none for masks and numbers."""
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


def _feature_axis(program: Program, row: GraphNode, ndim: int) -> int:
    """Find the axis of an input's channels from the first layer that tells it."""
    position = program.nodes.index(row)
    reached = {position}
    for later, user in enumerate(program.nodes):
        if not reached.intersection(user.inputs):
            continue
        of_module = user.op == "module"
        name = program.module_named[user.target].type if of_module else user.target
        base = name.split(".")[1] if name.startswith("aten.") else name.rpartition(".")[2]
        plain = base.replace("_", "").lower()
        if plain.startswith(_LAST):
            return ndim - 1
        if plain.startswith(_CHANNELS_FIRST):
            spatial = next((int(digit) for digit in plain if digit.isdigit()), ndim - 2)
            return max(0, ndim - spatial - 1) if spatial < ndim else 0
        role = role_of_module(name) if of_module else find_operation(name).role
        if role == "each" or (not of_module and role in ("mix", "prelu", "same", "join")):
            reached.add(later)
    return 1 if ndim >= 4 else ndim - 1


#: Operations that give their first operand's memory, in other places.
_VIEWS = """view reshape flatten permute transpose squeeze unsqueeze chunk split unbind expand narrow getitem t select
    slice movedim unflatten view_as reshape_as expand_as swapaxes split_with_sizes tensor_split getattr"""


class Aliases:
    """Values that share memory, in the same places or in others: a call in place alters all of them."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._base: list[int] = []
        self._moved: list[bool] = []
        for position, row in enumerate(program.nodes):
            kind = self._kind(row)
            source = row.inputs[0] if kind and row.inputs else None
            self._base.append(position if source is None else self._base[source])
            self._moved.append(source is not None and (kind == "view" or self._moved[source]))

    def _kind(self, row: GraphNode) -> str:
        if row.op == "module":
            part = self.program.module_named.get(row.target)
            kind = part.type if part is not None else ""
            same = kind.startswith(("Identity", "Dropout"))
            return "same" if same else "view" if kind in ("Flatten", "Unflatten") else ""
        if row.op != "call":
            return ""
        operation = find_operation(row.target)
        if self.in_place(row) or operation.role == "same":
            return "same"
        return "view" if operation.name.split(".")[1] in _VIEWS.split() else ""

    def in_place(self, row: GraphNode) -> bool:
        """Return whether a call alters its first operand."""
        flag = ("item", "inplace", True)
        if row.op == "module":
            part = self.program.module_named.get(row.target)
            return part is not None and flag in part.kwargs
        return row.op == "call" and (find_operation(row.target).in_place or flag in row.kwargs)

    def altered(self, position: int) -> list[int]:
        """List the earlier rows whose values a call in place makes the same as its own.

        Raises:
            UnsupportedLayerError: When another value with the same memory in other places is read afterwards.
        """
        rows = self.program.nodes
        if not self.in_place(rows[position]) or not rows[position].inputs:
            return []
        first, moved = rows[position].inputs[0], self._moved[position]
        read = {i for row in rows[position + 1 :] for i in row.inputs} | set(references(self.program.calls.output))
        shared = [i for i in range(position) if self._base[i] == self._base[position]]
        for other in shared:
            if other in read and (moved or self._moved[other]) and other != first:
                raise UnsupportedLayerError(
                    f"works in place on memory that {rows[other].name} shares and that is read again; work on a copy"
                )
        return [first] if moved else [i for i in shared if not self._moved[i]]

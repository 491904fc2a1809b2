"""How the vertices of each kind of layer are wired: one small function a kind."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from netgraph.errors import UnsupportedLayerError
from netgraph.graph.modules.builder import Builder, Weights
from netgraph.graph.modules.labels import Value, distinct, dotted, together
from netgraph.graph.modules.program import GraphNode


@dataclass(frozen=True)
class Call:
    """One call while it is wired.

    Attributes:
        b: The builder.
        row: The row of the call.
        name: Name of its vertices: the module's, or the row's.
        kind: Their type.
        target: The operation, or ``module.`` and the type of the module, whose arguments are ``kwargs``.
        args: The operands.
        kwargs: The arguments by name.
        function: Makes the call.
    """

    b: Builder
    row: GraphNode
    name: str
    kind: str
    target: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    function: Callable[..., Any] = lambda *args: None

    @property
    def base(self) -> str:
        """The operation without its namespace."""
        return self.target.split(".")[1]

    @property
    def of_module(self) -> bool:
        """Whether a module is called, which holds the weights."""
        return self.target.startswith("module.")

    @property
    def operand(self) -> Any:
        """The value that is read first."""
        return self.args[0] if self.args else self.kwargs["input"]

    def argument(self, name: str, position: int) -> Any:
        """Return an argument, None where it is not given."""
        return self.args[position] if len(self.args) > position else self.kwargs.get(name)

    def dim(self, position: int = 1, default: Any = None) -> Any:
        """Return the axis or the axes."""
        named = [self.kwargs[key] for key in ("dim", "axis", "dims") if key in self.kwargs]
        found = named[0] if named else self.argument("dim", position)
        return default if found is None else found

    def slots(self, name: str, position: int) -> Tensor | None:
        """Return the state elements plus 1 of a parameter: the module's, or an argument."""
        if self.of_module:
            return self.b.slots(dotted(self.name, name))
        value = self.argument(name, position)
        return None if value is None else value.slots

    def weights(self, change: Callable[[Tensor], Tensor] = lambda slots: slots, position: int = 1) -> Weights:
        """Return the weights, brought into the shape of a dense layer's by ``change``.

        Raises:
            UnsupportedLayerError: When they are no parameter.
        """
        if self.of_module:
            return self.b.weights(dotted(self.name, "weight"), change)
        slots = self.slots("weight", position)
        if slots is None:
            raise UnsupportedLayerError("weights that are computed; they would have to be a parameter")
        return held(change(slots))


def held(slots: Tensor) -> Weights:
    """Return weights that are made already."""
    return Weights(tuple(slots.shape), lambda: slots)


def each(b: Builder, name: str, kind: str, operand: Value) -> Tensor:
    """Wire an activation: one vertex for each that feeds it."""
    labels = b.renew(operand, kind, name, before=True)
    b.same_places(operand.known, labels)
    return labels


def dense(b: Builder, name: str, kind: str, operand: Value, axis: int, weight: Weights, bias: Tensor | None) -> Tensor:
    """Wire a layer that reads all features: the labels of its outputs, [outputs]."""
    labels = b.add(kind, name, weight.shape[0])
    b.dense(operand, axis, weight, labels)
    b.bias(labels, bias)
    return labels


def grouped(weight: Tensor, groups: int, transposed: bool) -> Tensor:
    """Return the weight of a convolution as [outputs, inputs, *kernel], 0 between groups."""
    parts = list(weight.chunk(groups))
    if transposed:  # [inputs, outputs / groups, *kernel]
        parts = [part.transpose(0, 1) for part in parts]
    if groups == 1:
        return parts[0]
    rows, columns = parts[0].shape[:2]
    full = weight.new_zeros(rows * groups, columns * groups, *weight.shape[2:])
    for i, part in enumerate(parts):
        full[i * rows : (i + 1) * rows, i * columns : (i + 1) * columns] = part
    return full


def norm(b: Builder, name: str, kind: str, operand: Value, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """Wire a normalization: one vertex for each that feeds it; scales are the edges' weights.

    Args:
        b: The builder.
        name: The layer's name.
        kind: Its type.
        operand: What it reads.
        weight: State elements of the scales plus 1, of a shape that broadcasts with the operand's.
        bias: The same of the shifts.
    """
    labels = b.renew(operand, kind, name)
    if weight is None:
        b.same_places(operand.known, labels)
    else:
        source, target, slot = together(operand.known, labels, weight)
        b.weighted(source, target, slot)
    b.bias(labels, bias)
    return labels


def merge(b: Builder, name: str, kind: str, operand: Value, axes: Sequence[int]) -> Tensor:
    """Wire a reduction: a vertex for each that feeds it where its axes do not mix any, else one a remaining place.

    Returns:
        The labels, of size 1 along the axes.
    """
    labels = operand.known
    if all(labels.shape[axis] == 1 for axis in axes):
        renewed = b.renew(operand, kind, name)
        b.same_places(labels, renewed)
        return renewed
    remaining = [1 if i in {axis % labels.ndim for axis in axes} else n for i, n in enumerate(labels.shape)]
    merged = b.add(kind, name, math.prod(remaining)).view(remaining)
    b.same_places(labels, merged)
    return merged


def mix(b: Builder, name: str, kind: str, operand: Value, axis: int) -> Tensor:
    """Wire a softmax: a vertex for each that feeds it, fed by all along the axis."""
    labels = b.renew(operand, kind, name, before=True)
    old = operand.known.unsqueeze(-1).transpose(-1, axis % labels.ndim)
    b.same_places(old, labels.unsqueeze(-1))
    return labels


def join(b: Builder, name: str, kind: str, operands: Sequence[Value]) -> Tensor:
    """Wire an elementwise operation on several values.

    It has a vertex for each of its first operand with more than one; every operand feeds those it meets. A parameter
    that is multiplied is the edges' weights, one that is added is the bias.
    """
    live = [value for value in operands if value.labels is not None]
    first = next((value for value in live if len(value.vertices) > 1), live[0])
    labels = b.renew(first, kind, name)
    held = [value.slots for value in operands if value.labels is None and value.slots is not None]
    for value in live:
        if held and kind == "Mul":
            source, target, slot = together(value.known, labels, held[0])
            b.weighted(source, target, slot)
        else:
            b.same_places(value.known, labels)
    if held and kind == "Add":
        b.bias(labels, held[0])
    shape = torch.broadcast_shapes(*(value.labels.shape for value in live if value.labels is not None), labels.shape)
    return labels.view([1] * (len(shape) - labels.ndim) + list(labels.shape))


def contract(b: Builder, name: str, kind: str, terms: Sequence[tuple[Value, str]], out: str) -> Tensor:
    """Wire a contraction (Einstein's notation): a matrix product, an attention, an einsum.

    Its vertices are those of its last operand whose labels do not run along a contracted letter; where there is none,
    one for each place along the letters on which labels depend. A parameter among two operands makes it a dense layer.

    Returns:
        The labels, one dimension a letter of ``out``.
    """
    live = [(value.labels, letters) for value, letters in terms if value.labels is not None]
    held = [(value.slots, letters) for value, letters in terms if value.labels is None and value.slots is not None]
    if len(live) == 1 and len(held) == 1 and len(terms) == 2:
        return _parametric(b, name, live[0], held[0], out)
    labels, letters = _carrier(b, name, kind, live, out)
    everything = "".join(dict.fromkeys("".join(part for _, part in live) + out))
    result = _arrange(labels, letters, everything)
    for operand, own in live:
        b.same_places(_arrange(operand, own, everything), result)
    return _arrange(labels, letters, out)


def _carrier(b: Builder, name: str, kind: str, live: Sequence[tuple[Tensor, str]], out: str) -> tuple[Tensor, str]:
    for labels, letters in reversed(live):
        runs = [letter for letter, n in zip(letters, labels.shape, strict=True) if n > 1]
        if runs and all(letter in out for letter in runs):
            return b.renew(Value((), torch.float32, labels), kind, name), letters
    sizes = dict.fromkeys(out, 1)
    for labels, letters in live:
        sizes |= {letter: n for letter, n in zip(letters, labels.shape, strict=True) if letter in out and n > 1}
    shape = [sizes[letter] for letter in out]
    return b.add(kind, name, math.prod(shape)).view(shape), out


def _arrange(labels: Tensor, letters: str, wanted: str) -> Tensor:
    """Permute the axes of labels into the order of the wanted letters; a missing axis gets size 1."""
    kept = [i for i, letter in enumerate(letters) if letter in wanted]
    labels = labels.permute([*kept, *(i for i in range(len(letters)) if i not in kept)])
    labels = labels.reshape(labels.shape[: len(kept)])  # the others have size 1
    own = [letters[i] for i in kept]
    labels = labels.permute([own.index(letter) for letter in wanted if letter in own])
    sizes = dict(zip([letter for letter in wanted if letter in own], labels.shape, strict=True))
    return labels.reshape([sizes.get(letter, 1) for letter in wanted])


def _parametric(b: Builder, name: str, live: tuple[Tensor, str], held: tuple[Tensor, str], out: str) -> Tensor:
    """Wire the product of a value and a parameter: a dense layer along the letters of the parameter alone."""
    (labels, letters), (slots, own) = live, held
    new = [letter for letter in own if letter in out and letter not in letters]
    sizes = dict(zip(own, slots.shape, strict=True))
    made = b.add("Linear", name, math.prod(sizes[letter] for letter in new)).view([sizes[letter] for letter in new])
    everything = "".join(dict.fromkeys(letters + own))
    target = _arrange(made, "".join(new), everything)
    source, weight = _arrange(labels, letters, everything), _arrange(slots, own, everything)
    edges = lambda: tuple(together(source, target, weight))  # noqa: E731
    b.link(distinct(labels), made.reshape(-1) - 1, edges)  # type: ignore[arg-type]
    return _arrange(made, "".join(new), out)


def embedding(b: Builder, name: str, operand: Value, weight: Weights) -> Tensor:
    """Wire a table of rows: an edge from an index to a unit carries that unit's column. Gives labels, [units]."""
    labels = b.add("Embedding", name, weight.shape[1])
    indices = operand.vertices

    def edges() -> tuple[Tensor, Tensor, Tensor]:
        columns = weight.make().t()  # [units, rows]
        return (
            indices[:, None, None].expand(-1, *columns.shape).reshape(-1),
            (labels - 1)[None, :, None].expand(len(indices), -1, weight.shape[0]).reshape(-1),
            (columns - 1)[None].expand(len(indices), -1, -1).reshape(-1),
        )

    b.link(indices, labels - 1, edges)
    return labels

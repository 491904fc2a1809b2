"""Edge rules: the nodes that a layer adds, and the edges that lead to them.

A rule returns labels (:mod:`netgraph.graph.modules.labels`) of the nodes that it has added.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from netgraph.errors import InvalidGraphError, UnsupportedLayerError
from netgraph.graph.modules.labels import Value, along, distinct, together
from netgraph.graph.modules.program import Program

#: Edges of one layer, computed when asked for: (source, target, slot), one entry a weight, slot -1 where there is none.
Link = Callable[[], tuple[Tensor, Tensor, Tensor]]


@dataclass(frozen=True)
class Group:
    """Nodes of one layer: ``size`` of them from ``start`` on.

    Attributes:
        type: Their type.
        name: The layer's name.
        start: The first of them.
        size: How many.
        call: Position of the call that makes them.
        before: Whether their pre-activation is the operand of the call (an activation), not their own value.
    """

    type: str
    name: str
    start: int
    size: int
    call: int
    before: bool = False


@dataclass(frozen=True)
class Weights:
    """The weights of a dense layer, as state elements plus 1 (0 where there is no connection), computed when asked for.

    Attributes:
        shape: [targets, features, *kernel].
        make: Makes them in this shape.
    """

    shape: tuple[int, ...]
    make: Callable[[], Tensor]


class Builder:
    """Adds groups of nodes and the edges into them.

    Attributes:
        call: Position of the call that is being wired.
        most: Most nodes; None for no limit.
    """

    def __init__(self, program: Program, most: int | None = None) -> None:
        self.program, self.most = program, most
        self.call = 0
        self.groups: list[Group] = []
        self.links: list[tuple[int, Link]] = []
        self.biases: list[tuple[Tensor, Tensor]] = []
        self.feeds: set[tuple[int, int]] = set()
        self._offsets: dict[str, int] = {}  # of tensors' first elements: in the flat state, others counted on behind it
        size = program.state_size
        for tensor in program.tensors:
            self._offsets |= dict.fromkeys(tensor.names, tensor.offset if tensor.in_state else size)
            size += 0 if tensor.in_state else tensor.size
        self.num_nodes = 0

    def slots(self, name: str) -> Tensor | None:
        """Return the state elements of a tensor in its shape, plus 1; None when there is no such tensor."""
        tensor = self.program.tensor_named.get(name)
        if tensor is None:
            return None
        start = self._offsets[name] + 1
        small = start + tensor.size < torch.iinfo(torch.int32).max  # half the memory for parameters used directly
        return torch.arange(start, start + tensor.size, dtype=torch.int32 if small else torch.long).view(tensor.shape)

    def weights(self, name: str, change: Callable[[Tensor], Tensor] = lambda slots: slots) -> Weights:
        """Return a tensor as weights of a dense layer, brought into their shape by ``change``.

        Raises:
            UnsupportedLayerError: When there is no such tensor.
        """
        tensor = self.program.tensor_named.get(name)
        if tensor is None:
            raise UnsupportedLayerError(f"{name} is missing")
        start, stop = self._offsets[name] + 1, self._offsets[name] + 1 + tensor.size
        shape = change(torch.empty(tensor.shape, dtype=torch.long, device="meta")).shape
        return Weights(tuple(shape), lambda: change(torch.arange(start, stop).view(tensor.shape)))

    def add(self, kind: str, name: str, size: int, before: bool = False) -> Tensor:
        """Add nodes; return their labels, [size].

        Raises:
            InvalidGraphError: When there are more than the most.
        """
        start, self.num_nodes = self.num_nodes, self.num_nodes + size
        if self.most is not None and self.num_nodes > self.most:
            raise InvalidGraphError(f"{self.num_nodes} nodes, but sensitivities of {self.most}")
        self.groups.append(Group(kind, name, start, size, self.call, before))
        return torch.arange(start + 1, start + size + 1)

    def renew(self, labels: Tensor, kind: str, name: str, before: bool = False) -> Tensor:
        """Add one node for each that labels name; return the new labels at their positions."""
        old = distinct(labels)
        table = torch.zeros(int(labels.max()) + 1, dtype=torch.long)
        table[old + 1] = self.add(kind, name, len(old), before)
        return table[labels]

    def bias(self, labels: Tensor, slots: Tensor | None) -> None:
        """Set the biases of nodes where each has one; both plus 1, of shapes that broadcast."""
        if slots is None:
            return
        nodes, elements = together(labels, slots)
        once, counts = torch.unique(nodes, return_counts=True)
        if len(once) == len(nodes) and bool((counts == 1).all()):
            self.biases.append((nodes, elements))

    def link(self, source: Tensor, target: Tensor, make: Link) -> None:
        """Add edges that are computed when asked for, and note which groups they connect (nodes, not labels)."""
        starts = torch.tensor([group.start for group in self.groups])
        groups = [torch.unique(torch.searchsorted(starts, part, right=True) - 1).tolist() for part in (source, target)]
        self.feeds.update((a, b) for a in groups[0] for b in groups[1])
        self.links += [(group, make) for group in groups[1]]

    def connect(self, source: Tensor, target: Tensor, weight: Tensor | None = None) -> None:
        """Connect the nodes that meet at the same positions of labels that broadcast.

        Args:
            source: Labels of the nodes that feed.
            target: Labels of the nodes that are fed.
            weight: State elements plus 1 of the edges' weights; None where they have none.
        """
        first, second, *slot = together(source, target, *([] if weight is None else [weight]))
        self.link(first, second, lambda: (first, second, slot[0] if slot else torch.full_like(first, -1)))

    def connect_densely(self, operand: Value, axis: int, weight: Weights, targets: Tensor) -> None:
        """Connect all features along an axis of an operand with all targets, labels of [targets]."""
        labels = operand.labels
        if labels is None:
            return
        index = along(axis, labels.ndim, torch.arange(1, weight.shape[1] + 1))  # the feature at each position

        def edges() -> tuple[Tensor, Tensor, Tensor]:
            (feature, node), weights = together(index, labels), weight.make()
            slots = (
                weights.flatten(2)[:, feature] if weights.ndim > 2 else weights[:, feature, None]
            )  # [targets, pairs, kernel]
            slots = slots.contiguous()
            source = node[None, :, None].expand_as(slots).reshape(-1)
            target = (targets - 1)[:, None, None].expand_as(slots).reshape(-1)
            there = slots.reshape(-1) > 0
            return source[there], target[there], slots.reshape(-1)[there].long() - 1

        self.link(operand.nodes, targets - 1, edges)


def dense(b: Builder, name: str, kind: str, operand: Value, axis: int, weight: Weights, bias: Tensor | None) -> Tensor:
    """Wire a layer that reads all features along an axis; return the labels of its outputs along the same axis."""
    labels = b.add(kind, name, weight.shape[0])
    b.connect_densely(operand, axis, weight, labels)
    b.bias(labels, bias)
    return along(axis, len(operand.shape), labels)


def elementwise(
    b: Builder,
    name: str,
    kind: str,
    operands: Sequence[Value],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    before: bool = False,
) -> Tensor:
    """Wire an activation, a normalization, an arithmetic operation: values meet position by position.

    Args:
        b: The builder.
        name: The layer's name.
        kind: Its type.
        operands: Its operands. It has a node for each of the first one with several.
        weight: State elements plus 1 that multiply, of a shape that broadcasts with the operands'.
        bias: The same of a parameter that is added.
        before: Whether the nodes' pre-activation is the operand of the call.
    """
    first = next((value for value in operands if len(value.nodes) > 1), operands[0])
    labels = b.renew(first.known, kind, name, before)
    for value in operands:
        b.connect(value.known, labels, weight)
    b.bias(labels, bias)
    shape = torch.broadcast_shapes(*(value.known.shape for value in operands))
    return labels.view([1] * (len(shape) - labels.ndim) + list(labels.shape))


def reduce(b: Builder, name: str, kind: str, operand: Value, axes: Sequence[int]) -> Tensor:
    """Wire a reduction: a node for each that feeds it where its axes mix none, else one for each remaining position.

    Returns:
        The labels, of size 1 along the axes.
    """
    labels = operand.known
    if all(labels.shape[axis] == 1 for axis in axes):
        return elementwise(b, name, kind, [operand])
    remaining = [1 if i in {axis % labels.ndim for axis in axes} else n for i, n in enumerate(labels.shape)]
    merged = b.add(kind, name, math.prod(remaining)).view(remaining)
    b.connect(labels, merged)
    return merged


def softmax(b: Builder, name: str, kind: str, operand: Value, axis: int) -> Tensor:
    """Wire a softmax: a node for each that feeds it, fed by all along the axis."""
    old = operand.known
    labels = b.renew(old, kind, name, before=True)
    b.connect(old.unsqueeze(-1).transpose(-1, axis % old.ndim), labels.unsqueeze(-1))
    return labels


def embedding(b: Builder, name: str, operand: Value, weight: Weights) -> Tensor:
    """Wire an embedding: an edge from an index to a unit carries that unit's column. Returns labels, [units]."""
    labels = b.add("Embedding", name, weight.shape[1])
    indices = operand.nodes

    def edges() -> tuple[Tensor, Tensor, Tensor]:
        columns = weight.make().t().expand(len(indices), -1, -1)  # [indices, units, rows]
        source, target = indices[:, None, None].expand_as(columns), (labels - 1)[None, :, None].expand_as(columns)
        return source.reshape(-1), target.reshape(-1), columns.reshape(-1).long() - 1

    b.link(indices, labels - 1, edges)
    return labels


def einsum(b: Builder, name: str, kind: str, terms: Sequence[tuple[Value, str]], out: str) -> Tensor:
    """Wire a contraction (Einstein's notation): a matrix product, an attention, an einsum.

    Its nodes are those of its last operand whose labels do not run along a contracted letter; where there is none, one
    for each position along the letters on which labels depend. A parameter among two operands makes it a dense layer.

    Returns:
        The labels, one dimension a letter of ``out``.
    """
    live = [(value.labels, letters) for value, letters in terms if value.labels is not None]
    held = [(value.slots, letters) for value, letters in terms if value.labels is None and value.slots is not None]
    if len(live) == 1 and len(held) == 1 and len(terms) == 2:
        return _product_with_parameter(b, name, live[0], held[0], out)
    labels, letters = _einsum_nodes(b, name, kind, live, out)
    everything = "".join(dict.fromkeys("".join(part for _, part in live) + out))
    for operand, axes in live:
        b.connect(_arrange(operand, axes, everything), _arrange(labels, letters, everything))
    return _arrange(labels, letters, out)


def _einsum_nodes(b: Builder, name: str, kind: str, live: Sequence[tuple[Tensor, str]], out: str) -> tuple[Tensor, str]:
    for labels, letters in reversed(live):
        runs = [letter for letter, n in zip(letters, labels.shape, strict=True) if n > 1]
        if runs and all(letter in out for letter in runs):
            return b.renew(labels, kind, name), letters
    sizes = dict.fromkeys(out, 1)
    for labels, letters in live:
        sizes |= {letter: n for letter, n in zip(letters, labels.shape, strict=True) if letter in out and n > 1}
    shape = [sizes[letter] for letter in out]
    return b.add(kind, name, math.prod(shape)).view(shape), out


def _arrange(labels: Tensor, letters: str, order: str) -> Tensor:
    """Permute labels into the order of some letters; a missing letter gets size 1."""
    kept = sorted((i for i, letter in enumerate(letters) if letter in order), key=lambda i: order.index(letters[i]))
    others = [i for i in range(len(letters)) if i not in kept]  # of size 1
    sizes = {letters[i]: labels.shape[i] for i in kept}
    return labels.permute([*kept, *others]).reshape([sizes.get(letter, 1) for letter in order])


def _product_with_parameter(
    b: Builder, name: str, live: tuple[Tensor, str], held: tuple[Tensor, str], out: str
) -> Tensor:
    """Wire the product of a value and a parameter: a dense layer along the letters of the parameter alone."""
    (labels, letters), (slots, axes) = live, held
    new = "".join(letter for letter in axes if letter in out and letter not in letters)
    sizes = dict(zip(axes, slots.shape, strict=True))
    shape = [sizes[letter] for letter in new]
    units = b.add("Linear", name, math.prod(shape)).view(shape)
    everything = "".join(dict.fromkeys(letters + axes))
    indices = [_arrange(*each, everything) for each in ((labels, letters), (units, new), (slots, axes))]
    b.link(distinct(labels), units.reshape(-1) - 1, lambda: tuple(together(*indices)))  # type: ignore[arg-type,return-value]
    return _arrange(units, new, out)

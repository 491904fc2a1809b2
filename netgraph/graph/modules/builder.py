"""Gathers vertices and edges while the rows of a program are gone through."""

import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from netgraph.errors import InvalidGraphError, NetGraphError, UnsupportedLayerError
from netgraph.graph.modules.labels import Value, along, distinct, together
from netgraph.graph.modules.parts import CODES
from netgraph.graph.modules.program import Program

Ints = npt.NDArray[np.int64]
#: Most numbers that are laid side by side, an edge a row.
MOST_ELEMENTS = 2**30
#: Edges of one layer, made when asked for: (source, target, slot), one entry a weight, slot -1 where there is none.
Link = Callable[[], tuple[Tensor, Tensor, Tensor]]


@dataclass(frozen=True)
class Group:
    """Vertices of one layer: ``size`` of them from ``start`` on.

    Attributes:
        type: Their type.
        name: The layer's name.
        start: The first of them.
        size: How many.
        row: The row that makes them.
        before: Whether their pre-activation is what feeds the row (an activation's) rather than their own value.
    """

    type: str
    name: str
    start: int
    size: int
    row: int
    before: bool = False


@dataclass(frozen=True)
class Weights:
    """The weights of a dense layer, as state elements plus 1 (0 where there is no connection), made when asked for.

    Attributes:
        shape: [targets, features, *kernel].
        make: Makes them in this shape.
    """

    shape: tuple[int, ...]
    make: Callable[[], Tensor]


@dataclass(frozen=True)
class Edges:
    """Edges sorted by target, then by source.

    Attributes:
        index: From feeding to fed vertex, [2, E].
        owner: The edge of each weight, ascending, [W].
        slot: The state element that each weight is, [W].
    """

    index: Ints
    owner: Ints
    slot: Ints

    @cached_property
    def count(self) -> Ints:
        """Number of weights of each edge, [E]."""
        return np.bincount(self.owner, minlength=self.index.shape[1]).astype(np.int64)

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Shape of the weights laid side by side, an edge a row, [E, k].

        Raises:
            NetGraphError: When that would not fit in memory.
        """
        shape = (len(self.count), max(1, int(self.count.max(initial=0))))
        if math.prod(shape) > MOST_ELEMENTS:
            text = f"{shape[0]:,} edges with kernels of up to {shape[1]:,} weights"
            raise NetGraphError(f"{text} do not fit side by side; read graph.edge_index, and graph.tensor for a layer")
        return shape

    @cached_property
    def place(self) -> Ints:
        """Where each weight lies when they are laid side by side, in row-major order, [W]."""
        within = np.arange(len(self.owner)) - (np.cumsum(self.count) - self.count)[self.owner]
        places: Ints = self.owner * self.shape[1] + within
        return places


class Wiring:
    """The vertices of a program, and its edges when they are asked for.

    Attributes:
        groups: The vertices, layer by layer.
        feeds: Which group feeds which, as (source, target) positions, sorted.
        values: What is known of each row's value when it is made: a :class:`~netgraph.graph.modules.labels.Value`, a
            tuple, a number.
        output: The same of what the network gives.
    """

    def __init__(self, builder: "Builder", values: list[Any], output: Any) -> None:
        groups = builder.groups
        self.groups, self._links, self._biases = tuple(groups), tuple(builder.links), tuple(builder.biases)
        self.feeds = tuple(sorted(builder.feeds))
        self.values, self.output = tuple(values), output
        self.num_nodes = groups[-1].start + groups[-1].size if groups else 0

    @cached_property
    def layer_type(self) -> Ints:
        """Code of each vertex's type, [N]."""
        codes = [CODES[group.type] for group in self.groups]
        return np.repeat(np.array(codes, dtype=np.int64), [group.size for group in self.groups])

    @cached_property
    def bias_slot(self) -> Ints:
        """State element that is each vertex's one bias, -1 where it has none or several, [N]."""
        slots = np.full(self.num_nodes, -1, dtype=np.int64)
        for vertices, own in self._biases:
            slots[vertices.numpy()] = own.numpy()
        return slots

    @cached_property
    def edges(self) -> Edges:
        """All edges, the kernels of those between the same two vertices joined."""
        groups: dict[int, list[Link]] = defaultdict(list)
        for group, link in self._links:
            groups[group].append(link)
        parts = []
        for group in sorted(groups):
            source, target, slot = (
                torch.cat(column).numpy() for column in zip(*(f() for f in groups[group]), strict=True)
            )
            falls = (np.diff(target) < 0) | ((np.diff(target) == 0) & (np.diff(source) < 0))
            if falls.any():  # most layers' are made in order
                order = np.lexsort((source, target))
                source, target, slot = source[order], target[order], slot[order]
            parts.append((source, target, slot))
        empty = np.zeros(0, dtype=np.int64)
        source, target, slot = (np.concatenate([empty, *column]) for column in zip((empty,) * 3, *parts, strict=True))
        first = np.ones(len(source), dtype=bool)
        first[1:] = (source[1:] != source[:-1]) | (target[1:] != target[:-1])
        owner = np.cumsum(first) - 1
        return Edges(np.stack([source[first], target[first]]), owner[slot >= 0], slot[slot >= 0])

    @property
    def num_edges(self) -> int:
        """Number of edges, E."""
        return len(self.edges.count)

    @property
    def edge_index(self) -> Ints:
        """Edges from feeding to fed node, sorted by target, then by source, [2, E]."""
        return self.edges.index

    @cached_property
    def parent(self) -> Ints:
        """First vertex that feeds each vertex, -1 where none does, [N]."""
        parents = np.full(self.num_nodes, -1, dtype=np.int64)
        source, target = self.edges.index
        parents[target[::-1]] = source[::-1]
        return parents


class Builder:
    """Adds groups of vertices and the edges into them.

    Attributes:
        row: The row that is being wired.
        most: Most vertices; None for no limit.
    """

    def __init__(self, program: Program, most: int | None = None) -> None:
        self.program, self.most = program, most
        self.row = 0
        self.groups: list[Group] = []
        self.links: list[tuple[int, Link]] = []
        self.biases: list[tuple[Tensor, Tensor]] = []
        self.feeds: set[tuple[int, int]] = set()
        self._offsets: dict[str, int] = {}  # of tensors' first elements: in the flat state, others counted on behind it
        size = program.state_size
        for tensor in program.tensors:
            self._offsets |= dict.fromkeys(tensor.names, tensor.offset if tensor.in_state else size)
            size += 0 if tensor.in_state else tensor.size
        self._size = 0

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
        """Add vertices; return their labels, [size].

        Raises:
            InvalidGraphError: When there are more than the most.
        """
        if self.most is not None and self._size + size > self.most:
            raise InvalidGraphError(f"{self._size + size} vertices, but sensitivities of {self.most}")
        self.groups.append(Group(kind, name, self._size, size, self.row, before))
        self._size += size
        return torch.arange(self._size - size + 1, self._size + 1)

    def bias(self, labels: Tensor, slots: Tensor | None) -> None:
        """Set the biases of vertices where each has one; both plus 1, of shapes that broadcast."""
        if slots is None:
            return
        vertices, own = together(labels, slots)
        once, counts = torch.unique(vertices, return_counts=True)
        if len(once) == len(vertices) and bool((counts == 1).all()):
            self.biases.append((vertices, own))

    def link(self, source: Tensor, target: Tensor, make: Link) -> None:
        """Add edges that are made when asked for, and note which groups they connect (vertices, not labels)."""
        starts = torch.tensor([group.start for group in self.groups])
        groups = [torch.unique(torch.searchsorted(starts, part, right=True) - 1).tolist() for part in (source, target)]
        self.feeds.update((a, b) for a in groups[0] for b in groups[1])
        self.links += [(group, make) for group in groups[1]]

    def weighted(self, source: Tensor, target: Tensor, slot: Tensor) -> None:
        """Connect vertices, each edge with a state element."""
        self.link(source, target, lambda: (source, target, slot))

    def same_places(self, source: Tensor, target: Tensor) -> None:
        """Connect the vertices that meet at the same places of labels that broadcast, without weights."""
        first, second = together(source, target)
        self.link(first, second, lambda: (first, second, torch.full_like(first, -1)))

    def dense(self, operand: Value, axis: int, weight: Weights, targets: Tensor) -> None:
        """Connect densely along an axis.

        Args:
            operand: What is read.
            axis: Its axis of features.
            weight: The weights.
            targets: Labels of the vertices that read, [targets].
        """
        labels = operand.labels
        if labels is None:
            return
        index = along(axis, labels.ndim, torch.arange(1, weight.shape[1] + 1))  # the feature at each place

        def edges() -> tuple[Tensor, Tensor, Tensor]:
            (feature, vertex), made = together(index, labels), weight.make()
            slots = made.flatten(2)[:, feature] if made.ndim > 2 else made[:, feature, None]  # [targets, pairs, kernel]
            slots = slots.contiguous()
            source = vertex[None, :, None].expand_as(slots).reshape(-1)
            target = (targets - 1)[:, None, None].expand_as(slots).reshape(-1)
            there = slots.reshape(-1) > 0
            return source[there], target[there], slots.reshape(-1)[there].long() - 1

        self.link(operand.vertices, targets - 1, edges)

    def renew(self, operand: Value, kind: str, name: str, before: bool = False) -> Tensor:
        """Add one vertex for each that is in a value; return their labels in the value's places."""
        labels = operand.known
        old = distinct(labels)
        new = self.add(kind, name, len(old), before=before)
        table = torch.zeros(int(labels.max()) + 1, dtype=torch.long)
        table[old + 1] = new
        return table[labels]

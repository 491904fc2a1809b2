"""An architecture: the layers of a network without their weights, and every index derived from them once.

Many graphs share one architecture, so the arrays here cost nothing per network.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from netgraph.graph.frozen import Frozen, cached_if_small
from netgraph.graph.layers import HyperValue, LayerType, TensorKind, layer_type

Ints = npt.NDArray[np.int64]
#: Kinds of tensors; ``Architecture.element_kind`` counts them.
TENSOR_KINDS: tuple[TensorKind, ...] = ("edge", "bias", "mean", "variance", "count")


@dataclass(frozen=True)
class Layer:
    """One layer: a row of the layer table.

    Attributes:
        type: Name of the layer type.
        inputs: Positions in the layer table of the layers that feed it, in operand order.
        size: Number of its nodes.
        name: The module's qualified name, on which its function does not depend.
        hyper: Hyper-parameters as sorted (name, value) pairs; those not given have their defaults.
    """

    type: str
    inputs: tuple[int, ...]
    size: int
    name: str = ""
    hyper: tuple[tuple[str, HyperValue], ...] = ()

    @property
    def kind(self) -> LayerType:
        """The entry of the vocabulary."""
        return layer_type(self.type)

    @property
    def hyper_parameters(self) -> dict[str, HyperValue]:
        """All hyper-parameters, defaults included."""
        return self.kind.defaults() | dict(self.hyper)


@dataclass(frozen=True)
class TensorSpec:
    """Where one tensor of the state lies: elements ``offset`` to ``offset + size`` of the flat state, row-major."""

    layer: int
    name: str
    kind: TensorKind
    shape: tuple[int, ...]
    offset: int

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True, repr=False)
class Architecture(Frozen):
    """A feed-forward architecture: layers in topological order, the input first and the output last.

    Attributes:
        layers: The layer table.
    """

    layers: tuple[Layer, ...]

    @cached_property
    def key(self) -> "Architecture":
        """The same architecture without names: equal keys are equal functions of their weights."""
        return Architecture(tuple(Layer(row.type, row.inputs, row.size, hyper=row.hyper) for row in self.layers))

    @cached_property
    def _hash(self) -> int:
        return hash(self.layers)

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def digest(self) -> str:
        """The canonical hash.

        It is equal for architectures that differ in names, in the order of their layers, or in the order of the
        operands of a join. Each layer is hashed with those before it, then with those behind it (Weisfeiler and
        Lehman's refinement, once along the edges and once against them).
        """
        behind: list[str] = []
        for row in self.layers:
            behind.append(_hash(row.type, row.size, row.hyper, sorted(behind[i] for i in row.inputs)))
        readers: list[list[str]] = [[] for _ in self.layers]
        both = []
        for i in reversed(range(len(self.layers))):
            both.append(_hash(behind[i], sorted(readers[i])))
            for source in self.layers[i].inputs:
                readers[source].append(both[-1])
        return _hash(sorted(both))

    def __repr__(self) -> str:
        return " > ".join(f"{layer.type}({layer.size})" for layer in self.layers)

    @property
    def n_inputs(self) -> int:
        """Number of input nodes."""
        return self.layers[0].size

    @property
    def n_outputs(self) -> int:
        """Number of output nodes."""
        return self.layers[-1].size

    @cached_property
    def offsets(self) -> Ints:
        """First node of each layer, and the number of nodes at the end, [layers + 1]."""
        return np.concatenate([[0], np.cumsum([layer.size for layer in self.layers])]).astype(np.int64)

    @property
    def num_nodes(self) -> int:
        """Number of nodes, N."""
        return int(self.offsets[-1])

    @cached_property
    def layer_of(self) -> Ints:
        """Layer of each node, [N]."""
        return np.repeat(np.arange(len(self.layers)), [layer.size for layer in self.layers])

    @cached_property
    def layer_type(self) -> Ints:
        """Code of each node's layer type, [N]."""
        return np.array([layer.kind.code for layer in self.layers], dtype=np.int64)[self.layer_of]

    def sources(self, layer: int) -> Ints:
        """Return the nodes that feed each node of a layer, [size, fan_in], in operand order."""
        row = self.layers[layer]
        feeding = [np.arange(self.offsets[i], self.offsets[i + 1]) for i in row.inputs]
        if row.kind.kind == "linear":
            return np.broadcast_to(feeding[0], (row.size, len(feeding[0])))
        if row.type == "Concat":
            return np.concatenate(feeding)[:, None]
        return np.stack(feeding, axis=1) if feeding else np.zeros((row.size, 0), dtype=np.int64)

    @property
    def num_edges(self) -> int:
        """Number of edges, E."""
        return sum(self.sources(i).size for i in range(len(self.layers)))

    @cached_property
    def parent(self) -> Ints:
        """First node that feeds each node, -1 for inputs, [N]."""
        columns = [self.sources(i) for i in range(len(self.layers))]
        return np.concatenate([c[:, 0] if c.shape[1] else np.full(len(c), -1) for c in columns]).astype(np.int64)

    @cached_property
    def tensors(self) -> tuple[TensorSpec, ...]:
        """The tensors of the state, in the order of the flat state."""
        specs: list[TensorSpec] = []
        offset = 0
        for position, layer in enumerate(self.layers):
            for tensor in layer.kind.tensors_of(layer.hyper_parameters):
                dense = layer.kind.kind == "linear" and tensor.kind == "edge"
                shape: tuple[int, ...] = (layer.size, self.layers[layer.inputs[0]].size) if dense else (layer.size,)
                shape = () if tensor.kind == "count" else shape
                specs.append(TensorSpec(position, tensor.name, tensor.kind, shape, offset))
                offset += specs[-1].size
        return tuple(specs)

    @cached_property
    def state_size(self) -> int:
        """Number of elements of the flat state (parameters and buffers), P."""
        return sum(tensor.size for tensor in self.tensors)

    @cached_if_small
    def element_kind(self) -> Ints:
        """Position in :data:`TENSOR_KINDS` of each state element, [P]."""
        kinds = [TENSOR_KINDS.index(t.kind) for t in self.tensors]
        return np.repeat(kinds, [t.size for t in self.tensors]).astype(np.int64)

    @cached_if_small
    def element_target(self) -> Ints:
        """Node that each state element belongs to (a layer's first one for a count), [P]."""
        parts = [np.zeros(0)]
        for tensor in self.tensors:
            nodes = np.arange(self.offsets[tensor.layer], self.offsets[tensor.layer + 1])
            repeats = tensor.size // len(nodes)
            parts.append(nodes[:1] if tensor.kind == "count" else np.repeat(nodes, repeats))
        return np.concatenate(parts).astype(np.int64)

    @cached_if_small
    def element_source(self) -> Ints:
        """Node whose value each state element multiplies, -1 unless it is an edge weight, [P]."""
        edges = [self.sources(t.layer).ravel() if t.kind == "edge" else np.full(t.size, -1) for t in self.tensors]
        return np.concatenate([np.zeros(0), *edges]).astype(np.int64)

    @cached_if_small
    def edge_index(self) -> Ints:
        """Edges from feeding to fed node, sorted by target, then by source, [2, E]."""
        columns = [self.sources(i) for i in range(len(self.layers))]
        targets = np.repeat(np.arange(self.num_nodes), np.concatenate([np.full(len(c), c.shape[1]) for c in columns]))
        edges = np.stack([np.concatenate([c.ravel() for c in columns]), targets]).astype(np.int64)
        return edges[:, np.lexsort(edges)]

    @cached_if_small
    def edge_element(self) -> Ints:
        """State element that holds each edge's weight, -1 for a structural edge, [E]."""
        target = self.edge_index[1]
        return self._elements("edge", np.searchsorted(target, self.offsets), len(target))

    @cached_property
    def bias_element(self) -> Ints:
        """State element that holds each node's bias, -1 where the layer has none, [N]."""
        return self._elements("bias", self.offsets, self.num_nodes)

    def _elements(self, kind: TensorKind, first: Ints, size: int) -> Ints:
        """Return the state elements of one kind, [size], a layer's from its first index on; -1 where there is none."""
        elements = np.full(size, -1, dtype=np.int64)
        for tensor in self.tensors:
            if tensor.kind == kind:
                start = first[tensor.layer]
                elements[start : start + tensor.size] = np.arange(tensor.offset, tensor.offset + tensor.size)
        return elements


def _hash(*parts: Any) -> str:
    return hashlib.blake2b(repr(parts).encode(), digest_size=12).hexdigest()


def make_layer(
    kind: str, inputs: Iterable[int], size: int, name: str = "", hyper: Mapping[str, HyperValue] | None = None
) -> Layer:
    """Build a layer, keeping only the hyper-parameters that differ from their defaults.

    Example:
        >>> make_layer("Linear", [0], 3, "first", {"bias": False})
        Layer(type='Linear', inputs=(0,), size=3, name='first', hyper=(('bias', False),))
    """
    defaults = layer_type(kind).defaults()
    changed = {key: value for key, value in (hyper or {}).items() if value != defaults[key]}
    return Layer(kind, tuple(inputs), size, name, tuple(sorted(changed.items())))

"""The nodes and edges of a network of any kind.

Nodes are channels or units: outputs of a layer's weights, and of activations, sums and pools behind them. Calls
that only move values about (reshape, permute, chunk, concatenation) have none: the labels that say which node an
element belongs to go through the very same operation, so that a reader of the result finds the node that feeds
it, be it behind a flatten, a split into heads or a shuffle. An edge carries every weight that multiplies its source on
the way to its target: a kernel for a convolution, a block of ``height x width`` for a linear layer behind a flatten,
all T weights for one that mixes T tokens. A value that depends on no input has no nodes, and neither has a
parameter that is used directly: it is the weights or the bias of its reader. A normalization's statistics are no edges:
each of its nodes is fed by the one that it scales, as in the feed-forward vocabulary.
"""

import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from netgraph.errors import NetGraphError, UnsupportedLayerError
from netgraph.graph.modules.aliases import Aliases
from netgraph.graph.modules.calls import Call
from netgraph.graph.modules.composites import wire_composite
from netgraph.graph.modules.edges import Builder, Link
from netgraph.graph.modules.encoding import Encoded, decode
from netgraph.graph.modules.functions import find_operation
from netgraph.graph.modules.labels import Value, along, value_of, values_in
from netgraph.graph.modules.program import GraphNode, ModuleSpec, Program
from netgraph.graph.modules.registry import CODES, ENTRIES, type_of_operation
from netgraph.graph.modules.rules import RULES, channel_axis, constant

Ints = npt.NDArray[np.int64]
#: Most numbers that are laid side by side, an edge a row.
MOST_ELEMENTS = 2**30


@dataclass(frozen=True)
class Edges:
    """Edges sorted by target, then by source.

    Attributes:
        index: From feeding to fed node, [2, E].
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
    def flat_index(self) -> Ints:
        """Index of each weight in the flattened matrix of :attr:`shape`, row-major, [W]."""
        within = np.arange(len(self.owner)) - (np.cumsum(self.count) - self.count)[self.owner]
        flat: Ints = self.owner * self.shape[1] + within
        return flat


class Wiring:
    """The nodes of a program, and its edges when they are asked for.

    Attributes:
        groups: The nodes, layer by layer.
        feeds: Which group feeds which, as (source, target) positions, sorted.
        values: The value of each call: a :class:`~netgraph.graph.modules.labels.Value`, a tuple, a
            number.
        output: The same of the result.
    """

    def __init__(self, builder: Builder, values: list[Any], output: Any) -> None:
        groups = builder.groups
        self.groups, self._links, self._biases = tuple(groups), tuple(builder.links), tuple(builder.biases)
        self.feeds = tuple(sorted(builder.feeds))
        self.values, self.output = tuple(values), output
        self.num_nodes = groups[-1].start + groups[-1].size if groups else 0

    @cached_property
    def layer_type(self) -> Ints:
        """Code of each node's type, [N]."""
        codes = [CODES[group.type] for group in self.groups]
        return np.repeat(np.array(codes, dtype=np.int64), [group.size for group in self.groups])

    @cached_property
    def bias_element(self) -> Ints:
        """State element that is each node's one bias, -1 where it has none or several, [N]."""
        slots = np.full(self.num_nodes, -1, dtype=np.int64)
        for nodes, elements in self._biases:
            slots[nodes.numpy()] = elements.numpy()
        return slots

    @cached_property
    def edges(self) -> Edges:
        """All edges, the kernels of those between the same two nodes joined."""
        groups: dict[int, list[Link]] = defaultdict(list)
        for group, link in self._links:
            groups[group].append(link)
        parts = []
        for group in sorted(groups):
            source, target, slot = (
                torch.cat(column).numpy() for column in zip(*(f() for f in groups[group]), strict=True)
            )
            falls = (np.diff(target) < 0) | ((np.diff(target) == 0) & (np.diff(source) < 0))
            if falls.any():  # most layers' are called in order
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
        """First node that feeds each node, -1 where none does, [N]."""
        parents = np.full(self.num_nodes, -1, dtype=np.int64)
        source, target = self.edges.index
        parents[target[::-1]] = source[::-1]
        return parents


def wire(program: Program, most: int | None = None) -> Wiring:
    """Return the nodes and edges of a program in evaluation mode, which are read once.

    Args:
        program: The program.
        most: Its number of nodes, where that is known: a file may ask for more than memory holds.

    Raises:
        UnsupportedLayerError: When it is not known how the nodes of a call are wired, with the call's name.
    """
    if "wiring" not in program.__dict__:
        program.__dict__["wiring"] = _wire(program, most)
    wiring: Wiring = program.__dict__["wiring"]
    return wiring


def structure(network: Any) -> Any:
    """Return the object with the nodes and edges of a network: an architecture itself, or a program's wiring."""
    return wire(network) if isinstance(network, Program) else network


def _wire(program: Program, most: int | None) -> Wiring:
    builder, aliases = Builder(program, most), Aliases(program)
    values: list[Any] = []
    results: list[Any] = []
    for position, node in enumerate(program.nodes):
        builder.call = position
        try:
            new = _value(builder, node, values)
            values.append(new)
            for other in aliases.altered(position):  # what shares memory is what the call in place gave
                old = values[other]
                both = isinstance(old, Value) and isinstance(new, Value)
                values[other] = replace(new, slots=old.slots) if both else old
        except NetGraphError as error:
            raise UnsupportedLayerError(f"{node.label}: {error}") from error
        except (RuntimeError, ValueError, IndexError, TypeError, NotImplementedError, AssertionError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UnsupportedLayerError(f"{node.label}: its nodes cannot be read: {reason}") from error
        forget = lambda leaf: replace(leaf, slots=None) if isinstance(leaf, Value) else leaf  # noqa: E731
        results.append(pytree.tree_map(forget, new))  # indices of parameters, which only the rules need
    output = decode(program.calls.output, {"node": values.__getitem__, "training": lambda name: False})
    return Wiring(builder, results, output)


def _value(b: Builder, node: GraphNode, values: list[Any]) -> Any:
    if node.op == "input":
        return _input(b, node)
    if node.op == "tensor":
        return value_of(node.shape, slots=b.slots(node.target))
    special: dict[str, Callable[[Any], Any]] = {"node": values.__getitem__, "training": lambda name: False}
    args, kwargs = decode(node.args, special), decode(node.kwargs, special)
    if node.op == "call":
        return _fit(node.shape, _wire_operation(b, node, args, kwargs))
    module = b.program.module_named.get(node.target)
    if module is None:
        raise UnsupportedLayerError("a call of a module inside a registered one")
    depends = any(isinstance(value, Value) and value.labels is not None for value in (*args, *kwargs.values()))
    return _fit(node.shape, _wire_module(b, node, module, args, kwargs) if depends else None)


def _wire_module(b: Builder, node: GraphNode, module: ModuleSpec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    entry = ENTRIES[module.type]
    if entry.role == "decomposed":
        return wire_composite(b, module, args, kwargs)
    arguments: dict[str, Any] = decode(module.kwargs, {})
    c = Call(b, node.shape, module.name, module.type, f"module.{module.type}", (*args, *kwargs.values()), arguments)
    if entry.role == "reshape":  # pads with no node
        padding_with_zero = {"value": 0.0} if "value" in arguments else {}
        c = replace(c, kwargs={}, function=entry.type(**arguments | padding_with_zero))
    return RULES[entry.role](c)


def _wire_operation(b: Builder, node: GraphNode, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    operation = find_operation(node.target)
    c = Call(b, node.shape, node.name, type_of_operation(operation.name), operation.name, args, kwargs, operation)
    if operation.role == "identity" and values_in(args, kwargs):
        return args[0] if args else next(iter(kwargs.values()))
    if operation.role != "reshape" and (operation.role in ("scalar", "identity") or not c.live):
        return constant(c)
    return RULES[operation.role](c)


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


def _input(b: Builder, node: GraphNode) -> Any:
    """Add the nodes of an input: its channels or features; one for integers; none for masks and numbers."""
    if not isinstance(node.shape, tuple) or node.shape[0] != "shape":
        return node.shape
    value = value_of(node.shape)
    ndim = len(value.shape)
    if value.dtype == torch.bool or 0 in value.shape:
        return value
    if not (value.dtype.is_floating_point or value.dtype.is_complex) or not value.shape:
        return replace(value, labels=b.add("Input", node.target, 1).view([1] * ndim))
    axis = _feature_axis(b.program, b.call, ndim)
    return replace(value, labels=along(axis, ndim, b.add("Input", node.target, value.shape[axis])))


def _feature_axis(program: Program, position: int, ndim: int) -> int:
    """Find the axis of an input's channels from the first layer that tells it."""
    reached = {position}
    for later, node in enumerate(program.nodes):
        if not reached.intersection(node.inputs):
            continue
        if node.op == "module":
            kind = program.module_named[node.target].type
            role = ENTRIES[kind].role
        else:
            kind, role = type_of_operation(node.target), find_operation(node.target).role
        if role in ("dense", "bilinear", "decomposed") or kind in ("LayerNorm", "RMSNorm"):
            return ndim - 1
        if role in ("conv", "pool", "norm"):  # channels come before the spatial axes; there may be no batch
            return channel_axis(kind, ndim)
        if role in ("elementwise", "softmax", "prelu", "identity", "binary"):
            reached.add(later)
    return 1 if ndim >= 4 else ndim - 1

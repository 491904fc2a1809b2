"""A network of any kind as pure data: its modules, its tensors, and the calls that connect them.

It holds the networks that a feed-forward :class:`~netgraph.graph.architecture.Architecture` cannot.
A :class:`GraphNode` is one call: of a module, of a function, or the reading of a tensor or an input, as in torch.fx.
Calls that only move values about (reshape, permute, chunk) are listed too, and have no nodes in the network's graph.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NoReturn

from netgraph.errors import UnsupportedLayerError
from netgraph.graph.frozen import Frozen
from netgraph.graph.layers import LAYER_TYPES
from netgraph.graph.modules.encoding import Encoded, dtype_named, references

Operator = Literal["input", "module", "call", "tensor"]
Kind = Literal["parameter", "buffer", "constant"]
#: What starts a tensor in the bytes of the other state: a multiple of every type's size.
ALIGNMENT = 16


@dataclass(frozen=True)
class ModuleSpec:
    """A module of the network.

    Attributes:
        name: Its qualified name; "" is the network itself.
        type: Its registered type, or a container: Module, Sequential, ModuleList, ModuleDict.
        kwargs: Its constructor's arguments, encoded.
        alias: The name of the first module that is the very same one, where there is one.
    """

    name: str
    type: str
    kwargs: Encoded = ("dict",)
    alias: str | None = None


@dataclass(frozen=True)
class NamedTensorSpec:
    """A tensor of the network, held once however many names it has.

    Attributes:
        names: Its qualified names.
        shape: Its shape.
        dtype: Its type, "float32".
        kind: A parameter, a buffer, or a constant: a tensor that is neither and is in no ``state_dict``.
        offset: Where it starts, in elements of the flat state, or in bytes of the other state.
        in_state: Whether it lies in the flat state.
        persistent: Whether a buffer is in the ``state_dict``.
        trainable: Whether it requires gradients.
        order: Its dimensions from the slowest to the fastest in memory (channels last, a transpose), where that is not
            their own order: sums may round differently in another.
    """

    names: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    kind: Kind
    offset: int
    in_state: bool
    persistent: bool = True
    trainable: bool = True
    order: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def end(self) -> int:
        """The first element, or byte, behind it."""
        return self.offset + (self.size if self.in_state else self.size * dtype_named(self.dtype).itemsize)


@dataclass(frozen=True)
class GraphNode:
    """A node of the graph of calls: one call.

    Attributes:
        op: ``input``, ``module`` (the call of a registered module), ``call`` (of a function or a method) or ``tensor``.
        target: Name of the input, module, operation or tensor.
        name: Its own name, unique in the graph.
        args: Its arguments, encoded.
        kwargs: Its keyword arguments, encoded.
        shape: Shape of its value for the example input: ("shape", type, sizes...), nested as the value is.
    """

    op: Operator
    target: str
    name: str
    args: Encoded = ("tuple",)
    kwargs: Encoded = ("dict",)
    shape: Encoded = None

    @property
    def inputs(self) -> tuple[int, ...]:
        """Positions of the graph nodes that feed it, in order."""
        return tuple(dict.fromkeys(references((self.args, self.kwargs))))

    @property
    def label(self) -> str:
        """Its name in errors: the module's, or the operation's with its own."""
        return self.target if self.op != "call" else f"{self.name} ({self.target})"


@dataclass(frozen=True)
class CallGraph:
    """The calls of one mode, in the order in which they are made, and the network's result."""

    nodes: tuple[GraphNode, ...]
    output: Encoded


@dataclass(frozen=True, repr=False)
class Program(Frozen):
    """A network without its weights.

    Attributes:
        modules: Its modules, parents before children.
        tensors: Its tensors.
        calls: Its calls in evaluation mode, from which the nodes and edges of its graph are read.
        inputs: Names of its inputs.
        train_calls: Its calls in training mode, where more than a ``training`` flag differs.
        fixed: Sizes that the inputs must have, one tuple an input with None where any size will do; empty when nothing
            is fixed.
        dtype: Type of the flat state.
        held: Values, encoded, of the inputs by which ``forward`` decided: flags, names, None.
    """

    modules: tuple[ModuleSpec, ...]
    tensors: tuple[NamedTensorSpec, ...]
    calls: CallGraph
    inputs: tuple[str, ...]
    train_calls: CallGraph | None = None
    fixed: tuple[tuple[int | None, ...] | None, ...] = ()
    dtype: str = "float32"
    held: Encoded = ("dict",)

    def __hash__(self) -> int:
        return hash((self.modules, self.tensors, self.calls))

    def __repr__(self) -> str:
        kinds = {name: module.type for name, module in self.module_named.items()}
        called = (kinds.get(node.target, node.target) if node.op == "module" else node.target for node in self.nodes)
        return " > ".join(called)

    @property
    def nodes(self) -> tuple[GraphNode, ...]:
        """The graph nodes in evaluation mode."""
        return self.calls.nodes

    @cached_property
    def state_size(self) -> int:
        """Number of elements of the flat state, P."""
        return max((t.end for t in self.tensors if t.in_state), default=0)

    @cached_property
    def other_size(self) -> int:
        """Number of bytes of the other state, Q."""
        return max((t.end for t in self.tensors if not t.in_state), default=0)

    @cached_property
    def tensor_named(self) -> dict[str, NamedTensorSpec]:
        """Every tensor by each of its names."""
        return {name: tensor for tensor in self.tensors for name in tensor.names}

    @cached_property
    def module_named(self) -> dict[str, ModuleSpec]:
        """Every module by its name; an alias stands for the module itself."""
        by_name = {module.name: module for module in self.modules}
        return {name: by_name[spec.alias] if spec.alias is not None else spec for name, spec in by_name.items()}

    @property
    def layers(self) -> Any:
        """Raise: only a feed-forward architecture has layers of the one vocabulary."""
        self._raise_not_feed_forward()

    key = n_inputs = n_outputs = offsets = layer_of = element_kind = element_target = element_source = layers

    @property
    def beyond(self) -> str:
        """The layer or call that no feed-forward architecture holds, for errors."""
        for node in self.nodes:
            kind = self.module_named[node.target].type if node.op == "module" else ""
            if kind and kind not in _FEED_FORWARD:
                return f"{node.target or kind}: {kind} is not in the feed-forward vocabulary"
        calls = [node for node in self.nodes if node.op == "call"]
        beyond = [node for node in calls if node.target.split(".")[1] not in _FEED_FORWARD_CALLS]
        node = (beyond or (calls or self.nodes)[-1:])[0]
        return f"{node.label}: beyond what an architecture holds"

    def _raise_not_feed_forward(self) -> NoReturn:
        needed = "stack, canonical form and the model need a feed-forward network"
        raise UnsupportedLayerError(f"{self.beyond}; {needed}")


_FEED_FORWARD = frozenset(kind.name for kind in LAYER_TYPES.values() if kind.module is not None)
#: Names of calls that are layers of it, read sizes, or may change a shape alone.
_FEED_FORWARD_CALLS = frozenset({
    "relu", "tanh", "sigmoid", "leaky_relu", "gelu", "silu", "elu", "add", "iadd", "cat", "concat", "concatenate",
    "dropout", "size", "getattr", "getitem", "flatten", "unflatten", "view", "reshape", "squeeze", "unsqueeze",
})  # fmt: skip

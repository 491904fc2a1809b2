"""A network of any kind as data: its modules, its tensors, and the calls that connect them.

This is what a feed-forward :class:`~netgraph.graph.architecture.Architecture` is for the networks that it cannot hold.
A :class:`Row` is a row of the layer table: a module's call, a function, a tensor used directly, an input. Rows that
only move values about (reshape, permute, chunk) are in the table too, and have no vertices.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import numpy as np
import numpy.typing as npt

from netgraph.errors import UnsupportedLayerError
from netgraph.graph.frozen import Frozen
from netgraph.graph.layers import LAYER_TYPES
from netgraph.graph.modules.encoding import Encoded, dtype_named, references

if TYPE_CHECKING:
    from netgraph.graph.modules.wiring import Wiring

Ints = npt.NDArray[np.int64]
Operator = Literal["input", "module", "call", "tensor"]
Kind = Literal["parameter", "buffer", "constant"]
#: What starts a tensor in the bytes of the other state: a multiple of every type's size.
ALIGNMENT = 16


@dataclass(frozen=True)
class Part:
    """A module of the network.

    Attributes:
        name: Its qualified name; "" is the network itself.
        type: Its registered type, or a container: Module, Sequential, ModuleList, ModuleDict.
        hyper: Its constructor's arguments, encoded.
        alias: The name of the first module that is the very same one, where there is one.
    """

    name: str
    type: str
    hyper: Encoded = ("dict",)
    alias: str | None = None


@dataclass(frozen=True)
class Stored:
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
class Row:
    """A row of the layer table: one call.

    Attributes:
        op: ``input``, ``module`` (the call of a registered module), ``call`` (of a function or a method) or ``tensor``.
        target: Name of the input, module, operation or tensor.
        name: Its own name, unique in the table.
        args: Its arguments, encoded.
        kwargs: Its keyword arguments, encoded.
        shape: Shape of what it gives for the example input: ("shape", type, sizes...), nested as the result is.
    """

    op: Operator
    target: str
    name: str
    args: Encoded = ("tuple",)
    kwargs: Encoded = ("dict",)
    shape: Encoded = None

    @property
    def inputs(self) -> tuple[int, ...]:
        """Positions of the rows that feed it, in order."""
        return tuple(dict.fromkeys(references((self.args, self.kwargs))))

    @property
    def label(self) -> str:
        """Its name in errors: the module's, or the operation's with the row's."""
        return self.target if self.op != "call" else f"{self.name} ({self.target})"


@dataclass(frozen=True)
class Table:
    """The calls of one mode, in the order in which they are made, and what is given in the end."""

    rows: tuple[Row, ...]
    output: Encoded


@dataclass(frozen=True, repr=False)
class Program(Frozen):
    """A network without its weights.

    Attributes:
        parts: Its modules, parents before children.
        tensors: Its tensors.
        table: Its calls in evaluation mode; vertices and edges are read from these.
        train_table: Its calls in training mode, where more than a ``training`` flag differs.
        inputs: Names of its inputs.
        fixed: Sizes that the inputs must have, one tuple an input with None where any size will do; empty when nothing
            is fixed.
        dtype: Type of the flat state.
        held: Values, encoded, of the inputs by which ``forward`` decided: flags, names, None.
    """

    parts: tuple[Part, ...]
    tensors: tuple[Stored, ...]
    table: Table
    inputs: tuple[str, ...]
    train_table: Table | None = None
    fixed: tuple[tuple[int | None, ...] | None, ...] = ()
    dtype: str = "float32"
    held: Encoded = ("dict",)

    def __hash__(self) -> int:
        return hash((self.parts, self.tensors, self.table))

    def __repr__(self) -> str:
        return " > ".join(f"{group.type}({group.size})" for group in self.wiring.groups)

    @property
    def rows(self) -> tuple[Row, ...]:
        """The layer table."""
        return self.table.rows

    @cached_property
    def state_size(self) -> int:
        """Number of elements of the flat state, P."""
        return max((t.end for t in self.tensors if t.in_state), default=0)

    @cached_property
    def other_size(self) -> int:
        """Number of bytes of the other state, Q."""
        return max((t.end for t in self.tensors if not t.in_state), default=0)

    @cached_property
    def tensor_named(self) -> dict[str, Stored]:
        """Every tensor by each of its names."""
        return {name: tensor for tensor in self.tensors for name in tensor.names}

    @cached_property
    def part_named(self) -> dict[str, Part]:
        """Every module by its name; an alias gives the module itself."""
        found = {part.name: part for part in self.parts}
        return {name: found[part.alias] if part.alias is not None else part for name, part in found.items()}

    @cached_property
    def wiring(self) -> "Wiring":
        """Its vertices and edges."""
        from netgraph.graph.modules.wiring import wire

        return wire(self)

    @property
    def num_nodes(self) -> int:
        """Number of vertices, N."""
        return self.wiring.num_nodes

    @property
    def num_edges(self) -> int:
        """Number of edges, E."""
        return len(self.wiring.edges.count)

    @property
    def layer_type(self) -> Ints:
        """Code of each vertex's type, [N]."""
        return self.wiring.layer_type

    @property
    def parent(self) -> Ints:
        """First vertex that feeds each vertex, -1 where there is none, [N]."""
        return self.wiring.parent

    @property
    def edge_index(self) -> Ints:
        """Edges from feeding to fed vertex, sorted by target, then by source, [2, E]."""
        return self.wiring.edges.index

    @property
    def edge_slot(self) -> Ints:
        """State elements that are each edge's kernel, -1 where it is shorter than the longest, [E, k]."""
        edges = self.wiring.edges
        slots = np.full(math.prod(edges.shape), -1, dtype=np.int64)
        slots[edges.place] = edges.slot
        return slots.reshape(edges.shape)

    @property
    def bias_slot(self) -> Ints:
        """State element that is each vertex's bias, -1 where it has none, [N]."""
        return self.wiring.bias_slot

    def validate(self) -> None:
        """Check that the network can be rebuilt: every name, reference and place in the state.

        Raises:
            InvalidGraphError: With the row or tensor that is wrong.
            UnsupportedLayerError: With the operation that is not registered.
        """
        from netgraph.graph.modules.check import check

        check(self)

    def _not_feed_forward(self) -> NoReturn:
        needed = "tokens, stack and canonical form need a feed-forward network"
        for row in self.rows:
            kind = self.part_named[row.target].type if row.op == "module" else ""
            if kind and kind not in _FEED_FORWARD:
                raise UnsupportedLayerError(
                    f"{row.target or kind}: {kind} is not in the feed-forward vocabulary; {needed}"
                )
        calls = [row for row in self.rows if row.op == "call"]
        row = next(
            (row for row in calls if row.target.split(".")[1] not in _FEED_FORWARD_CALLS), (calls or self.rows)[-1]
        )
        raise UnsupportedLayerError(f"{row.label}: beyond what an architecture holds; {needed}")

    @property
    def layers(self) -> Any:
        """Raise: only a feed-forward architecture has a table of layers of the one vocabulary."""
        self._not_feed_forward()

    key = n_inputs = n_outputs = offsets = layer_of = slot_kind = layers
    slot_target = slot_source = layers


_FEED_FORWARD = frozenset(kind.name for kind in LAYER_TYPES.values() if kind.module is not None)
#: Names of calls that are layers of it, or read sizes.
_FEED_FORWARD_CALLS = frozenset({"relu", "tanh", "sigmoid", "leaky_relu", "gelu", "silu", "elu", "add", "iadd", "cat",
                                 "concat", "concatenate", "dropout", "size", "getattr", "getitem",
                                 "flatten"})  # fmt: skip

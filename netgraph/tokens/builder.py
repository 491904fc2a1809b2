"""Reading a structure: a sequence of moves, one a token, becomes an architecture.

A move opens a layer of some type, continues with the next node of the layer (``CONTINUE``), stays at the node and
names a further operand (``STAY``), or ends the network. Each move but the last has a parent.
"""

from dataclasses import dataclass, field

from netgraph.errors import InvalidGraphError
from netgraph.graph.architecture import Architecture, make_layer
from netgraph.graph.check import check_architecture
from netgraph.graph.layers import BY_CODE, LAYER_TYPES, N_CODES

CONTINUE, STAY = N_CODES, N_CODES + 1
ADD, CONCAT, _LINEAR = (LAYER_TYPES[name].code for name in ("Add", "Concat", "Linear"))
_INPUT = LAYER_TYPES["Input"].code
JOINS = (ADD, CONCAT)


@dataclass
class _Open:
    """A layer under construction: its operands (positions in the layer table) and how far it has come."""

    code: int
    start: int
    operands: list[int] = field(default_factory=list)
    size: int = 1
    bias: bool = True
    operand: int = 0  # of the node at hand, which operand was named last (Add only)


class Builder:
    """Reads a sequence of moves into an architecture.

    Args:
        n_inputs: Number of inputs, >= 1.
        n_outputs: Number of outputs, >= 1.

    Raises:
        InvalidGraphError: When a number is below 1.
    """

    def __init__(self, n_inputs: int, n_outputs: int) -> None:
        if n_inputs < 1 or n_outputs < 1:
            raise InvalidGraphError(f"{n_inputs} inputs and {n_outputs} outputs")
        self.n_inputs, self.n_outputs = n_inputs, n_outputs
        self.layers: list[_Open] = []
        self.starts: dict[int, int] = {}
        self.loose: set[int] = set()
        self.num_nodes = self.n_linear = 0

    @property
    def last(self) -> _Open:
        """The layer under construction."""
        return self.layers[-1]

    def read(self, code: int, parent: int, opens: bool, stays: bool) -> None:
        """Take one token of a stream.

        Raises:
            InvalidGraphError: When the token cannot follow.
        """
        if stays and self.layers and self.last.code not in JOINS:
            return  # a further chunk of weights: nothing new in the structure
        move = STAY if stays else code if opens else CONTINUE
        if not opens and (not self.layers or code != self.last.code):
            raise InvalidGraphError("its type is not that of its layer")
        choices = self.parents(move)
        if parent not in choices:
            raise InvalidGraphError(f"parent {parent} is not one of {choices[:8]}")
        self.push(move, parent)

    def parents(self, move: int) -> list[int]:
        """List the nodes that may be the parent of a move; empty when the move itself cannot follow."""
        if not self.layers:
            return [-1] if move == _INPUT else []
        if move == STAY:
            return self._parents_stay()
        if move == CONTINUE:
            return self._parents_continue()
        if not self.complete or move not in BY_CODE or move == _INPUT:
            return []
        return list(self.starts)

    def _parents_stay(self) -> list[int]:
        layer = self.last
        if layer.code != ADD:
            return []
        if layer.size == 1:
            size = self.layers[layer.operands[0]].size
            return [start for start in self._earlier() if self.layers[self.starts[start]].size == size]
        if layer.operand + 1 == len(layer.operands):
            return []
        return [self.layers[layer.operands[layer.operand + 1]].start + layer.size - 1]

    def _earlier(self) -> list[int]:
        """Return the first nodes of the layers before the one under construction."""
        return list(self.starts)[:-1]

    def _parents_continue(self) -> list[int]:
        layer = self.last
        if not layer.operands:
            return [-1] if layer.size < self.n_inputs else []
        source = self.layers[layer.operands[0]]
        if layer.code == _LINEAR:
            return [source.start]
        if layer.code == CONCAT:
            inside = self._inside_operand()
            return self._earlier() if inside is None else [inside]
        if layer.code == ADD and (len(layer.operands) < 2 or layer.operand + 1 < len(layer.operands)):
            return []
        return [source.start + layer.size] if layer.size < source.size else []

    def _inside_operand(self) -> int | None:
        """The next node of the operand a Concat is reading, None at its end."""
        layer = self.last
        source = self.layers[layer.operands[-1]]
        read = layer.size - sum(self.layers[i].size for i in layer.operands[:-1])
        return source.start + read if read < source.size else None

    @property
    def complete(self) -> bool:
        """Whether the layer under construction may end here."""
        layer = self.last
        if not layer.operands:
            return layer.size == self.n_inputs
        if layer.code == _LINEAR:
            return True
        if layer.code == CONCAT:
            return len(layer.operands) > 1 and self._inside_operand() is None
        whole = layer.size == self.layers[layer.operands[0]].size
        if layer.code == ADD:
            return whole and len(layer.operands) > 1 and layer.operand + 1 == len(layer.operands)
        return whole

    def push(self, move: int, parent: int) -> None:
        """Take a move whose parent is one of :meth:`parents`."""
        if move == STAY:
            self.last.operand += 1
            if self.last.size == 1:
                self._consume(self.starts[parent])
            return
        if move == CONTINUE:
            at_boundary = self.last.code == CONCAT and self._inside_operand() is None
            self.last.size += 1
            self.last.operand = 0
            if at_boundary:
                self._consume(self.starts[parent])
        else:
            self._open(move, parent)
        self.num_nodes += 1

    def _open(self, code: int, parent: int) -> None:
        self.layers.append(_Open(code, self.num_nodes))
        self.n_linear += code == _LINEAR
        self.loose.add(len(self.layers) - 1)
        self.starts[self.num_nodes] = len(self.layers) - 1
        if parent >= 0:
            self._consume(self.starts[parent])

    def _consume(self, layer: int) -> None:
        self.last.operands.append(layer)
        self.loose.discard(layer)

    def architecture(self) -> Architecture:
        """Return the architecture that was read.

        Raises:
            InvalidGraphError: When it is not a whole network.
        """
        rows = []
        for layer in self.layers:
            hyper = {} if layer.bias or layer.code != _LINEAR else {"bias": False}
            rows.append(make_layer(BY_CODE[layer.code].name, layer.operands, layer.size, hyper=hyper))
        architecture = Architecture(tuple(rows))
        check_architecture(architecture)
        if architecture.n_outputs != self.n_outputs:
            raise InvalidGraphError(f"{architecture.n_outputs} outputs where the start token says {self.n_outputs}")
        return architecture

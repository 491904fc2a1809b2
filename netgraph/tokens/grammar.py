"""What may follow: the grammar of structure, so that every decoded graph is a runnable network by construction.

:class:`~netgraph.tokens.builder.Builder` reads any valid sequence of moves; :class:`Grammar` says which moves keep the
network completable within a budget of vertices and layers: layers that nothing reads yet are *loose*, and a network can
always be completed by joining the loose layers in one Concat and reading that with one Linear layer.
"""

from netgraph.errors import InvalidGraphError
from netgraph.graph.layers import BY_CODE, LAYER_TYPES, N_CODES
from netgraph.tokens.builder import CONTINUE, STAY, Builder
from netgraph.tokens.stream import END

N_MOVES = N_CODES + 2
_CONCAT, _LINEAR, _INPUT = (LAYER_TYPES[name].code for name in ("Concat", "Linear", "Input"))
#: Most operands of an Add layer under the mask; without a limit a decoder could name operands for ever.
MAX_OPERANDS = 4


class Grammar(Builder):
    """The moves that keep a network completable within a budget of vertices.

    Args:
        n_inputs: Number of inputs.
        n_outputs: Number of outputs.
        max_nodes: The budget; at least ``n_inputs + n_outputs``.
        types: Codes of the layer types that may be opened; all when None. Linear and Concat always may, as completing a
            network can need them.
        max_layers: Budget of layers, that of the inputs included; at least 2. None for no other than that of vertices.
        max_units: Most vertices of a linear layer that is not the output. None likewise.

    Raises:
        InvalidGraphError: When the budget is too small.
    """

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int,
        max_nodes: int,
        types: frozenset[int] | None = None,
        max_layers: int | None = None,
        max_units: int | None = None,
    ) -> None:
        super().__init__(n_inputs, n_outputs)
        if n_inputs + n_outputs > max_nodes:
            raise InvalidGraphError(f"{n_inputs} inputs and {n_outputs} outputs do not fit into {max_nodes} vertices")
        self.max_nodes = max_nodes
        self.max_layers = max_nodes if max_layers is None else max_layers
        self.max_units = max_nodes if max_units is None else max(max_units, n_outputs)
        self.types = sorted(frozenset(BY_CODE) if types is None else types | {_LINEAR, _CONCAT})
        self.ended = False

    def moves(self) -> dict[int, list[int]]:
        """Give every move that may follow with the parents it may have; END has none."""
        if not self.layers:
            return {_INPUT: [-1]}
        if not self.complete:
            return self._within_layer()
        found = self._within_layer()
        starts = list(self.starts)
        roomy = self._roomy()
        for code in self.types:
            if code != _INPUT and (parents := starts if roomy else self._affordable(code)):
                found[code] = parents
        if self._finished():
            found[END] = []
        return found

    def _roomy(self) -> bool:
        """Whether the budget is so far away that any layer on any source leaves the network completable."""
        largest = max(layer.size for layer in self.layers)
        if len(self.layers) + 3 > self.max_layers:
            return False
        return self.num_nodes + 2 * largest + self._size(self.loose) + self.n_outputs <= self.max_nodes

    def _affordable(self, code: int) -> list[int]:
        return [parent for parent, layer in self.starts.items() if self._affords(code, layer)]

    def _within_layer(self) -> dict[int, list[int]]:
        found = {}
        stay = self.parents(STAY)
        if stay and (self.last.size > 1 or len(self.last.operands) < MAX_OPERANDS):
            found[STAY] = stay
        go_on = [parent for parent in self.parents(CONTINUE) if self._affords_vertex(parent)]
        if go_on:
            found[CONTINUE] = go_on
        return found

    def _finished(self) -> bool:
        only = self.loose == {len(self.layers) - 1}
        return only and len(self.layers) > 1 and self.last.size == self.n_outputs

    def _size(self, layers: set[int]) -> int:
        return sum(self.layers[i].size for i in layers)

    def _closing(self, loose: int, loose_size: int) -> int:
        """Vertices that complete a network: a Concat if several layers are loose, and a Linear layer."""
        return (loose_size if loose > 1 else 0) + self.n_outputs

    def _affords(self, code: int, source: int) -> bool:
        """Whether a layer of this type on this source leaves the network completable."""
        loose = self.loose - {source}
        if not self._affords_layers(code, loose):
            return False
        size = 1 if code == _LINEAR else self.layers[source].size
        if code == _CONCAT:
            return self._affords_concat(self.num_nodes + size, loose)
        if code == _LINEAR and not loose:
            return self.num_nodes + self.n_outputs <= self.max_nodes
        closing = self._closing(len(loose) + 1, self._size(loose) + size)
        return self.num_nodes + size + closing <= self.max_nodes

    def _affords_layers(self, code: int, loose: set[int]) -> bool:
        """Whether a network can be completed within its layers: a layer of this type is the last, or loose with others.

        A Concat can read all that is loose, and a Linear layer can be the last if nothing else is loose.
        """
        closing = int(code != _LINEAR) if code == _CONCAT or not loose else 2
        return len(self.layers) + 1 + closing <= self.max_layers

    def _affords_concat(self, used: int, loose: set[int], whole: bool = False) -> bool:
        """Whether a Concat that has used so many vertices can read what is loose, and a Linear layer the Concat."""
        smallest = 0 if whole else min(layer.size for layer in self.layers)
        return used + max(self._size(loose), smallest) + self.n_outputs <= self.max_nodes

    def _affords_vertex(self, parent: int) -> bool:
        """Whether one more vertex of the layer under construction leaves the network completable."""
        layer, this = self.last, len(self.layers) - 1
        if layer.code == _LINEAR:
            if layer.size >= self.max_units:
                return False
            others = self.loose - {this}
            closing = self._closing(len(others) + 1, self._size(others) + layer.size + 1)
            reaches = not others and layer.size + 1 <= self.n_outputs
            if not reaches and len(self.layers) + 1 + bool(others) > self.max_layers:
                return False
            return self.num_nodes + (self.n_outputs - layer.size if reaches else 1 + closing) <= self.max_nodes
        if layer.code == _CONCAT and self._inside_operand() is None:
            operand = self.starts[parent]
            used = self.num_nodes + self.layers[operand].size
            return self._affords_concat(used, self.loose - {this, operand}, whole=True)
        return True

    def push(self, move: int, parent: int) -> None:
        """Take a move out of :meth:`moves`."""
        if move == END:
            self.ended = True
            return
        super().push(move, parent)

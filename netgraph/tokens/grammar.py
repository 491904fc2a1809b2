"""What may follow: the grammar of structure, so that every decoded graph is a runnable network by construction.

:class:`~netgraph.tokens.builder.Builder` reads any valid sequence of moves; :class:`Grammar` says which moves keep the
network completable within limits: layers that nothing reads yet are *loose*, and a network can always be completed by
joining the loose layers in one Concat and reading that with one Linear layer.
"""

from netgraph.errors import InvalidGraphError
from netgraph.graph.layers import BY_CODE, LAYER_TYPES, N_CODES
from netgraph.tokens.builder import ADD, CONCAT, CONTINUE, JOINS, STAY, Builder
from netgraph.tokens.limits import Limits
from netgraph.tokens.stream import END

N_MOVES = N_CODES + 2
_LINEAR, _INPUT = (LAYER_TYPES[name].code for name in ("Linear", "Input"))
#: Most operands of an Add layer under the mask; without a limit a decoder could name operands for ever.
MAX_OPERANDS = 4


class Grammar(Builder):
    """The moves that keep a network completable within its limits.

    Args:
        n_inputs: Number of inputs.
        n_outputs: Number of outputs.
        limits: What the network may have.

    Raises:
        InvalidGraphError: When the budget of vertices is too small.
    """

    def __init__(self, n_inputs: int, n_outputs: int, limits: Limits) -> None:
        super().__init__(n_inputs, n_outputs)
        self.max_nodes = nodes = limits.nodes
        if n_inputs + n_outputs > nodes:
            raise InvalidGraphError(f"{n_inputs} inputs and {n_outputs} outputs do not fit into {nodes} vertices")
        self.max_layers = nodes if limits.layers is None else limits.layers
        self.max_units = nodes if limits.units is None else max(limits.units, n_outputs)
        self.max_loose = nodes if limits.loose is None else limits.loose
        needed = {_LINEAR, CONCAT} if self.max_loose > 1 else {_LINEAR}
        self.types = sorted((frozenset(BY_CODE) if limits.types is None else limits.types | needed) - {_INPUT})
        self.ended = False

    def moves(self) -> dict[int, list[int]]:
        """Give every move that may follow with the parents it may have; END has none."""
        if not self.layers:
            return {_INPUT: [-1]}
        found = self._within_layer()
        if self.complete and len(self.loose) <= self.max_loose:
            found |= self._openings()
            if self._finished():
                found[END] = []
        return found

    def _openings(self) -> dict[int, list[int]]:
        """Give the types of layers that may be opened, with the layers they may read first."""
        full = len(self.loose) == self.max_loose
        readable = [start for start, i in self.starts.items() if i in self.loose] if full else list(self.starts)
        roomy, found = self._roomy(), {}
        for code in self.types:
            parents = self._joinable(code) if full and code in JOINS else readable
            parents = parents if roomy else [p for p in parents if self._affords(code, self.starts[p])]
            if parents:
                found[code] = parents
        return found

    def _joinable(self, code: int) -> list[int]:
        """Give the sources of a join that read as many loose layers as are too many, when no more may be loose."""
        if code == CONCAT:
            return list(self.starts)
        sizes = [self.layers[i].size for i in self.loose]
        return [p for p, i in self.starts.items() if i in self.loose or self.layers[i].size in sizes]

    def _roomy(self) -> bool:
        """Whether the budget is so far away that any layer on any source leaves the network completable."""
        largest = max(layer.size for layer in self.layers)
        if len(self.layers) + 3 > self.max_layers:
            return False
        return self.num_nodes + 2 * largest + self._size(self.loose) + self.n_outputs <= self.max_nodes

    def _within_layer(self) -> dict[int, list[int]]:
        found = {}
        stay = self.parents(STAY)
        if self.last.size == 1:
            stay = self._operands(stay)
        if stay:
            found[STAY] = stay
        go_on = [parent for parent in self.parents(CONTINUE) if self._affords_vertex(parent)]
        if self._too_loose():
            go_on = [parent for parent in go_on if self.last.code == CONCAT and self.starts[parent] in self.loose]
        if go_on:
            found[CONTINUE] = go_on
        return found

    def _too_loose(self) -> bool:
        """Whether more layers are loose than may be, and the join under construction is to name its next operand."""
        if len(self.loose) <= self.max_loose:
            return False
        return self.last.code == ADD or (self.last.code == CONCAT and self._inside_operand() is None)

    def _operands(self, parents: list[int]) -> list[int]:
        """Keep the further operands that an Add may name, in view of how many are left to it."""
        left = MAX_OPERANDS - len(self.last.operands)
        if left == 0:
            return []
        if len(self.loose) - self.max_loose < left:
            return parents
        return [parent for parent in parents if self.starts[parent] in self.loose]

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
        if code == CONCAT:
            return self._affords_concat(self.num_nodes + size, loose)
        if code == _LINEAR and not loose:
            return self.num_nodes + self.n_outputs <= self.max_nodes
        closing = self._closing(len(loose) + 1, self._size(loose) + size)
        return self.num_nodes + size + closing <= self.max_nodes

    def _affords_layers(self, code: int, loose: set[int]) -> bool:
        """Whether a network can be completed within its layers: a layer of this type is the last, or loose with others.

        A Concat can read all that is loose, and a Linear layer can be the last if nothing else is loose.
        """
        closing = int(code != _LINEAR) if code == CONCAT or not loose else 2
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
        if layer.code == CONCAT and self._inside_operand() is None:
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

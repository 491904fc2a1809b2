"""The grammar of structure, under which every decoded graph is a runnable network by construction.

:class:`~netgraph.tokens.builder.Builder` reads any valid sequence of moves; :class:`Grammar` lists the moves that keep
the network completable within limits: layers that no layer reads yet are *loose*, and a network can always be completed
by joining the loose layers in one Concat and reading that with one Linear layer.
"""

from dataclasses import dataclass
from itertools import groupby

from netgraph.errors import InvalidGraphError, NetGraphError
from netgraph.graph.architecture import Architecture
from netgraph.graph.layers import BY_CODE, LAYER_TYPES, N_CODES
from netgraph.lines import counted
from netgraph.tokens.builder import ADD, CONCAT, CONTINUE, JOINS, STAY, Builder
from netgraph.tokens.stream import END

N_MOVES = N_CODES + 2
_LINEAR, _INPUT = (LAYER_TYPES[name].code for name in ("Linear", "Input"))
#: Most operands of an Add layer under the mask; without a limit a decoder could name operands for ever.
MAX_OPERANDS = 4


@dataclass(frozen=True)
class Limits:
    """Limits of decoded networks.

    Attributes:
        nodes: Budget of nodes; at least the numbers of inputs and outputs.
        types: Codes of the layer types that may be opened; all when None. Linear always may, and so may Concat, unless
            one layer at most is loose, or two for no longer than one layer and Add may join them: completing a network
            can need them.
        layers: Budget of layers, inputs included; at least 2. None, here and below, for no limit but that of nodes.
        units: Most nodes of a linear layer that is not the output.
        loose: Most layers that no layer reads yet, at least 1: the branches of a network.
        apart: Most layers in a row after which more than one is loose: the length of branches.
    """

    nodes: int
    types: frozenset[int] | None = None
    layers: int | None = None
    units: int | None = None
    loose: int | None = None
    apart: int | None = None

    def __post_init__(self) -> None:
        """Refuse limits that no network keeps.

        Raises:
            NetGraphError: It names the limit.
        """
        least = {"nodes": 2, "layers": 2, "units": 1, "loose": 1, "apart": 0}
        for name, value in least.items():
            if getattr(self, name) is not None and getattr(self, name) < value:
                raise NetGraphError(f"limits: {name} is {getattr(self, name)}; at least {value}")

    @property
    def pairs(self) -> bool:
        """Whether no Concat may be opened, since an Add always can join the two layers that are loose at most."""
        few = self.loose is not None and self.loose <= 2 and self.apart is not None and self.apart <= 1
        if self.types is None or CONCAT in self.types:
            return False
        return self.loose == 1 or (few and ADD in self.types)

    @property
    def openable(self) -> frozenset[int]:
        """Codes of the layer types that may be opened."""
        if self.types is None:
            return frozenset(BY_CODE) - {_INPUT}
        return (self.types | ({_LINEAR} if self.pairs else {_LINEAR, CONCAT})) - {_INPUT}


def loose_after(architecture: Architecture) -> list[int]:
    """Count the layers that nothing reads yet after each layer, from left to right."""
    loose: set[int] = set()
    counts = []
    for i, layer in enumerate(architecture.layers):
        loose -= set(layer.inputs)
        loose.add(i)
        counts.append(len(loose))
    return counts


def longest_apart(architecture: Architecture) -> int:
    """Count the layers in a row after which more than one is loose, at most."""
    runs = groupby(loose_after(architecture), key=lambda count: count > 1)
    return max([len(list(run)) for apart, run in runs if apart], default=0)


class Grammar(Builder):
    """The moves that keep a network completable within its limits.

    Args:
        n_inputs: Number of inputs.
        n_outputs: Number of outputs.
        limits: Limits of the network.

    Raises:
        InvalidGraphError: When the budget of nodes is too small.
    """

    def __init__(self, n_inputs: int, n_outputs: int, limits: Limits) -> None:
        super().__init__(n_inputs, n_outputs)
        self.max_nodes = nodes = limits.nodes
        if n_inputs + n_outputs > nodes:
            raise InvalidGraphError(f"{n_inputs} inputs and {n_outputs} outputs do not fit into {nodes} nodes")
        self.max_layers = nodes if limits.layers is None else limits.layers
        self.max_units = nodes if limits.units is None else max(limits.units, n_outputs)
        self.max_loose = nodes if limits.loose is None else limits.loose
        self.max_apart = nodes if limits.apart is None else limits.apart
        self.pairs, self.types = limits.pairs, sorted(limits.openable)
        self.ended, self.apart, self.mate = False, 0, 0

    def __repr__(self) -> str:
        sizes = f"{counted(self.n_outputs, 'output')}, {counted(len(self.layers), 'layer')} so far"
        return f"Grammar({sizes}, at most {self.max_nodes:,} nodes)"

    def readable(self, choice: int) -> list[int]:
        """Return the layers that a choice may read after a whole layer, none where it cannot follow.

        Args:
            choice: The code of a layer type, to open a layer; ``STAY``, to name a further operand of the join that was
                opened last; or END, which reads the output layer.
        """
        if choice == STAY:
            earlier = range(len(self.layers) - 1)
            if self.last.code == ADD:
                return self._operands([i for i in earlier if self.layers[i].size == self.last.size])
            return [i for i in earlier if self._affords_operand(i)] if self.last.code == CONCAT else []
        if not self.complete or self.last.size < self.mate or self._excess:
            return []
        if choice == END:
            last = len(self.layers) - 1
            return [last] if last and self.loose == {last} and self.last.size == self.n_outputs else []
        if choice not in self.types:
            return []
        roomy, most = self._roomy(), self._most_loose(self._next_apart())
        sources = []
        for i in range(len(self.layers)):
            others = self.loose - {i}
            admitted = not others or self._admits(choice, i, others, most)
            if admitted and (roomy or self._affords(choice, i, others, most)):
                sources.append(i)
        return sources

    def _next_apart(self) -> int:
        """Return the layers in a row, up to the one under construction, after which more than one is loose."""
        return self.apart + 1 if len(self.loose) > 1 else 0

    def _most_loose(self, apart: int) -> int:
        """Return the most loose layers after a layer, before which more than one was loose for ``apart`` layers."""
        return 1 if apart >= self.max_apart else self.max_loose

    def _admits(self, code: int, source: int, others: set[int], most: int) -> bool:
        """Whether a layer of this type on this source leaves no more layers loose than may be.

        Where no Concat can help, it must also be possible to add it to the other layer that is loose.
        """
        size, excess = self.layers[source].size, len(others) + 1 - most
        if excess > 0:
            alike = sum(self.layers[i].size == size for i in others) if code == ADD else 0
            return code == CONCAT or excess <= min(alike, MAX_OPERANDS - 1)
        if not self.pairs:
            return True
        largest = max([self.layers[i].size for i in others])
        return largest <= self.max_units if code == _LINEAR else size == largest

    def _roomy(self) -> bool:
        """Whether the budget is so far away that any layer on any source leaves the network completable."""
        if len(self.layers) + 3 > self.max_layers:
            return False
        largest = max([layer.size for layer in self.layers])
        return self.num_nodes + 2 * largest + self._size(self.loose) + self.n_outputs <= self.max_nodes

    @property
    def _excess(self) -> int:
        """Number of loose layers that the layer under construction, a join, has to read yet."""
        return max(0, len(self.loose) - self._most_loose(self.apart))

    def _operands(self, layers: list[int]) -> list[int]:
        """Return the layers that an Add may name as a further operand, in view of its remaining operands."""
        left = MAX_OPERANDS - len(self.last.operands)
        if left == 0:
            return []
        return layers if self._excess < left else [i for i in layers if i in self.loose]

    def _size(self, layers: set[int]) -> int:
        return sum([self.layers[i].size for i in layers])

    def _affords(self, code: int, source: int, loose: set[int], most: int) -> bool:
        """Whether a layer of this type on this source, beside which others are loose, leaves the network completable.

        A Concat can read all loose layers, and a Linear layer can be the last if no other is loose.
        """
        if code == ADD and most == 1:
            loose = set()  # it reads them all
        closing = int(code != _LINEAR) if code == CONCAT or not loose else 2
        if len(self.layers) + 1 + closing > self.max_layers:
            return False
        size = self.layers[source].size
        if code == CONCAT:
            return self._affords_concat(self.num_nodes + size, loose)
        if code == _LINEAR and not loose:
            return self.num_nodes + self.n_outputs <= self.max_nodes
        if code == _LINEAR:  # the fewest nodes that it can have
            size = max(self.layers[i].size for i in loose) if self.pairs else 1
        joined = self._size(loose) + size if loose else 0
        return self.num_nodes + size + joined + self.n_outputs <= self.max_nodes

    def _affords_concat(self, used: int, loose: set[int], whole: bool = False) -> bool:
        """Whether a Concat that has used a number of nodes can read the loose layers, and a Linear layer the Concat."""
        smallest = 0 if whole else min(layer.size for layer in self.layers)
        return used + max(self._size(loose), smallest) + self.n_outputs <= self.max_nodes

    def _affords_operand(self, operand: int) -> bool:
        """Whether one more operand of the Concat under construction leaves the network completable."""
        used = self.num_nodes + self.layers[operand].size
        return self._affords_concat(used, self.loose - {len(self.layers) - 1, operand}, whole=True)

    def _reach(self) -> tuple[int, int]:
        """Return the most nodes of the linear layer under construction, and the most after which another can follow.

        Beyond those, it can only be the output layer.
        """
        others = self.loose - {len(self.layers) - 1}
        if self.mate:
            return self.mate, self.mate
        follows = len(self.layers) + 1 + bool(others) <= self.max_layers
        room = self.max_nodes - self.n_outputs - self.last.start if follows else 0
        if others:
            most = min(self.max_units, max(1, (room - self._size(others)) // 2))
            return most, most
        return min(self.max_units, max(room, self.n_outputs)), room

    def push(self, move: int, parent: int) -> None:
        """Take a move, see :meth:`~netgraph.tokens.builder.Builder.push`."""
        opens, apart = move in BY_CODE, self._next_apart()
        super().push(move, parent)
        if opens:
            others = self.loose - {len(self.layers) - 1}
            waits = self.pairs and others and move not in JOINS
            self.apart, self.mate = apart, max(self.layers[i].size for i in others) if waits else 0

    def choose(self, choice: int, layer: int = -1) -> None:
        """Take a choice that reads one of its :meth:`readable` layers, and the moves that it forces.

        The first choice opens the input layer, which reads none. A linear layer is left with one node: see
        :meth:`extend`.
        """
        if choice == END:
            self.ended = True
            return
        start = self.layers[layer].start if layer >= 0 else -1
        if choice == STAY and self.last.code == ADD:
            self.last.operand += 1
            self._consume(layer)
        else:
            self.push(CONTINUE if choice == STAY else choice, start)
        if self.last.code == CONCAT:
            self._grow(sum(self.layers[i].size for i in self.last.operands))
        elif self.last.code != _LINEAR:
            self._grow(self.layers[layer].size if layer >= 0 else self.n_inputs)

    def extend(self, size: int) -> None:
        """Extend the linear layer that was opened last to ``size`` nodes, or as near as the limits allow."""
        most, followed = self._reach()
        size = max(self.mate, 1, min(size, most))
        self._grow(size if size <= followed else self.n_outputs)

    def _grow(self, size: int) -> None:
        self.num_nodes += size - self.last.size
        self.last.size = size

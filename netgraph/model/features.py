"""Architecture features: inputs of the model for a batch of architectures, derived from their packed layer table.

The transformers have one token for each node that holds parameters or joins. An elementwise node has none: it shares
the token of the node that feeds it, whose features name the activation that follows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import TENSOR_KINDS, Architecture, Ints
from netgraph.graph.layers import BY_CODE, N_CODES
from netgraph.graph.table import LayerTable, runs, starts
from netgraph.model.config import VAEConfig
from netgraph.tokens import END, N_MOVES, START, STAY

N_KINDS = len(TENSOR_KINDS)
#: Entries of the standardization table: tensor kind, layer type, type of the feeding and of the reading layer.
N_SCALES = N_KINDS * N_CODES**3
#: Columns of a token node's features: layer type, position in its layer, number of its layer from the front and from
#: the back, size of its layer, type of the layer that reads it and of the one that feeds it, linear layers up to here.
TYPE, POSITION, FRONT, BACK, SIZE, READER, FEEDER, LINEAR = range(8)
#: Features of a token node that are codes of layer types.
CODED = (TYPE, READER, FEEDER)
#: Columns of a step's features: move, layer type, first node of the layer and of its operand (in the start token the
#: numbers of inputs and of outputs), linear layers up to here.
MOVE, STEP_TYPE, INDEX, PARENT, STEP_LINEAR = range(5)
#: Outgoing weights of a node that the encoder's tokens hold; it learns of the others from the nodes that read it.
READERS = 8
#: Layers from the front or the back, and linear layers, that the embeddings tell apart.
_LAYERS, _LINEAR_LAYERS = 31, 16
_BIAS = TENSOR_KINDS.index("bias")
_IS_LINEAR, _IS_ELEMENTWISE = (
    np.array([code in BY_CODE and BY_CODE[code].kind == kind for code in range(N_CODES)])
    for kind in ("linear", "elementwise")
)


def node_sizes(config: VAEConfig) -> tuple[int, ...]:
    """Return the vocabulary of each feature of a token node; those at ``CODED`` are codes of layer types."""
    nodes = config.max_nodes
    return (N_CODES, nodes, _LAYERS, _LAYERS, nodes + 1, N_CODES, N_CODES, _LINEAR_LAYERS)


def step_sizes(config: VAEConfig) -> tuple[int, ...]:
    """Return the vocabulary of each feature of a step: the first is a move, the second a code of a layer type."""
    return (N_MOVES, N_CODES, config.max_nodes + 1, config.max_nodes + 1, _LINEAR_LAYERS)


def pool_of(depth: Tensor, config: VAEConfig) -> Tensor:
    """Return the pool of nodes behind a number of linear layers: 0 for inputs, then 1 to ``depths`` in turn."""
    return (depth > 0) * (1 + (depth - 1) % config.depths)


def pool_size(config: VAEConfig) -> int:
    """Return the numbers of the architecture code that each pool has; those of the whole network come last."""
    return config.architecture_size // (config.depths + 2)


@dataclass(frozen=True)
class ArchitectureFeatures:
    """Features of B packed architectures: L layers, K operands, S state tensors, P state elements in all.

    Attributes:
        table: The architectures.
    """

    table: LayerTable

    @cached_property
    def network(self) -> Ints:
        """Architecture of each layer, [L]."""
        return np.repeat(np.arange(len(self.table)), self.table.count)

    @property
    def counts(self) -> Ints:
        """Numbers of inputs and outputs of each architecture, [B, 2]."""
        starts = self.table.layer_start
        return np.stack([self.table.size[starts[:-1]], self.table.size[starts[1:] - 1]], axis=1)

    @cached_property
    def linear(self) -> npt.NDArray[np.bool_]:
        """Whether each layer is linear, [L]."""
        return _IS_LINEAR[self.table.code]

    @cached_property
    def depth(self) -> Ints:
        """Linear layers of the architecture up to each layer, [L]."""
        total = np.cumsum(self.linear)
        depth: Ints = total - total[self.table.layer_start[self.network]]  # an input layer is not linear
        return depth

    @cached_property
    def feeder(self) -> Ints:
        """Type of the first layer that feeds each layer, START for an input layer, [L]."""
        return np.where(self.table.fan > 0, self.table.code[self.table.first_source], START)

    @cached_property
    def reader(self) -> Ints:
        """Type of the first layer that reads each layer, END for an output layer, [L]."""
        reader = np.full(len(self.table.code), END)
        reader[self.table.source[::-1]] = np.repeat(self.table.code, self.table.fan)[::-1]
        return reader

    @cached_property
    def token_layer(self) -> Ints:
        """Layer that has the tokens of each layer's nodes, [L]."""
        layer = np.arange(len(self.table.code))
        layer = np.where(_IS_ELEMENTWISE[self.table.code], self.table.first_source, layer)
        while not np.array_equal(layer[layer], layer):
            layer = layer[layer]
        return layer

    @cached_property
    def token_size(self) -> Ints:
        """Tokens of each layer, [L]."""
        return np.where(_IS_ELEMENTWISE[self.table.code], 0, self.table.size)

    @cached_property
    def width(self) -> int:
        """Tokens of the largest architecture, T."""
        return int(np.bincount(self.network, self.token_size).max())

    @cached_property
    def token_position(self) -> Ints:
        """Position in [B, T], flattened, of the first token of each layer's nodes, [L]."""
        first = starts(self.token_size)
        position = first[:-1] - first[self.table.layer_start[self.network]] + self.network * self.width
        return position[self.token_layer]

    @cached_property
    def _tokens(self) -> tuple[Ints, Ints, Ints]:
        """Layer, position in it and position in [B, T], flattened, of each token node."""
        count = self.token_size
        layer = np.repeat(np.arange(len(count)), count)
        return layer, runs(np.zeros_like(count), count), runs(self.token_position, count)

    def nodes(self) -> Ints:
        """Return the features of the token nodes, -1 where padded, [B, T, 8]."""
        table, (layer, row, position) = self.table, self._tokens
        front = np.arange(len(table.code)) - table.layer_start[self.network]
        back = table.count[self.network] - 1 - front
        columns = (table.code, front, back, table.size, self.reader, self.feeder, self.depth)
        features = np.insert(np.stack(columns, axis=1)[layer], POSITION, row, axis=1)
        return self._padded(features, position, self.width)

    def token_node(self) -> Ints:
        """Return the node of each token node, counted over the batch, 0 where padded, [B, T]."""
        layer, row, position = self._tokens
        return self._padded(self.table.layer_node_start[layer] + row, position, self.width).clip(min=0)

    def _padded(self, values: Ints, position: Ints, *shape: int) -> Ints:
        """Put values, [n, ...], into their positions in [B, *shape], flattened; -1 elsewhere."""
        shape = len(self.table), *shape
        padded = np.full((math.prod(shape), *values.shape[1:]), -1)
        padded[position] = values
        return padded.reshape(*shape, *values.shape[1:])

    def steps(self) -> dict[str, Ints]:
        """Return the decoder's inputs and targets: see :class:`~netgraph.model.batch.ArchitectureBatch`."""
        table, rows = self.table, np.arange(len(self.table))
        layer = np.repeat(np.arange(len(table.code)), table.fan)
        network, opens = self.network[layer], np.diff(layer, prepend=-1) > 0
        first = table.operand_start[table.layer_start]  # first operand of each architecture
        count = np.diff(first)
        width = int(count.max()) + 2
        position = np.arange(len(layer)) - first[network] + 1 + network * width
        node = table.node_start[network]
        index, parent = table.layer_node_start[layer] - node, table.layer_node_start[table.source] - node
        move, code = np.where(opens, table.code[layer], STAY), table.code[layer]
        steps = self._padded(np.stack([move, code, index, parent, self.depth[layer]], axis=1), position, width)
        steps[:, 0] = np.stack([rows * 0 + START, rows * 0 + START, *self.counts.T, rows * 0], axis=1)
        steps[rows, count + 1] = [END, END, 0, 0, 0]
        sized = opens & self.linear[layer]
        layers = int(table.count.max())
        local = np.arange(len(table.code)) - table.layer_start[self.network]
        opened = np.where(local > 0, table.operand_start[:-1] - first[self.network] + 1, 0)
        return {
            "steps": steps,
            "pointer": self._padded(table.operand, position, width),
            "size": self._padded(np.where(sized, table.size[layer], -1), position, width),
            "biased": self._padded(np.where(sized, table.hyper[layer, 0] > 0, -1), position, width),
            "layer_step": self._padded(opened, local + self.network * layers, layers),
        }

    @cached_property
    def state_ptr(self) -> Ints:
        """First state element of each architecture, and the end, [B + 1]."""
        return starts(self.table.state_size)

    def elements(self) -> dict[str, Ints]:
        """Return position and kind of each state element: see ``ArchitectureBatch``, [P] each."""
        table, state = self.table, self.table.state
        tensor, row = self._rows
        layer, count = state.layer, state.rows * state.width
        token, network = self.token_position[layer], self.network[layer]
        source = self.token_position[table.first_source[layer]] - network * self.width
        own = len(table) * self.width**2 + token * N_KINDS + state.kind
        edges = self.linear[layer] & (state.kind != _BIAS)
        first = np.where(edges, token * self.width + source, own)
        step = np.where(edges, self.width, N_KINDS)
        scale = (table.code[layer] * N_CODES + self.feeder[layer]) * N_CODES + self.reader[layer]
        per_tensor = {
            "element_fan": np.where(self.linear[layer], table.size[table.first_source[layer]], 1),
            "element_kind": state.kind,
            "element_scale": state.kind * N_CODES**3 + scale,
            "element_network": network,
        }
        gather = runs(first[tensor] + row * step[tensor], state.width[tensor])
        return {"gather": gather} | {name: np.repeat(values, count) for name, values in per_tensor.items()}

    @cached_property
    def _rows(self) -> tuple[Ints, Ints]:
        """State tensor and position of each row of the state tensors: the elements of one node."""
        rows = self.table.state.rows
        return np.repeat(np.arange(len(rows)), rows), runs(np.zeros_like(rows), rows)

    @property
    def max_fan(self) -> int:
        """Most state elements that a node holds beside its bias."""
        state = self.table.state
        return int(np.where(state.kind == _BIAS, 0, state.rank + state.width).max(initial=0))

    def held(self, max_fan: int) -> Ints:
        """Return the state elements of each token node, its bias last, -1 where none, [B, T, max_fan + 1]."""
        state, (tensor, row) = self.table.state, self._rows
        bias, width = state.kind[tensor] == _BIAS, state.width[tensor]
        column = np.where(bias, max_fan, state.rank[tensor])
        kept = np.where(bias, 1, np.clip(max_fan - state.rank[tensor], 0, width))
        token = self.token_position[state.layer[tensor]] + row
        elements = runs(state.start[tensor] + row * width, kept)
        return self._padded(elements, runs(token * (max_fan + 1) + column, kept), self.width, max_fan + 1)

    def outgoing(self, gather: Ints) -> Ints:
        """Return the first state elements that multiply each token node's value, -1 where none, [B, T, READERS].

        Args:
            gather: Of :meth:`elements`; positions in [B, T, T] are edges, target before source.
        """
        edges = np.flatnonzero(gather < len(self.table) * self.width**2)
        source = gather[edges] // self.width**2 * self.width + gather[edges] % self.width
        order = np.argsort(source, kind="stable")
        source = source[order]
        rank = np.arange(len(source)) - np.searchsorted(source, source)
        kept = rank < READERS
        return self._padded(edges[order][kept], (source * READERS + rank)[kept], self.width, READERS)


def architecture_features(architectures: Sequence[Architecture], max_nodes: int) -> ArchitectureFeatures:
    """Derive the features of a batch of architectures.

    Args:
        architectures: B architectures, at least one.
        max_nodes: The model's budget of nodes.

    Raises:
        NetGraphError: When an architecture is larger than the model allows.
    """
    table = LayerTable.pack(architectures)
    largest = int(table.num_nodes.max())
    if largest > max_nodes:
        raise NetGraphError(f"a network with {largest} nodes; this model handles at most {max_nodes} (max_nodes)")
    return ArchitectureFeatures(table)

"""Token streams of architectures: the columns of each token, and the state elements that it carries.

One token a node, in index order, between a start token (its ``index`` is the number of inputs, its ``parent`` that of
outputs) and an end token. Continuation tokens follow a node, with its index: one for each further operand of a
join, one for each further chunk of incoming weights.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from netgraph.graph.architecture import TENSOR_KINDS, Architecture, Ints
from netgraph.graph.layers import FIRST_CODE, LAYER_TYPES
from netgraph.graph.table import LayerTable, runs, starts

PAD, START, END = range(FIRST_CODE)
_BIAS, _COUNT = (TENSOR_KINDS.index(kind) for kind in ("bias", "count"))
_INPUT, _LINEAR, _ADD, _CONCAT = (LAYER_TYPES[name].code for name in ("Input", "Linear", "Add", "Concat"))


@dataclass(frozen=True)
class Streams:
    """The tokens of A architectures, padded to T; positions are indices of flattened arrays.

    Attributes:
        layer_type: Code of the node's layer type, or PAD, START or END, [A, T].
        index: The node, [A, T].
        parent: The node that feeds it (for a continuation of a join: the further operand), -1 for inputs, [A, T].
        opens: Whether the token is the first of its layer, [A, T].
        attributes: Encoded hyper-parameters of its layer, [A, T, 3] float64.
        mask: Whether a token stands there, [A, T].
        node_position: Position of each node's first token in [A, T], [sum N].
        weight_element: State elements that are no biases, counted over all states, [W].
        weight_position: Position of each in [A, T, chunk], [W].
        bias_element: State elements that are biases, [B].
        bias_position: Position of each in [A, T], [B].
    """

    layer_type: Ints
    index: Ints
    parent: Ints
    opens: npt.NDArray[np.bool_]
    attributes: npt.NDArray[np.float64]
    mask: npt.NDArray[np.bool_]
    node_position: Ints
    weight_element: Ints
    weight_position: Ints
    bias_element: Ints
    bias_position: Ints


def lay_out(table: LayerTable, chunk: int) -> Streams:
    """Lay out the streams of packed architectures, at least one; ``chunk`` is the number of weights a token carries."""
    turns = _turns(table, chunk)
    turn_start = starts(turns)
    length = np.diff(turn_start[table.node_start]) + 2  # of each stream, start and end token included
    width = int(length.max())
    shift = np.arange(len(table)) * width + 1 - turn_start[table.node_start[:-1]]
    node_position = turn_start[:-1] + np.repeat(shift, table.num_nodes)
    weights, biases = _positions(table, node_position, chunk)
    return Streams(
        **_columns(table, turns, runs(node_position, turns), length),
        mask=np.arange(width) < length[:, None],
        node_position=node_position,
        weight_element=weights[0],
        weight_position=weights[1],
        bias_element=biases[0],
        bias_position=biases[1],
    )


def _turns(table: LayerTable, chunk: int) -> Ints:
    """Return the number of tokens of each node, [sum N]."""
    state = table.state
    every = (state.kind != _BIAS) & (state.kind != _COUNT)
    layer_held = np.bincount(state.layer[every], state.width[every], minlength=len(table.code)).astype(np.int64)
    held = np.repeat(layer_held, table.size)
    held[table.layer_node_start[state.layer[state.kind == _COUNT]]] += 1
    fan = np.where(table.code == _ADD, table.fan, 1)
    turns: Ints = np.maximum(np.repeat(fan, table.size), -(-held // chunk))
    return turns


def _positions(table: LayerTable, node_position: Ints, chunk: int) -> tuple[tuple[Ints, Ints], tuple[Ints, Ints]]:
    """Return state elements and their positions, of weights and buffers, and of biases.

    The tokens of a node are side by side, and so are its elements, over the ends of chunks.
    """
    state = table.state
    bias = state.kind == _BIAS
    first = table.layer_node_start[state.layer]
    rows, width, start = state.rows, state.width, state.start[:-1]
    held = ~bias
    node = runs(first[held], rows[held])
    row_position = node_position[node] * chunk + np.repeat(state.rank[held], rows[held])
    weight_position = runs(row_position, np.repeat(width[held], rows[held]))
    weight_element = runs(start[held], rows[held] * width[held])
    bias_position = node_position[runs(first[bias], rows[bias])]
    return (weight_element, weight_position), (runs(start[bias], rows[bias]), bias_position)


def _columns(table: LayerTable, turns: Ints, token_position: Ints, length: Ints) -> dict[str, Any]:
    """Return the columns of the tokens, from the position of each node token and the length of each stream."""
    node = np.repeat(np.arange(len(turns)), turns)
    layer = np.repeat(np.arange(len(table.code)), table.size)[node]
    first = np.repeat(table.node_start[:-1], length - 2)
    position = node - table.layer_node_start[layer]
    turn = np.arange(len(node)) - np.repeat(starts(turns)[:-1], turns)
    parent = _parents(table, layer, position, turn)
    columns = {
        "layer_type": table.code[layer],
        "index": node - first,
        "parent": np.where(parent < 0, -1, parent - first),
        "opens": (position == 0) & (turn == 0),
        "attributes": table.hyper[layer],
    }
    shape = len(table), int(length.max())
    padded = {}
    for name, values in columns.items():
        column = np.full((shape[0] * shape[1], *values.shape[1:]), PAD, dtype=values.dtype)
        column[token_position] = values
        padded[name] = column.reshape(*shape, *values.shape[1:])
    row, nodes = np.arange(len(table)), table.num_nodes
    inputs, outputs = table.size[table.layer_start[:-1]], table.size[table.layer_start[1:] - 1]
    ends = {"layer_type": (START, END), "index": (inputs, nodes), "parent": (outputs, nodes - outputs)}
    for name, (start, end) in ends.items():
        padded[name][row, 0], padded[name][row, length - 1] = start, end
    return padded


def _parents(table: LayerTable, layer: Ints, position: Ints, turn: Ints) -> Ints:
    """Return the feeding node of each node token, counted over the table; -1 for inputs."""
    code = table.code[layer]
    base = table.layer_node_start[table.first_source]
    parent = np.where(code == _INPUT, -1, base[layer] + np.where(code == _LINEAR, 0, position))
    further = np.flatnonzero((code == _ADD) & (turn > 0))
    operand = table.source[table.operand_start[layer[further]] + turn[further]]
    parent[further] = table.layer_node_start[operand] + position[further]
    joined = table.source[np.repeat(table.code == _CONCAT, table.fan)]
    parent[code == _CONCAT] = runs(table.layer_node_start[joined], table.size[joined])
    return parent


@dataclass(frozen=True, repr=False)
class Stream:
    """The T tokens of an architecture: columns of :class:`Streams`, and the state elements that each token carries.

    Attributes:
        elements: State elements beside the bias, -1 where none, [T, chunk].
        bias_element: State element that is the bias, -1 where none, [T].
    """

    layer_type: Ints
    index: Ints
    parent: Ints
    opens: npt.NDArray[np.bool_]
    elements: Ints
    bias_element: Ints
    attributes: npt.NDArray[np.float64]

    def __repr__(self) -> str:
        length, chunk = self.elements.shape
        return f"Stream({length:,} tokens, {chunk} weights each)"


@lru_cache(maxsize=16384)
def _stream(key: Architecture, chunk: int) -> Stream:
    laid = lay_out(LayerTable.pack([key]), chunk)
    length = laid.mask.size
    elements, bias_element = np.full(length * chunk, -1), np.full(length, -1)
    elements[laid.weight_position], bias_element[laid.bias_position] = laid.weight_element, laid.bias_element
    return Stream(
        layer_type=laid.layer_type[0],
        index=laid.index[0],
        parent=laid.parent[0],
        opens=laid.opens[0],
        elements=elements.reshape(length, chunk),
        bias_element=bias_element,
        attributes=laid.attributes[0],
    )


def stream(architecture: Architecture, chunk: int = 16) -> Stream:
    """Return the token stream of an architecture; ``chunk`` is the number of weights a token can carry.

    Example:
        >>> stream(netgraph.from_module(torch.nn.Linear(2, 1)).architecture).index.tolist()  # START, three nodes, END
        [2, 0, 1, 2, 3]
    """
    return _stream(architecture.key, chunk)

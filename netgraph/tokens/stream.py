"""Token streams of architectures: what each token says, and which state elements it carries.

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
    """The tokens of A architectures, padded to T; where a *place* is a position in an array that is flattened.

    Attributes:
        layer_type: Code of the node's layer type, or PAD, START or END, [A, T].
        index: The node, [A, T].
        parent: The node that feeds it (for a continuation of a join: the further operand), -1 for inputs, [A, T].
        opens: Whether the token is the first of its layer, [A, T].
        attributes: Encoded hyper-parameters of its layer, [A, T, 3] float64.
        mask: Whether a token stands there, [A, T].
        node_place: Place of each node's first token in [A, T], [sum N].
        weight_element: State elements that are no biases, counted over all states, [W].
        weight_place: Place of each in [A, T, chunk], [W].
        bias_element: State elements that are biases, [B].
        bias_place: Place of each in [A, T], [B].
    """

    layer_type: Ints
    index: Ints
    parent: Ints
    opens: npt.NDArray[np.bool_]
    attributes: npt.NDArray[np.float64]
    mask: npt.NDArray[np.bool_]
    node_place: Ints
    weight_element: Ints
    weight_place: Ints
    bias_element: Ints
    bias_place: Ints


def lay_out(table: LayerTable, chunk: int) -> Streams:
    """Lay out the streams of packed architectures, at least one; ``chunk`` is the number of weights a token carries."""
    turns = _turns(table, chunk)
    turn_start = starts(turns)
    length = np.diff(turn_start[table.node_start]) + 2  # of each stream, start and end token included
    width = int(length.max())
    shift = np.arange(len(table)) * width + 1 - turn_start[table.node_start[:-1]]
    node_place = turn_start[:-1] + np.repeat(shift, table.num_nodes)
    weights, biases = _places(table, node_place, chunk)
    return Streams(
        **_columns(table, turns, runs(node_place, turns), length),
        mask=np.arange(width) < length[:, None],
        node_place=node_place,
        weight_element=weights[0],
        weight_place=weights[1],
        bias_element=biases[0],
        bias_place=biases[1],
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


def _places(table: LayerTable, node_place: Ints, chunk: int) -> tuple[tuple[Ints, Ints], tuple[Ints, Ints]]:
    """Return state elements and their places, of weights and buffers, and of biases.

    The tokens of a node stand side by side, so what it holds does too, over the ends of chunks.
    """
    state = table.state
    bias = state.kind == _BIAS
    first = table.layer_node_start[state.layer]
    rows, width, start = state.rows, state.width, state.start[:-1]
    held = ~bias
    node = runs(first[held], rows[held])
    row_place = node_place[node] * chunk + np.repeat(state.rank[held], rows[held])
    weight_place = runs(row_place, np.repeat(width[held], rows[held]))
    weight_element = runs(start[held], rows[held] * width[held])
    bias_place = node_place[runs(first[bias], rows[bias])]
    return (weight_element, weight_place), (runs(start[bias], rows[bias]), bias_place)


def _columns(table: LayerTable, turns: Ints, place: Ints, length: Ints) -> dict[str, Any]:
    """Return what the tokens say; ``place`` is that of each node token, ``length`` that of each stream."""
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
    padded = {name: _pad(values, place, shape) for name, values in columns.items()}
    _frame(table, padded, length)
    return padded


def _pad(values: npt.NDArray[Any], place: Ints, shape: tuple[int, int]) -> npt.NDArray[Any]:
    column = np.full((shape[0] * shape[1], *values.shape[1:]), PAD, dtype=values.dtype)
    column[place] = values
    return column.reshape(*shape, *values.shape[1:])


def _frame(table: LayerTable, columns: dict[str, npt.NDArray[Any]], length: Ints) -> None:
    """Write the start and the end token of each stream."""
    row, nodes = np.arange(len(table)), table.num_nodes
    inputs, outputs = table.size[table.layer_start[:-1]], table.size[table.layer_start[1:] - 1]
    for name, first, last in (
        ("layer_type", START, END),
        ("index", inputs, nodes),
        ("parent", outputs, nodes - outputs),
    ):
        columns[name][row, 0] = first
        columns[name][row, length - 1] = last


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


@dataclass(frozen=True)
class Stream:
    """The tokens of an architecture, T of them: columns of :class:`Streams`, and what each token carries.

    Attributes:
        elements: State elements it carries beside the bias, -1 where none, [T, chunk].
        bias_element: State element that is its bias, -1 where none, [T].
    """

    layer_type: Ints
    index: Ints
    parent: Ints
    opens: npt.NDArray[np.bool_]
    elements: Ints
    bias_element: Ints
    attributes: npt.NDArray[np.float64]


@lru_cache(maxsize=16384)
def _stream(key: Architecture, chunk: int) -> Stream:
    laid = lay_out(LayerTable.pack([key]), chunk)
    length = laid.mask.size
    elements, bias_element = np.full(length * chunk, -1), np.full(length, -1)
    elements[laid.weight_place], bias_element[laid.bias_place] = laid.weight_element, laid.bias_element
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
    """Return the token stream of an architecture; ``chunk`` is the number of weights a token can carry."""
    return _stream(architecture.key, chunk)

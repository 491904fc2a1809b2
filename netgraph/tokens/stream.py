"""The token stream of one architecture: what each token says, and which state elements it carries.

One token a vertex, in index order, between a start token (its ``index`` is the number of inputs, its ``parent`` that of
outputs) and an end token. A vertex goes on in continuation tokens, whose index stays: one for each further operand of a
join, one for each further chunk of incoming weights.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from netgraph.graph.architecture import SLOT_KINDS, Architecture, Ints
from netgraph.graph.layers import BY_CODE, FIRST_CODE

PAD, START, END = range(FIRST_CODE)
_BIAS = SLOT_KINDS.index("bias")
N_ATTRIBUTES = max(len(layer_type.hyper) for layer_type in BY_CODE.values())


@dataclass(frozen=True)
class Stream:
    """The tokens of an architecture, T of them.

    Attributes:
        layer_type: Code of the vertex's layer type, or START or END, [T].
        index: The vertex, [T].
        parent: The vertex that feeds it (for a continuation of a join: the further operand), -1 for inputs, [T].
        opens: Whether the token is the first of its layer, [T].
        slots: State elements it carries beside the bias, -1 where none, [T, chunk].
        bias_slot: State element that is its bias, -1 where none, [T].
        attributes: Encoded hyper-parameters of its layer, [T, 3] float64.
    """

    layer_type: Ints
    index: Ints
    parent: Ints
    opens: npt.NDArray[np.bool_]
    slots: Ints
    bias_slot: Ints
    attributes: npt.NDArray[np.float64]


@lru_cache(maxsize=16384)
def _stream(key: Architecture, chunk: int) -> Stream:
    owned = np.flatnonzero(key.slot_kind != _BIAS)
    owned = owned[np.argsort(key.slot_target[owned], kind="stable")]
    held = np.bincount(key.slot_target[owned], minlength=key.num_nodes)
    fan = np.array([len(layer.inputs) if layer.type == "Add" else 1 for layer in key.layers])[key.layer_of]
    tokens = np.maximum(fan, -(-held // chunk))  # tokens of each vertex, [N]
    vertex = np.repeat(np.arange(key.num_nodes), tokens)
    turn = np.arange(len(vertex)) - np.repeat(np.cumsum(tokens) - tokens, tokens)  # 0, 1, ... within a vertex
    slots = np.full((len(vertex), chunk), -1, dtype=np.int64)
    rank = np.arange(len(owned)) - np.repeat(np.cumsum(held) - held, held)
    first = np.cumsum(tokens) - tokens
    slots[first[key.slot_target[owned]] + rank // chunk, rank % chunk] = owned
    return _framed(
        key,
        layer_type=key.layer_type[vertex],
        index=vertex,
        parent=_parents(key, vertex, turn),
        opens=(turn == 0) & np.isin(vertex, key.offsets[:-1]),
        slots=slots,
        bias_slot=np.where(turn == 0, key.bias_slot[vertex], -1),
        attributes=_attributes(key)[key.layer_of[vertex]],
    )


def _parents(key: Architecture, vertex: Ints, turn: Ints) -> Ints:
    sources = [key.sources(i) for i in range(len(key.layers))]
    parents = key.parent[vertex].copy()
    for token in np.flatnonzero(turn):
        layer = key.layer_of[vertex[token]]
        if key.layers[layer].type == "Add":
            parents[token] = sources[layer][vertex[token] - key.offsets[layer], turn[token]]
    return parents


def _attributes(key: Architecture) -> npt.NDArray[np.float64]:
    table = np.zeros((len(key.layers), N_ATTRIBUTES))
    for row, layer in zip(table, key.layers, strict=True):
        values = layer.hyper_parameters
        row[: len(values)] = [hyper.encode(values[hyper.name]) for hyper in layer.kind.hyper]
    return table


def _framed(key: Architecture, **columns: npt.NDArray[np.generic]) -> Stream:
    """Put the start and the end token around the vertices."""
    empty = {"opens": False, "slots": -1, "bias_slot": -1, "attributes": 0.0}
    starts = {"layer_type": START, "index": key.n_inputs, "parent": key.n_outputs} | empty
    ends = {"layer_type": END, "index": key.num_nodes, "parent": key.num_nodes - key.n_outputs} | empty
    framed = {}
    for name, column in columns.items():
        frame = np.empty((len(column) + 2, *column.shape[1:]), dtype=column.dtype)
        frame[0], frame[1:-1], frame[-1] = starts[name], column, ends[name]
        framed[name] = frame
    return Stream(**framed)


def stream(architecture: Architecture, chunk: int = 16) -> Stream:
    """Give the token stream of an architecture; ``chunk`` is the number of weights a token can carry."""
    return _stream(architecture.key, chunk)

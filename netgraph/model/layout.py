"""Features of an architecture that the model reads, computed once for each.

The transformers have one token for each vertex that holds something of its own. An elementwise vertex does not: it is
carried by the vertex that feeds it, whose token is told which activation follows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import SLOT_KINDS, Architecture, Ints
from netgraph.graph.io import column, table_from_tensors, table_to_tensors
from netgraph.graph.layers import BY_CODE, LAYER_TYPES, N_CODES
from netgraph.graph.table import LayerTable
from netgraph.tokens import CONTINUE, END, START, STAY, stream

#: Number of entries of the standardization table: slot kind, layer type, type of the feeding and of the reading layer.
N_SCALES = len(SLOT_KINDS) * N_CODES**3
#: Moves that open a layer.
OPENINGS = tuple(BY_CODE)
#: Columns of a carrier's features, see ``Layout.carriers``, and of a step's, see ``Layout.steps``.
TYPE, POSITION, BACK, READER, FEEDER, LINEAR = 0, 1, 3, 5, 6, 7
STEP_LINEAR = 5
_BIAS = SLOT_KINDS.index("bias")


@dataclass(frozen=True)
class Layout:
    """Arrays of one architecture: S steps, L layers, C carriers, P state elements, E edges.

    Attributes:
        steps: Move, layer type, index, parent, position in layer and linear layers up to here of the start token and of
            each token that the grammar does not force (the others say nothing new), [S, 6].
        pointer: The layer that a step's parent opens, where the parent is a choice; else -1, [S].
        biased: Whether the linear layer that a step opens has a bias, -1 where it opens none, [S].
        layer_step: Step that opens each layer; the start token stands for the input layer, [L].
        carriers: Features of each carrier: layer type, position in layer, layer from the front, layer from the back,
            layer size, type of the reading layer, type of the feeding layer, linear layers up to here, [C, 8].
        carrier_vertex: Vertex of each carrier, [C].
        incoming: State elements that a carrier holds beside its bias, -1 where none, [C, fan].
        outgoing: State elements that read the carrier, -1 where none, [C, fan].
        own: State elements of each kind that are a carrier's and no edge of a linear layer, -1 where none, [C, kinds].
        to_output: State element by which the first output reads the carrier, -1 where none, [C].
        slot_row: Carrier that each state element belongs to, [P].
        slot_column: Carrier whose value it multiplies; -1 unless it is an edge of a linear layer, [P].
        slot_place: Place of that carrier in its layer, -1 unless it is an edge of a linear layer, [P].
        slot_to_output: Whether it is an edge to the first output, from anything but an input, [P].
        slot_fan: Incoming edges of its vertex for elements of a linear layer, else 1, [P].
        slot_kind: Its kind, [P].
        slot_scale: Its entry of the standardization table, [P].
        slot_vertex: Its vertex, [P].
        edge_index: As in NetGraph, [2, E].
        edge_slot: As in Architecture, [E].
    """

    steps: Ints
    pointer: Ints
    biased: Ints
    layer_step: Ints
    carriers: Ints
    carrier_vertex: Ints
    incoming: Ints
    outgoing: Ints
    own: Ints
    to_output: Ints
    slot_row: Ints
    slot_column: Ints
    slot_place: Ints
    slot_to_output: Ints
    slot_fan: Ints
    slot_kind: Ints
    slot_scale: Ints
    slot_vertex: Ints
    edge_index: Ints
    edge_slot: Ints


@lru_cache(maxsize=32768)
def _layout(key: Architecture) -> Layout:
    steps, pointer = _steps(key)
    opened = key.layer_of[steps[:, 2].clip(max=key.num_nodes - 1)]
    has_bias = np.array([layer.hyper_parameters.get("bias", True) for layer in key.layers])[opened]
    carrier_vertex, carrier_of = _carriers(key)
    dense = np.array([layer.kind.kind == "linear" for layer in key.layers])[key.layer_of]
    is_edge = (key.slot_kind == 0) & dense[key.slot_target]
    row = carrier_of[key.slot_target]
    column = np.where(is_edge, carrier_of[key.slot_source], -1)
    held = np.flatnonzero(key.slot_kind != _BIAS)
    count = len(carrier_vertex)
    features = _features(key)[carrier_vertex]
    to_output = is_edge & (key.slot_target == key.offsets[-2])
    fan = np.bincount(key.slot_target[is_edge], minlength=key.num_nodes).clip(min=1)
    return Layout(
        steps=steps,
        pointer=pointer,
        biased=np.where(steps[:, 0] == LAYER_TYPES["Linear"].code, has_bias, -1).astype(np.int64),
        layer_step=np.concatenate([[0], np.flatnonzero(np.isin(steps[:, 0], OPENINGS))]).astype(np.int64),
        carriers=features,
        carrier_vertex=carrier_vertex,
        incoming=_dense(row[held], held, count),
        outgoing=_dense(column[is_edge], np.flatnonzero(is_edge), count),
        own=_own(row, np.where(is_edge, -1, key.slot_kind), count),
        to_output=_own(column, np.where(to_output, 0, -1), count)[:, 0],
        slot_row=row,
        slot_column=column,
        slot_place=np.where(is_edge, features[column, POSITION], -1),
        slot_to_output=(to_output & (features[column, LINEAR] > 0)).astype(np.int64),
        slot_fan=fan[key.slot_target],
        slot_kind=key.slot_kind,
        slot_scale=_scales(key),
        slot_vertex=key.slot_target,
        edge_index=key.edge_index,
        edge_slot=key.edge_slot,
    )


def _steps(key: Architecture) -> tuple[Ints, Ints]:
    tokens = stream(key, chunk=max(1, int(np.bincount(key.slot_target, minlength=1).max())))
    repeats = np.diff(tokens.index, prepend=-1) == 0
    repeats[:2] = False
    add, concat, linear = (LAYER_TYPES[name].code for name in ("Add", "Concat", "Linear"))
    move = np.where(tokens.opens, tokens.layer_type, np.where(repeats, STAY, CONTINUE))
    move[0], move[-1] = START, END
    inner = tokens.index.clip(max=key.num_nodes - 1)
    position = inner - key.offsets[key.layer_of[inner]]
    depth = _linear_depth(key)[key.layer_of[inner]]
    position[0] = position[-1] = depth[0] = depth[-1] = 0
    starts = np.isin(tokens.parent, key.offsets[:-1])
    free = tokens.opens | (tokens.layer_type == linear) | (tokens.layer_type == END)
    free |= (tokens.layer_type == add) & ((position == 0) | ((position == 1) & ~repeats))
    free |= (tokens.layer_type == concat) & starts
    free[0], free[1] = True, False
    points = starts & (tokens.opens | ((tokens.layer_type == add) & (position == 0)) | (tokens.layer_type == concat))
    pointer = np.where(points, np.searchsorted(key.offsets, tokens.parent), -1)
    pointer[0] = pointer[-1] = -1
    steps = np.stack([move, tokens.layer_type, tokens.index, tokens.parent, position, depth], axis=1)
    return steps[free], pointer[free]


def _linear_depth(key: Architecture) -> Ints:
    """Linear layers up to each layer, [layers]."""
    return np.cumsum([layer.kind.kind == "linear" for layer in key.layers])


def _carriers(key: Architecture) -> tuple[Ints, Ints]:
    elementwise = np.array([layer.kind.kind == "elementwise" for layer in key.layers])[key.layer_of]
    vertex = np.flatnonzero(~elementwise)
    carrier_of = np.cumsum(~elementwise) - 1
    for v in np.flatnonzero(elementwise):
        carrier_of[v] = carrier_of[key.parent[v]]
    return vertex, carrier_of


def _features(key: Architecture) -> Ints:
    depth = np.arange(len(key.layers))
    rows = [depth[::-1], [layer.size for layer in key.layers], _readers(key), _feeders(key), _linear_depth(key)]
    position = np.arange(key.num_nodes) - key.offsets[key.layer_of]
    per_layer = np.stack([depth, *map(np.asarray, rows)], axis=1)
    return np.concatenate([key.layer_type[:, None], position[:, None], per_layer[key.layer_of]], axis=1)


def _readers(key: Architecture) -> list[int]:
    """Type of the first layer that reads each layer, END for the output layer."""
    reader = [END] * len(key.layers)
    for layer in reversed(key.layers):
        for i in layer.inputs:
            reader[i] = layer.kind.code
    return reader


def _feeders(key: Architecture) -> list[int]:
    """Type of the first layer that feeds each layer, START for the input layer."""
    return [key.layers[layer.inputs[0]].kind.code if layer.inputs else START for layer in key.layers]


def _scales(key: Architecture) -> Ints:
    per_layer = [
        (layer.kind.code * N_CODES + feeder) * N_CODES + reader
        for layer, feeder, reader in zip(key.layers, _feeders(key), _readers(key), strict=True)
    ]
    kinds: Ints = key.slot_kind * N_CODES**3 + np.array(per_layer)[key.layer_of[key.slot_target]]
    return kinds


def _dense(row: Ints, slots: Ints, count: int) -> Ints:
    """Lay the elements that belong to each row side by side, [count, most in a row]."""
    order = np.argsort(row, kind="stable")
    held = np.bincount(row, minlength=count)
    table = np.full((count, max(1, held.max(initial=0))), -1, dtype=np.int64)
    rank = np.arange(len(slots)) - np.repeat(np.cumsum(held) - held, held)
    table[row[order], rank] = slots[order]
    return table


def _own(row: Ints, kind: Ints, count: int) -> Ints:
    """Lay the elements of each kind in their rows, [count, kinds]; kind -1 is left out."""
    table = np.full((count, len(SLOT_KINDS)), -1, dtype=np.int64)
    kept = np.flatnonzero(kind >= 0)
    table[row[kept], kind[kept]] = kept
    return table


def layout(architecture: Architecture, max_nodes: int) -> Layout:
    """Lay out an architecture for the model.

    Args:
        architecture: The layers.
        max_nodes: The model's budget of vertices.

    Raises:
        NetGraphError: When the architecture is larger than the model allows.
    """
    if architecture.num_nodes > max_nodes:
        raise NetGraphError(
            f"a network with {architecture.num_nodes} vertices; this model handles at most {max_nodes} (max_nodes)"
        )
    return _layout(architecture.key)


@dataclass(frozen=True)
class Layouts:
    """Layouts of n networks.

    Attributes:
        network: Their slots, and one that holds the response, [n, G + 1, slot].
        architectures: What they decode to.
    """

    network: Tensor
    architectures: Sequence[Architecture]

    def part(self, chosen: Sequence[int]) -> Self:
        """Return chosen layouts, which may occur more than once."""
        return type(self)(self.network[list(chosen)], [self.architectures[i] for i in chosen])

    def of_inputs(self, n_inputs: int) -> Self:
        """Return the layouts of networks with a number of inputs, in their order."""
        return self.part([i for i, one in enumerate(self.architectures) if one.n_inputs == n_inputs])

    def to_tensors(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Split them into tensors and a record of the names that these refer to by number."""
        tensors, record = table_to_tensors(LayerTable.pack(self.architectures))
        return {"network": self.network.cpu()} | tensors, record

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> Self:
        """Invert :meth:`to_tensors`."""
        table = table_from_tensors(tensors, record)
        return cls(column(tensors, "network", 3, floating=True), [table.architecture(i) for i in range(len(table))])

    @classmethod
    def join(cls, parts: "Sequence[Layouts]") -> Self:
        """Concatenate layouts."""
        joined = [architecture for part in parts for architecture in part.architectures]
        return cls(torch.cat([part.network for part in parts]), joined)

    def __len__(self) -> int:
        return len(self.architectures)

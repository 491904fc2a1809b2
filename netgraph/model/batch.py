"""A batch of networks as the model reads it: everything padded and gathered once, before any training step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import SLOT_KINDS, Architecture, Ints
from netgraph.graph.netgraph import NetGraph
from netgraph.model.config import VAEConfig
from netgraph.model.layout import Layout, layout
from netgraph.model.response import respond
from netgraph.model.slots import spill
from netgraph.stack import Stack

#: Outgoing weights of a vertex that the encoder's tokens hold; it learns of the others from those that read them.
READERS = 8


class Movable:
    """Moves every tensor of a dataclass."""

    def to(self, device: torch.device) -> Self:
        """Return a copy on another device."""
        return self._map(lambda tensor: tensor.to(device))

    def packed(self) -> Self:
        """Return a copy that takes half the memory: integers in 32 bits."""
        return self._map(lambda tensor: tensor.int() if tensor.dtype == torch.int64 else tensor)

    def unpacked(self) -> Self:
        """Invert :meth:`packed`."""
        return self._map(lambda tensor: tensor.long() if tensor.dtype == torch.int32 else tensor)

    def _map(self, function: Callable[[Tensor], Tensor]) -> Self:
        changed: dict[str, Any] = {}
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if isinstance(value, Tensor):
                changed[field.name] = function(value)
            elif isinstance(value, Movable):
                changed[field.name] = value._map(function)
        return replace(self, **changed)  # type: ignore[type-var]


@dataclass(frozen=True)
class StructureBatch(Movable):
    """Architectures of B networks: S steps, L layers, C carriers, sum P state elements in all.

    Attributes:
        architectures: The architectures.
        steps: Features of the structure steps, -1 where padded, [B, S, 6].
        pointer: Layer that a step's parent opens, -1 where that is no choice, [B, S].
        biased: Whether the linear layer that a step opens has a bias, -1 where it opens none, [B, S].
        layer_step: Step that opens each layer, -1 where padded, [B, L].
        carriers: Features of the carriers, -1 where padded, [B, C, 8].
        slot_gather: Where each state element lies in the decoder's heads: edge scores [B, C, C], then vertex scores
            [B, C, kinds], both flattened, [sum P].
        slot_direct: Where it lies in what the direct path gives, [B, C, fan + 1 + kinds] flattened, -1 where it does
            not, [sum P].
        spilled: State elements that are spilled, see :class:`.Spill`, [n].
        spilled_cell: The number that holds each, in the batch's tables of places, flattened, [n].
        spilled_place: Places that hold spilled elements alone, -1 where padded, [B, E].
        slot_fan: Incoming edges of its vertex for elements of a linear layer, else 1, [sum P].
        slot_kind: Kind of each state element, [sum P].
        slot_scale: Its entry of the standardization table, [sum P].
        slot_network: Its network, [sum P].
        state_ptr: First state element of each network, [B + 1].
    """

    architectures: tuple[Architecture, ...]
    steps: Tensor
    pointer: Tensor
    biased: Tensor
    layer_step: Tensor
    carriers: Tensor
    slot_gather: Tensor
    slot_direct: Tensor
    spilled: Tensor
    spilled_cell: Tensor
    spilled_place: Tensor
    slot_fan: Tensor
    slot_kind: Tensor
    slot_scale: Tensor
    slot_network: Tensor
    state_ptr: Tensor

    def __len__(self) -> int:
        return len(self.architectures)


@dataclass(frozen=True)
class NetBatch(Movable):
    """Networks in canonical form.

    Attributes:
        structure: Their architectures.
        state: Their states, concatenated, [sum P].
        sensitivity: Sensitivity of each state element's vertex, [sum P]; NaN where not measured.
        incoming: Elements of ``state`` that each carrier holds beside its bias, -1 where none, [B, C, fan].
        outgoing: The first elements that read it, [B, C, READERS].
        own: Elements of each kind that are its own and no edge of a linear layer, [B, C, kinds].
        to_output: Element by which the first output reads it, [B, C].
        vertex_type: Layer type of every vertex of the batch, [sum N].
        edge_index: Edges between vertices of the batch, [2, sum E].
        edge_slot: Element that is an edge's weight, -1 for a structural one, [sum E].
        carrier_vertex: Vertex of each carrier, 0 where padded, [B, C].
        response: Mean and log-deviation of its first output on common rows, [B, 2].
        meta_features: One row a network, NaN in rows that have none, [B, features].
    """

    structure: StructureBatch
    state: Tensor
    sensitivity: Tensor
    incoming: Tensor
    outgoing: Tensor
    own: Tensor
    to_output: Tensor
    vertex_type: Tensor
    edge_index: Tensor
    edge_slot: Tensor
    carrier_vertex: Tensor
    response: Tensor
    meta_features: Tensor

    def __len__(self) -> int:
        return len(self.structure)


def _pad(rows: Sequence[npt.NDArray[Any]], value: int = -1) -> Tensor:
    return pad_sequence([torch.from_numpy(row) for row in rows], batch_first=True, padding_value=value)


def _cat(rows: Sequence[npt.NDArray[Any]]) -> Tensor:
    return torch.from_numpy(np.concatenate(rows))


def _ptr(sizes: Sequence[int]) -> Ints:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def structure_batch(architectures: Sequence[Architecture], config: VAEConfig) -> StructureBatch:
    """Collate architectures for the decoder.

    Raises:
        NetGraphError: When one is larger than the model allows.
    """
    layouts = [layout(architecture, config.max_nodes) for architecture in architectures]
    sizes = [len(one.slot_row) for one in layouts]
    spills, table = [spill(a.key, config) for a in architectures], config.place_slots * config.slot_size
    heads, direct = _gathers(layouts, config.max_fan)
    return StructureBatch(
        architectures=tuple(architectures),
        steps=_pad([one.steps for one in layouts]),
        pointer=_pad([one.pointer for one in layouts]),
        biased=_pad([one.biased for one in layouts]),
        layer_step=_pad([one.layer_step for one in layouts]),
        carriers=_pad([one.carriers for one in layouts]),
        slot_gather=heads,
        slot_direct=direct,
        spilled=_cat([one.elements + start for one, start in zip(spills, _ptr(sizes), strict=False)]),
        spilled_cell=_cat([one.cells + i * table for i, one in enumerate(spills)]),
        spilled_place=_pad([one.places for one in spills]),
        slot_fan=_cat([one.slot_fan for one in layouts]),
        slot_kind=_cat([one.slot_kind for one in layouts]),
        slot_scale=_cat([one.slot_scale for one in layouts]),
        slot_network=torch.from_numpy(np.repeat(np.arange(len(layouts)), sizes)),
        state_ptr=torch.from_numpy(_ptr(sizes)),
    )


def _gathers(layouts: Sequence[Layout], max_fan: int) -> tuple[Tensor, Tensor]:
    """Return where each state element lies in the decoder's heads, and in what the direct path gives, each [sum P].

    On the direct path an edge to the first output lies with the vertex that it leaves, any other element with its own.
    """
    count, kinds, width = len(layouts), len(SLOT_KINDS), max(len(one.carriers) for one in layouts)
    heads, direct = [], []
    for network, one in enumerate(layouts):
        row = network * width + one.slot_row
        vertex = count * width * width + row * kinds + one.slot_kind
        heads.append(np.where(one.slot_column >= 0, row * width + one.slot_column, vertex))
        leaves = one.slot_to_output > 0
        row = network * width + np.where(leaves, one.slot_column, one.slot_row)
        column = np.where(one.slot_place < 0, max_fan + 1 + one.slot_kind, np.where(leaves, max_fan, one.slot_place))
        far = (one.slot_place >= max_fan) & ~leaves
        direct.append(np.where(far, -1, row * (max_fan + 1 + kinds) + column))
    return _cat(heads), _cat(direct)


def net_batch(
    graphs: Sequence[NetGraph],
    config: VAEConfig,
    meta_features: Tensor | None = None,
    stack: Stack | None = None,
) -> NetBatch:
    """Collate canonical graphs for the encoder and the loss.

    Args:
        graphs: Networks in canonical form.
        config: The model's sizes.
        meta_features: One row a network, [B, features]; None for networks without.
        stack: The executor of their architectures, where there is one already.

    Raises:
        NetGraphError: When a network is larger than the model allows.
    """
    architectures = [graph.architecture for graph in graphs]
    layouts = [layout(a, config.max_nodes) for a in architectures]
    fan = max(one.incoming.shape[1] for one in layouts)
    if fan > config.max_fan:
        raise NetGraphError(f"a vertex with {fan} weights; this model encodes at most {config.max_fan} (max_fan)")
    slots = _ptr([a.state_size for a in architectures])
    vertices = _ptr([a.num_nodes for a in architectures])

    def shifted(name: str, offsets: Ints) -> list[npt.NDArray[Any]]:
        arrays = (getattr(one, name) for one in layouts)
        return [np.where(array >= 0, array + shift, -1) for array, shift in zip(arrays, offsets, strict=False)]

    sensitivity = [g.sensitivity[torch.from_numpy(one.slot_vertex)] for g, one in zip(graphs, layouts, strict=True)]
    state = torch.cat([graph.state.float() for graph in graphs])
    none = torch.full((len(graphs), config.n_meta_features), float("nan"))
    return NetBatch(
        structure=structure_batch(architectures, config),
        state=state,
        sensitivity=torch.cat(sensitivity).float(),
        incoming=_pad_tables(shifted("incoming", slots), config.max_fan),
        outgoing=_pad_tables(shifted("outgoing", slots), READERS),
        own=_pad(shifted("own", slots)),
        to_output=_pad(shifted("to_output", slots)),
        vertex_type=_cat([a.layer_type for a in architectures]),
        edge_index=torch.cat([torch.from_numpy(edges) for edges in shifted("edge_index", vertices)], dim=1),
        edge_slot=_cat(shifted("edge_slot", slots)),
        carrier_vertex=_pad(shifted("carrier_vertex", vertices), 0),
        response=respond(stack or Stack(architectures), state),
        meta_features=none if meta_features is None else meta_features.float(),
    )


def _pad_tables(tables: Sequence[npt.NDArray[Any]], width: int) -> Tensor:
    """Cut or pad tables to a width."""
    first = [table[:, :width] for table in tables]
    return _pad([np.pad(table, ((0, 0), (0, width - table.shape[1])), constant_values=-1) for table in first])

"""Weights without room in their own slot, and the unused latent numbers that hold them instead.

An architecture that does not fill the table of slots leaves numbers unused: those of absent places, and the rest of a
slot whose neuron reads few others. As encoder and decoder both know the architecture, they agree on which weight is
where without a word about it.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from netgraph.graph.architecture import SLOT_KINDS, Architecture, Ints
from netgraph.model.config import VAEConfig
from netgraph.model.direct import FIRST_INCOMING, OTHERS, OUTGOING, OWN_BIAS
from netgraph.model.layout import TYPE, Layout, layout
from netgraph.model.slots import LINEAR_TYPE, Slots, holders


@dataclass(frozen=True)
class Spill:
    """Where the weights of one architecture are that its own slots have no room for.

    Attributes:
        elements: State elements, [n].
        cells: The number that holds each, in the table of places, flattened, [n].
        places: Places that hold some and that no vertex with numbers of its own has, [E].
    """

    elements: Ints
    cells: Ints
    places: Ints


@lru_cache(maxsize=32768)
def spill(key: Architecture, config: VAEConfig) -> Spill:
    """Assign weights without room to unused numbers, those from a layer's first neurons first, until none is left."""
    if not config.spill:
        none = np.zeros(0, dtype=np.int64)
        return Spill(none, none, none)
    one = layout(key, config.max_nodes)
    carriers = torch.from_numpy(one.carriers)[None]
    slots = Slots(carriers, config)
    own = _own_cells(one, slots.place[0].numpy(), config)
    filled = np.repeat(Slots(holders(carriers), config).filled[0, :, 0].numpy(), config.slot_size)
    unused = np.setdiff1d(np.arange(len(filled)), own)
    unused = unused[np.argsort(~filled[unused], kind="stable")]
    over = np.flatnonzero((own < 0) & (one.slot_place >= 0))
    over = over[np.argsort(one.slot_place[over], kind="stable")][: len(unused)]
    cells = unused[: len(over)]
    return Spill(over, cells, np.unique(cells[~filled[cells]] // config.slot_size))


def _own_cells(one: Layout, place: Ints, config: VAEConfig) -> Ints:
    """The number of its own slot that each state element begins with, -1 where there is no room for it, [P]."""
    leaves = one.slot_to_output > 0
    carrier = np.where(leaves, one.slot_column, one.slot_row)
    fits = FIRST_INCOMING + one.slot_place < config.slot_size
    incoming = np.where(fits & (one.slot_place < config.max_fan), FIRST_INCOMING + one.slot_place, -1)
    others = np.array([config.slot_size - OTHERS.get(kind, config.slot_size + 1) for kind in SLOT_KINDS])
    held = np.where(one.carriers[carrier, TYPE] == LINEAR_TYPE, OWN_BIAS, others[one.slot_kind])
    column = np.where(leaves, OUTGOING, np.where(one.slot_place >= 0, incoming, held))
    return np.where(column >= 0, place[carrier] * config.slot_size + column, -1)

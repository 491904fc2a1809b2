"""The latent as a table of slots: which slot speaks of which vertex, and which of its numbers hold which weights.

Attention over slots from content alone takes long to learn which slot holds which neuron. Here it is fixed: a place,
the position of a neuron in its linear layer, has a slot of its own, and so has every layer.

The direct path reads a place's slot as a linear image of the neuron's own weights. It starts out as a choice, the bias,
the weight that the network's first output gives the neuron, and the first incoming weights, and is then trained like
everything else. What does not fit is left to the transformers, or spilled: an architecture that does not fill the table
leaves numbers unused, those of absent places and the rest of a slot whose neuron reads few others. As encoder and
decoder both know the architecture, they agree on the number that holds each spilled weight.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from netgraph.graph.architecture import SLOT_KINDS, Architecture, Ints
from netgraph.graph.layers import LAYER_TYPES, N_CODES
from netgraph.model.attention import FeatureEmbedding
from netgraph.model.config import VAEConfig
from netgraph.model.layout import BACK, FEEDER, LINEAR, POSITION, READER, TYPE, Layout, layout
from netgraph.tokens import N_MOVES

LINEAR_TYPE = LAYER_TYPES["Linear"].code
_HOLDING = [layer_type.code for layer_type in LAYER_TYPES.values() if layer_type.kind in ("linear", "norm")]
#: Linear layers that the embedding tells apart.
DEPTHS = 16
#: Features of a carrier that are codes of layer types.
CODED = (TYPE, READER, FEEDER)


def carrier_sizes(config: VAEConfig) -> tuple[int, ...]:
    """Return the vocabulary of each feature of a carrier; those at ``CODED`` are codes of layer types."""
    return (N_CODES, config.max_nodes, 31, 31, config.max_nodes, N_CODES, N_CODES, DEPTHS)


def step_sizes(config: VAEConfig) -> tuple[int, ...]:
    """Return the vocabulary of each feature of a step (see ``Layout.steps``): the first are moves and codes."""
    nodes = config.max_nodes
    return (N_MOVES, N_CODES, nodes + 1, nodes, nodes, DEPTHS)


def carrier_embedding(config: VAEConfig, width: int | None = None) -> FeatureEmbedding:
    """Embed the features of carriers (see ``Layout.carriers``)."""
    return FeatureEmbedding(carrier_sizes(config), width or config.width)


def is_linear(carriers: Tensor) -> Tensor:
    """Return the mask of vertices of linear layers, [B, C]."""
    return carriers[..., TYPE] == LINEAR_TYPE


def layout_slot(depth: Tensor, config: VAEConfig) -> Tensor:
    """Return the slot of the layout for vertices behind a number of linear layers."""
    return torch.where(depth > 0, 1 + (depth - 1) % config.place_depths, 0)


def holders(carriers: Tensor) -> Tensor:
    """Keep the carriers that hold numbers, in order, [B, C, 8] as [B, at most C, 8], padded with -1."""
    kept = torch.isin(carriers[..., TYPE], carriers.new_tensor(_HOLDING)) & (carriers[..., LINEAR] > 0)
    order = (~kept).int().argsort(dim=1, stable=True)[:, : int(kept.sum(dim=1).max())]
    chosen = carriers.gather(1, order[..., None].expand(-1, -1, carriers.shape[-1]))
    return torch.where(kept.gather(1, order)[..., None], chosen, -1)


class Slots:
    """Moves numbers between the carriers of a batch and its slots.

    Args:
        carriers: Features of the carriers, [B, C, 8].
        config: The model's sizes.
        spilled: Places that hold others' numbers alone, -1 where padded, [B, E]; each counts as one more carrier.
    """

    def __init__(self, carriers: Tensor, config: VAEConfig, spilled: Tensor | None = None) -> None:
        self.batch, self.places, self.layouts = len(carriers), config.place_slots, config.layout_slots
        depth, position = carriers[..., LINEAR], carriers[..., POSITION]
        wrapped = (depth - 1) % config.place_depths
        place = wrapped * config.place_positions + position.clamp(min=0) % config.place_positions
        place = torch.where(carriers[..., BACK] == 0, self.places - 1, place)
        self.present = depth > 0  # inputs and padding hold nothing
        self.real = depth >= 0
        offset = torch.arange(self.batch, device=carriers.device)[:, None]
        self.place = torch.where(self.present, offset * self.places + place, self.batch * self.places)  # [B, C]
        layer = offset * self.layouts + layout_slot(depth, config)
        self.layout = torch.where(self.real, layer, self.batch * self.layouts)
        self.whole = torch.where(self.real, (offset + 1) * self.layouts - 1, self.batch * self.layouts)
        if spilled is not None:
            more = torch.where(spilled >= 0, offset * self.places + spilled, self.batch * self.places)
            self.place, self.real = torch.cat([self.place, more], dim=1), torch.cat([self.real, spilled >= 0], dim=1)
        self.filled = self._sum(carriers.new_ones(*self.place.shape, 1), self.place, self.places) > 0  # [B, K, 1]

    def _sum(self, values: Tensor, index: Tensor, slots: int) -> Tensor:
        room = values.new_zeros(self.batch * slots + 1, values.shape[-1])
        room = room.index_add(0, index.flatten(), values.flatten(0, 1))
        return room[:-1].reshape(self.batch, slots, -1)

    def sum(self, values: Tensor) -> Tensor:
        """Add what the carriers of each place say, [B, C, n] as [B, K, n]."""
        return self._sum(values, self.place, self.places)

    def mean(self, values: Tensor) -> Tensor:
        """Average what the carriers of each place say, [B, C, n] as [B, K, n]; 0 where there is none."""
        total = self.sum(torch.cat([values, torch.ones_like(values[..., :1])], dim=-1))
        return total[..., :-1] / total[..., -1:].clamp(min=1)

    def pool(self, values: Tensor) -> Tensor:
        """Average over layers and over the whole network, [B, C, n] as [B, G, n]."""
        padded = torch.cat([values, torch.ones_like(values[..., :1])], dim=-1)
        total = self._sum(padded, self.layout, self.layouts) + self._sum(padded, self.whole, self.layouts)
        return total[..., :-1] / total[..., -1:].clamp(min=1)

    def read(self, table: Tensor) -> Tensor:
        """Return the slot of each carrier's place, [B, K, n] as [B, C, n]; 0 for inputs and padding."""
        rows = torch.cat([table.flatten(0, 1), table.new_zeros(1, table.shape[-1])])
        return rows[self.place]


def split(z: Tensor, config: VAEConfig) -> tuple[Tensor, Tensor]:
    """Cut latents, [B, latent], or codes, into the slots of the layout, [B, G, slot], and of places, [B, K, slot]."""
    table = z[:, : config.code_size].unflatten(-1, (-1, config.slot_size))
    return table[:, : config.layout_slots], table[:, config.layout_slots :]


def join(layout: Tensor, places: Tensor) -> Tensor:
    """Invert :func:`split`, [B, code]."""
    return torch.cat([layout, places], dim=1).flatten(1)


_BIAS = SLOT_KINDS.index("bias")
#: Numbers of a linear vertex's slot: its bias, the weight that the first output gives it, its first incoming weight.
OWN_BIAS, OUTGOING, FIRST_INCOMING = range(3)
#: Numbers of the slot of a vertex of another layer, from its end.
OTHERS = {"edge": 1, "bias": 2, "mean": 3, "variance": 4}


def _choice(config: VAEConfig, places: list[int]) -> Tensor:
    """A matrix that copies each number of an input to its place in a slot, [slot, numbers]; -1 and beyond for none."""
    chosen = torch.zeros(config.slot_size, len(places))
    for number, place in enumerate(places):
        if 0 <= place < config.slot_size:
            chosen[place, number] = 1.0
    return chosen


class Direct(nn.Module):
    """The direct path: its matrices start out with the bias first, the outgoing weight next, and incoming ones then.

    Vertices of other layers hold one number of each kind, which come last in the slot.

    Args:
        config: The model's sizes.
    """

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.incoming = nn.Parameter(_choice(config, [FIRST_INCOMING + i for i in range(config.max_fan)]))
        self.outgoing = nn.Parameter(_choice(config, [OUTGOING]))
        self.bias = nn.Parameter(_choice(config, [OWN_BIAS]))
        others = [config.slot_size - OTHERS[kind] if kind in OTHERS else -1 for kind in SLOT_KINDS]
        self.other = nn.Parameter(_choice(config, others))

    def encode(self, incoming: Tensor, own: Tensor, outgoing: Tensor, carriers: Tensor) -> Tensor:
        """Return each carrier's share of its slot, [B, C, slot].

        Args:
            incoming: Incoming weights, [B, C, max_fan].
            own: Numbers of each kind that are a carrier's own and no edge, [B, C, kinds].
            outgoing: Weight that the first output gives it, [B, C, 1].
            carriers: Features of the carriers, [B, C, 8].
        """
        of_linear = incoming @ self.incoming.T + own[..., _BIAS, None] @ self.bias.T
        share = torch.where(is_linear(carriers)[..., None], of_linear, own @ self.other.T)
        return share + outgoing @ self.outgoing.T

    def decode(self, slots: Tensor, carriers: Tensor) -> Tensor:
        """Return each carrier's incoming weights, its weight to the output, and its numbers of each kind.

        Args:
            slots: The slot of each carrier's place, [B, C, slot].
            carriers: Features of the carriers, [B, C, 8].

        Returns:
            [B, C, max_fan + 1 + kinds].
        """
        of_linear = functional.pad(slots @ self.bias, (_BIAS, len(SLOT_KINDS) - _BIAS - 1))
        own = torch.where(is_linear(carriers)[..., None], of_linear, slots @ self.other)
        return torch.cat([slots @ self.incoming, slots @ self.outgoing, own], dim=-1)


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

"""The latent as a table of slots: which slot speaks of which vertex.

Attention over slots from content alone takes long to learn which slot holds which neuron. Here it is fixed: a place,
the position of a neuron in its linear layer, has a slot of its own, and so has every layer.
"""

import torch
from torch import Tensor

from netgraph.graph.layers import LAYER_TYPES, N_CODES
from netgraph.model.attention import FeatureEmbedding
from netgraph.model.config import VAEConfig
from netgraph.model.layout import BACK, FEEDER, LINEAR, POSITION, READER, TYPE
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
    """Say which carriers are vertices of linear layers, [B, C]."""
    return carriers[..., TYPE] == LINEAR_TYPE


def layout_slot(depth: Tensor, config: VAEConfig) -> Tensor:
    """Give the slot of the layout that speaks of vertices after so many linear layers."""
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
        """Give each carrier its place's slot, [B, K, n] as [B, C, n]; 0 to inputs and padding."""
        rows = torch.cat([table.flatten(0, 1), table.new_zeros(1, table.shape[-1])])
        return rows[self.place]


def split(z: Tensor, config: VAEConfig) -> tuple[Tensor, Tensor]:
    """Cut latents, [B, latent], or codes, into the slots of the layout, [B, G, slot], and of places, [B, K, slot]."""
    table = z[:, : config.code_size].unflatten(-1, (-1, config.slot_size))
    return table[:, : config.layout_slots], table[:, config.layout_slots :]


def join(layout: Tensor, places: Tensor) -> Tensor:
    """Invert :func:`split`, [B, code]."""
    return torch.cat([layout, places], dim=1).flatten(1)

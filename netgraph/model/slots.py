"""Where a vertex stands, and which latent slots speak of it.

Attention over K slots from content alone takes long to learn which slot holds which neuron. Both sides therefore add
a learned bias by the vertex's place (number of linear layers up to it, position in its layer), which starts out as
one slot for each place and is then free to change.
"""

from typing import cast

import torch
from torch import Tensor, nn

from netgraph.graph.layers import N_CODES
from netgraph.model.attention import FeatureEmbedding
from netgraph.model.config import VAEConfig

DEPTHS, PLACES = 8, 16
#: Positions of a layer that start out with a slot of their own.
OWN_PLACES = 8
_POSITION, _LINEAR = 1, 7


def carrier_embedding(config: VAEConfig) -> FeatureEmbedding:
    """Embed the features of carriers (see ``Layout.carriers``)."""
    sizes = (N_CODES, config.max_nodes, 31, 31, config.max_nodes, N_CODES, N_CODES, DEPTHS)
    return FeatureEmbedding(sizes, config.width)


class PlaceBias(nn.Module):
    """A learned preference of every place for every slot.

    Args:
        slots: Number K of slots.
        strength: Logit with which a place starts out preferring its slot.
    """

    def __init__(self, slots: int, strength: float = 4.0) -> None:
        super().__init__()
        depth, place = torch.meshgrid(torch.arange(DEPTHS), torch.arange(PLACES), indexing="ij")
        own = ((depth - 1) * OWN_PLACES + place) % slots
        table = strength * nn.functional.one_hot(own, slots).float()
        table[0] = 0  # inputs hold nothing of their own
        self.table = nn.Parameter(table)

    def forward(self, carriers: Tensor) -> Tensor:
        """Give the logits of carriers, [B, C, 8] features, for the slots, [B, C, K]."""
        depth = carriers[..., _LINEAR].clamp(min=0, max=DEPTHS - 1)
        return self.table[depth, carriers[..., _POSITION].clamp(min=0, max=PLACES - 1)]


class SlotPool(nn.Module):
    """Attention pooling of vertices into K slots (Set Transformer, Lee et al. 2019, with a bias by place).

    Args:
        config: The model's sizes.
    """

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(config.latent_slots, config.width) * 0.1)
        self.key = nn.Linear(config.width, config.width)
        self.bias = PlaceBias(config.latent_slots)
        self.out = nn.Linear(config.width, 2 * config.slot_size)

    def forward(self, tokens: Tensor, carriers: Tensor) -> Tensor:
        """Pool tokens, [B, C, width], into [B, K, 2 slot]."""
        scores = self.query @ self.key(tokens).transpose(1, 2) + self.bias(carriers).transpose(1, 2)  # [B, K, C]
        scores = scores.masked_fill((carriers[..., 0] < 0)[:, None, :], float("-inf"))
        return cast(Tensor, self.out(scores.softmax(dim=-1) @ tokens))


class SlotRead(nn.Module):
    """Gives every vertex what the slots say of it.

    Args:
        config: The model's sizes.
    """

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.query = nn.Linear(config.width, config.latent_slots)
        nn.init.normal_(self.query.weight, std=0.02)
        self.bias = PlaceBias(config.latent_slots)
        self.slot = nn.Parameter(torch.randn(config.latent_slots, config.width) * 0.1)
        self.value = nn.Linear(config.slot_size, config.width)

    def forward(self, tokens: Tensor, carriers: Tensor, slots: Tensor) -> Tensor:
        """Read slots, [B, K, slot], at tokens, [B, C, width]."""
        share = (self.query(tokens) + self.bias(carriers)).softmax(dim=-1)  # [B, C, K]
        return cast(Tensor, share @ (self.value(slots) + self.slot))

"""The weight decoder: all weights at once, an edge's from the states of its two vertices."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from netgraph.graph.architecture import SLOT_KINDS
from netgraph.model.attention import Block
from netgraph.model.batch import StructureBatch
from netgraph.model.config import VAEConfig
from netgraph.model.direct import DirectDecoder
from netgraph.model.slots import Slots, carrier_embedding, split


class WeightDecoder(nn.Module):
    """p(weights | z, architecture): the standardized state of every network.

    Args:
        config: The model's sizes.
    """

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.embed = carrier_embedding(config)
        self.place = nn.Linear(config.slot_size, width)
        self.layout = nn.Linear(config.slot_size, width)
        self.layout_slot = nn.Parameter(torch.randn(config.layout_slots, width) * 0.1)
        self.blocks = nn.ModuleList(Block(width, config.heads) for _ in range(config.weight_layers))
        self.norm = nn.LayerNorm(width)
        self.edge = BilinearEdges(width, config.edge_rank)
        self.vertex = nn.Linear(width, len(SLOT_KINDS))
        self.direct = DirectDecoder(config) if config.direct else None
        if config.direct:
            nn.init.zeros_(self.vertex.weight)

    def forward(self, z: Tensor, condition: Tensor, batch: StructureBatch) -> Tensor:
        """Decode.

        Args:
            z: Latents, [B, latent], or codes.
            condition: Embedded meta-features, [B, width].
            batch: B architectures.

        Returns:
            Their standardized states, [sum P].
        """
        layout, places = split(z, self.config)
        slots = Slots(batch.carriers, self.config)
        own = slots.read(places)  # [B, C, slot]
        tokens = self.embed(batch.carriers) + self.place(own) + condition[:, None, :]
        tokens = torch.cat([self.layout(layout) + self.layout_slot, tokens], dim=1)
        mask = functional.pad(slots.real, (self.config.layout_slots, 0), value=True)[:, None, None, :]
        for block in self.blocks:
            tokens = block(tokens, mask)
        hidden = self.norm(tokens[:, self.config.layout_slots :])  # [B, C, width]
        heads = torch.cat([self.edge(hidden).flatten(), self.vertex(hidden).flatten()])
        state = heads.index_select(0, batch.slot_gather)
        if self.direct is not None:
            direct = self.direct(own, batch.carriers).flatten()
            state = state + torch.cat([direct, direct.new_zeros(1)])[batch.slot_direct]
        if len(batch.spilled):
            state = state.index_add(0, batch.spilled, places.flatten()[batch.spilled_cell])
        return state


class BilinearEdges(nn.Module):
    """The weight of every edge as the product of a projection of its target and one of its source.

    Args:
        width: Width of the vertices' states.
        rank: Width of the projections.
    """

    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        self.target, self.source = nn.Linear(width, rank), nn.Linear(width, rank)
        nn.init.normal_(self.target.weight, std=0.02)

    def forward(self, hidden: Tensor) -> Tensor:
        """Score every pair, [B, C, width] as [B, target, source]."""
        source = self.source(hidden)
        scores: Tensor = self.target(hidden) @ source.transpose(1, 2) / source.shape[-1] ** 0.5
        return scores

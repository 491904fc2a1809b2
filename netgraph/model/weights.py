"""The weight decoder: all weights at once, an edge's from the states of its two vertices."""

import torch
from torch import Tensor, nn

from netgraph.graph.architecture import SLOT_KINDS
from netgraph.model.attention import Block
from netgraph.model.batch import StructureBatch
from netgraph.model.config import VAEConfig
from netgraph.model.slots import SlotRead, carrier_embedding


class WeightDecoder(nn.Module):
    """p(weights | z, architecture): the standardized state of every network.

    Args:
        config: The model's sizes.
    """

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.read = SlotRead(config)
        self.embed = carrier_embedding(config)
        self.blocks = nn.ModuleList(Block(width, config.heads) for _ in range(config.weight_layers))
        self.norm = nn.LayerNorm(width)
        self.target = nn.Linear(width, config.edge_rank)
        self.source = nn.Linear(width, config.edge_rank)
        self.vertex = nn.Linear(width, len(SLOT_KINDS))

    def forward(self, z: Tensor, condition: Tensor, batch: StructureBatch) -> Tensor:
        """Decode.

        Args:
            z: Latents, [B, latent].
            condition: Embedded meta-features, [B, width].
            batch: B architectures.

        Returns:
            Their standardized states, [sum P].
        """
        slots = z.unflatten(1, (self.config.latent_slots, -1))
        tokens = self.embed(batch.carriers)
        tokens = tokens + self.read(tokens, batch.carriers, slots) + condition[:, None, :]
        mask = (batch.carriers[..., 0] >= 0)[:, None, None, :]
        for block in self.blocks:
            tokens = block(tokens, mask)
        hidden = self.norm(tokens)  # [B, C, width]
        edge = self.target(hidden) @ self.source(hidden).transpose(1, 2) / self.config.edge_rank**0.5  # [B, C, C]
        heads = torch.cat([edge.flatten(), self.vertex(hidden).flatten()])
        return heads.index_select(0, batch.slot_gather)

"""The encoder: message passing on the graph, a transformer over its vertices, K latent slots by attention pooling."""

from typing import cast

import torch
from torch import Tensor, nn
from torch_geometric.nn import GINEConv

from netgraph.graph.layers import N_CODES
from netgraph.model.attention import Block
from netgraph.model.batch import NetBatch
from netgraph.model.config import VAEConfig
from netgraph.model.slots import SlotPool, carrier_embedding


class Messages(nn.Module):
    """Rounds of message passing (GINEConv, Hu et al. 2020) with edge weights as edge features.

    Args:
        config: The model's sizes.
    """

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        width = config.message_width
        self.embed = nn.Embedding(N_CODES, width)
        self.rounds = nn.ModuleList(GINEConv(self._mlp(width), edge_dim=2) for _ in range(config.message_rounds))
        self.project = nn.Linear(width, config.width)

    @staticmethod
    def _mlp(width: int) -> nn.Module:
        return nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, batch: NetBatch, weight: Tensor) -> Tensor:
        """Give each carrier what its surroundings told it, [B, C, width]; ``weight`` is [sum P + 1], last a zero."""
        x = self.embed(batch.vertex_type)
        edge = torch.stack([weight[batch.edge_slot], (batch.edge_slot < 0).float()], dim=1)
        for convolution in self.rounds:
            x = x + convolution(x, batch.edge_index, edge)
        return cast(Tensor, self.project(x)[batch.carrier_vertex])


class Encoder(nn.Module):
    """q(z | network): the mean and log-variance of K latent slots.

    Args:
        config: The model's sizes.
    """

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.embed = carrier_embedding(config)
        self.incoming = nn.Linear(config.max_fan + 1, config.width)
        self.outgoing = nn.Linear(config.max_fan, config.width)
        self.messages = Messages(config)
        self.blocks = nn.ModuleList(Block(config.width, config.heads) for _ in range(config.encoder_layers))
        self.norm = nn.LayerNorm(config.width)
        self.pool = SlotPool(config)

    def forward(self, batch: NetBatch, state: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Encode.

        Args:
            batch: B networks.
            state: Their standardized states, [sum P].
            condition: Embedded meta-features, [B, width].

        Returns:
            Mean and log-variance of the latent, each [B, latent].
        """
        weight = torch.cat([state, state.new_zeros(1)])  # position -1 reads zero
        held = torch.cat([weight[batch.incoming], weight[batch.bias].unsqueeze(-1)], dim=-1)
        tokens = self.embed(batch.structure.carriers) + self.incoming(held) + self.outgoing(weight[batch.outgoing])
        tokens = tokens + self.messages(batch, weight) + condition[:, None, :]
        valid = batch.structure.carriers[..., 0] >= 0  # [B, C]
        for block in self.blocks:
            tokens = block(tokens, valid[:, None, None, :])
        tokens = self.norm(tokens)
        mean, log_variance = self.pool(tokens, batch.structure.carriers).chunk(2, dim=-1)  # each [B, K, slot]
        return mean.flatten(1), (log_variance.flatten(1) - 3).clamp(-10, 4)

"""The encoder of architectures: message passing on the graph, a transformer over its token nodes, and pooling."""

from typing import cast

import torch
from torch import Tensor, nn
from torch_geometric.nn import GINEConv

from netgraph.graph.layers import N_CODES
from netgraph.model.attention import Block
from netgraph.model.batch import NetBatch
from netgraph.model.config import VAEConfig
from netgraph.model.features import LINEAR, READERS, node_embedding, pool_of, pool_size

#: Log-variance of every latent number at first.
INITIAL_LOG_VARIANCE = -5.0
LEAST_LOG_VARIANCE = -10.0


class Messages(nn.Module):
    """Rounds of message passing (GINEConv, Hu et al. 2020) with edge weights as edge features.

    Args:
        config: The model's sizes.
    """

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        width = config.message_width
        self.embed = nn.Embedding(N_CODES, width)
        perceptrons = (
            nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
            for _ in range(config.message_rounds)
        )
        self.rounds = nn.ModuleList(GINEConv(perceptron, edge_dim=2) for perceptron in perceptrons)
        self.project = nn.Linear(width, config.width)

    def forward(self, batch: NetBatch, weight: Tensor) -> Tensor:
        """Return the messages that reach each token node, [B, T, width]; ``weight`` is [sum P + 1], last a zero."""
        x = self.embed(batch.node_type)
        edge = torch.stack([weight[batch.edge_element], (batch.edge_element < 0).float()], dim=1)
        for convolution in self.rounds:
            x = x + convolution(x, batch.edge_index, edge)
        return cast(Tensor, self.project(x)[batch.token_node])


class ArchitectureEncoder(nn.Module):
    """q(a | network): mean and log-variance of the architecture code.

    The numbers of the code belong to pools of token nodes: those behind each number of linear layers, and all of them.

    Args:
        config: The model's sizes.
    """

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = node_embedding(config)
        self.incoming = nn.Linear(config.max_fan + 1, config.width)
        self.outgoing = nn.Linear(READERS, config.width)
        self.messages = Messages(config) if config.message_rounds else None
        self.blocks = nn.ModuleList(Block(config.width, config.heads) for _ in range(config.encoder_layers))
        self.norm = nn.LayerNorm(config.width)
        size = pool_size(config)
        self.pool = nn.Linear(config.width, 2 * size)
        self.whole = nn.Linear(config.width, 2 * (config.architecture_size - (config.depths + 1) * size))

    def forward(self, batch: NetBatch, state: Tensor, cond: Tensor) -> tuple[Tensor, Tensor]:
        """Encode.

        Args:
            batch: B networks.
            state: Their standardized states, [sum P].
            cond: Conditioning, [B, width].

        Returns:
            Mean and log-variance of the architecture code, each [B, config.architecture_size].
        """
        weight = torch.cat([state, state.new_zeros(1)])  # position -1 reads zero
        structure = batch.structure
        depth = structure.nodes[..., LINEAR]
        incoming = self.incoming(structure.held(state))
        tokens = self.embed(structure.nodes) + incoming + self.outgoing(weight[batch.outgoing])
        tokens = tokens + cond[:, None, :]
        if self.messages is not None:
            tokens = tokens + self.messages(batch, weight)
        for block in self.blocks:
            tokens = block(tokens, (depth >= 0)[:, None, None, :])
        layers, whole = self._pools(self.norm(tokens), depth)
        parts = zip(self.pool(layers).chunk(2, dim=-1), self.whole(whole).chunk(2, dim=-1), strict=True)
        mean, log_variance = (torch.cat([layer.flatten(1), rest], dim=1) for layer, rest in parts)
        return mean, (log_variance + INITIAL_LOG_VARIANCE).clamp(LEAST_LOG_VARIANCE, 4)

    def _pools(self, tokens: Tensor, depth: Tensor) -> tuple[Tensor, Tensor]:
        """Average token nodes over linear layers, [B, depths + 1, width], and over networks, [B, width]."""
        pools = self.config.depths + 1
        member = nn.functional.one_hot(torch.where(depth >= 0, pool_of(depth, self.config), pools), pools + 1)
        member = member[..., :-1].to(tokens).transpose(1, 2)  # [B, pools, T], none of the padding
        total, count = member @ tokens, member.sum(dim=-1, keepdim=True)
        return total / count.clamp(min=1), total.sum(dim=1) / count.sum(dim=1)

"""The encoder: message passing on the graph, a transformer over its vertices, and what they say of each slot."""

from typing import cast

import torch
from torch import Tensor, nn
from torch_geometric.nn import GINEConv

from netgraph.graph.architecture import SLOT_KINDS
from netgraph.graph.layers import N_CODES
from netgraph.model.attention import Block
from netgraph.model.batch import READERS, NetBatch
from netgraph.model.config import VAEConfig
from netgraph.model.slots import Direct, Slots, carrier_embedding, join

_BIAS = SLOT_KINDS.index("bias")
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
        """Return the messages that reach each carrier, [B, C, width]; ``weight`` is [sum P + 1], last a zero."""
        x = self.embed(batch.vertex_type)
        edge = torch.stack([weight[batch.edge_slot], (batch.edge_slot < 0).float()], dim=1)
        for convolution in self.rounds:
            x = x + convolution(x, batch.edge_index, edge)
        return cast(Tensor, self.project(x)[batch.carrier_vertex])


class Encoder(nn.Module):
    """q(z | network): the mean and log-variance of the latent's slots.

    Args:
        config: The model's sizes.
    """

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = carrier_embedding(config)
        self.incoming = nn.Linear(config.max_fan + 1, config.width)
        self.outgoing = nn.Linear(READERS, config.width)
        self.messages = Messages(config) if config.message_rounds else None
        self.blocks = nn.ModuleList(Block(config.width, config.heads) for _ in range(config.encoder_layers))
        self.norm = nn.LayerNorm(config.width)
        self.layout = nn.Linear(config.width, 2 * config.slot_size)
        self.place = nn.Linear(config.width, 2 * config.slot_size)
        self.spilled = nn.Parameter(torch.tensor(INITIAL_LOG_VARIANCE)) if config.spill else None
        self.direct = Direct(config) if config.direct else None
        if config.direct:
            nn.init.zeros_(self.place.weight)

    def forward(self, batch: NetBatch, state: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Encode.

        Args:
            batch: B networks.
            state: Their standardized states, [sum P].
            condition: Embedded meta-features, [B, width].

        Returns:
            Mean and log-variance of the code, each [B, code]; 0 in the slots of places that a network has not.
        """
        weight = torch.cat([state, state.new_zeros(1)])  # position -1 reads zero
        carriers, own = batch.structure.carriers, weight[batch.own]
        incoming, to_output = weight[batch.incoming], weight[batch.to_output][..., None]
        held = torch.cat([incoming, own[..., _BIAS, None]], dim=-1)
        tokens = self.embed(carriers) + self.incoming(held) + self.outgoing(weight[batch.outgoing])
        tokens = tokens + condition[:, None, :]
        if self.messages is not None:
            tokens = tokens + self.messages(batch, weight)
        slots = Slots(carriers, self.config)
        for block in self.blocks:
            tokens = block(tokens, slots.real[:, None, None, :])
        tokens = self.norm(tokens)
        layout_mean, layout_spread = self.layout(slots.pool(tokens)).chunk(2, dim=-1)  # each [B, G, slot]
        mean, spread = slots.mean(self.place(tokens)).chunk(2, dim=-1)  # each [B, K, slot]
        if self.direct is not None:
            mean = mean + slots.sum(self.direct.encode(incoming, own, to_output, carriers))
        spread = (spread + INITIAL_LOG_VARIANCE) * slots.filled
        if self.spilled is not None:
            cells, values = batch.structure.spilled_cell, state[batch.structure.spilled]
            mean, spread = _put(mean, cells, values), _put(spread, cells, self.spilled.expand(len(cells)))
        log_variance = join(layout_spread + INITIAL_LOG_VARIANCE, spread).clamp(LEAST_LOG_VARIANCE, 4)
        return join(layout_mean, mean), log_variance


def _put(table: Tensor, cells: Tensor, values: Tensor) -> Tensor:
    """Write values, [n], into the numbers of a batch's tables, [B, K, slot]."""
    return table.flatten().index_put((cells,), values.to(table)).view_as(table)

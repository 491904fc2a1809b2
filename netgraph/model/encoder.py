"""The encoder q(z | network), z = [f | a | w]: function code, architecture code and weight code."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch_geometric.nn import GINEConv

from netgraph.graph.layers import N_CODES
from netgraph.model.attention import Block, FeatureEmbedding
from netgraph.model.batch import NetBatch
from netgraph.model.config import VAEConfig
from netgraph.model.features import LINEAR, READERS, node_sizes, pool_of, pool_size
from netgraph.model.function import FunctionCode
from netgraph.model.standardization import Condition, Scales
from netgraph.stack import Stack

#: Log-variance of every latent number at first (chosen: nearly deterministic), and its least value.
INITIAL_LOG_VARIANCE, LEAST_LOG_VARIANCE = -5.0, -10.0
#: Copies of a network, its inputs permuted and of changed sign, from which statistics of functions are computed, too.
#: Measured: without copies 64 numbers bring held-out networks a median R^2 of 0.962 instead of 0.966.
TRANSFORMATIONS = 2


@dataclass(frozen=True)
class Posterior:
    """q(z | network) of B networks.

    Attributes:
        f: Function codes, [B, function_size].
        mean: Means of the architecture codes, [B, architecture_size].
        log_variance: Their log-variances, [B, architecture_size].
        w: Standardized states, [sum P].
    """

    f: Tensor
    mean: Tensor
    log_variance: Tensor
    w: Tensor

    def sample(self) -> Tensor:
        """Draw architecture codes, [B, architecture_size]; the gradient reaches mean and variance."""
        return draw_codes(self.mean, self.log_variance)

    def kl(self) -> Tensor:
        """Return the KL divergence of the architecture codes from N(0, I) in nats a network, [B]."""
        return 0.5 * (self.mean.square() + self.log_variance.exp() - 1 - self.log_variance).sum(dim=1)


def draw_codes(mean: Tensor, log_variance: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draw from normal distributions, of any shape, so that the gradient reaches both (Kingma & Welling 2014)."""
    noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
    return mean + noise * (0.5 * log_variance).exp()


class Encoder(nn.Module):
    """q(z | network, meta-features).

    The function code is closed form, from the network's outputs on common rows; the architecture code comes from
    message passing and a transformer over the network's tokens; the weight code is the standardized canonical state.

    Args:
        config: The model's sizes.
    """

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config, self.scales, self.function = config, Scales(), FunctionCode(config)
        self.condition = Condition(config.n_meta_features, config.width, config.condition_dropout)
        self.architecture = ArchitectureEncoder(config)

    def forward(self, batch: NetBatch) -> Posterior:
        """Encode canonical networks."""
        w = self.scales.standardize(batch.state, batch.structure)
        mean, log_variance = self.architecture(batch, w, self.condition(batch.meta_features))
        return Posterior(self.function.encode(batch.outputs, batch.structure.counts), mean, log_variance, w)

    def fit(self, networks: Sequence[NetBatch]) -> None:
        """Compute the statistics of weights, meta-features and functions of training networks."""
        structures = [batch.structure for batch in networks]
        kinds, fan = (torch.cat([getattr(s, name) for s in structures]) for name in ("element_scale", "element_fan"))
        self.scales.fit(torch.cat([batch.state for batch in networks]), kinds.long(), fan)
        self.condition.fit(torch.cat([batch.meta_features for batch in networks]))
        generator, outputs, network = torch.Generator().manual_seed(0), [], []
        counts = torch.cat([s.counts.long() for s in structures])
        first = 0
        for batch in networks:
            stack = Stack(batch.structure.architectures, batch.state.device)
            copies = batch.transformed_outputs(stack, self.function.common, TRANSFORMATIONS, generator)
            row, output = (torch.arange(copies[0].shape[2]) < batch.structure.counts[:, 1:].cpu()).nonzero(
                as_tuple=True
            )
            outputs += [copy[row, :, output] for copy in copies]
            network += [first + row] * len(copies)
            first += len(batch)
        self.function.fit(torch.cat(outputs), torch.cat(network), counts)

    def pad(self, w: Tensor, batch: NetBatch) -> Tensor:
        """Return standardized states, [sum P], one row a network, [B, weight_size], cut or padded with zeros."""
        network, position = batch.structure.element_network, batch.structure.element_position
        kept = position < self.config.weight_size
        padded = w.new_zeros(len(batch), self.config.weight_size)
        return padded.index_put((network[kept], position[kept]), w[kept])


class Messages(nn.Module):
    """Rounds of message passing (GINEConv, Hu et al. 2020) with edge weights as edge features."""

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
        """Return the messages to each token node, [B, T, width]; ``weight`` is [sum P + 1], the last one zero."""
        x = self.embed(batch.node_type)
        edge = torch.stack([weight[batch.edge_element], (batch.edge_element < 0).float()], dim=1)
        for convolution in self.rounds:
            x = x + convolution(x, batch.edge_index, edge)
        return cast(Tensor, self.project(x)[batch.token_node])


class ArchitectureEncoder(nn.Module):
    """q(a | network): mean and log-variance of the architecture code.

    The numbers of the code belong to pools of token nodes: those behind each number of linear layers, and all of them.
    """

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = FeatureEmbedding(node_sizes(config), config.width)
        self.incoming = nn.Linear(config.max_fan + 1, config.width)
        self.outgoing = nn.Linear(READERS, config.width)
        self.messages = Messages(config) if config.message_rounds else None
        self.blocks = nn.ModuleList(Block(config.width, config.heads) for _ in range(config.encoder_layers))
        self.norm = nn.LayerNorm(config.width)
        size = pool_size(config)
        self.pool = nn.Linear(config.width, 2 * size)
        self.whole = nn.Linear(config.width, 2 * (config.architecture_size - (config.depths + 1) * size))

    def forward(self, batch: NetBatch, state: Tensor, cond: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of the architecture codes, [B, architecture_size] each.

        Args:
            batch: B networks.
            state: Their standardized states, [sum P].
            cond: Conditioning, [B, width].
        """
        structure, weight = batch.structure, torch.cat([state, state.new_zeros(1)])  # position -1 reads zero
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

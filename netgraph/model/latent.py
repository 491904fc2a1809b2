"""The latent of a network, z = [f | a | w]: what it computes, how it is laid out, which weights compute it."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from netgraph.model.batch import NetBatch
from netgraph.model.condition import Condition
from netgraph.model.config import VAEConfig
from netgraph.model.encoder import ArchitectureEncoder
from netgraph.model.function import FunctionCode
from netgraph.model.scales import Scales


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
        return self.mean + torch.randn_like(self.mean) * (0.5 * self.log_variance).exp()

    def kl(self) -> Tensor:
        """Return the KL divergence of the architecture codes from N(0, I) in nats a network, [B]."""
        return 0.5 * (self.mean.square() + self.log_variance.exp() - 1 - self.log_variance).sum(dim=1)


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
        return Posterior(self.function.encode(batch.outputs, batch.structure.n_inputs), mean, log_variance, w)

    def pad(self, w: Tensor, batch: NetBatch) -> Tensor:
        """Return standardized states, [sum P], one row a network, [B, weight_size], cut or padded with zeros."""
        network, place, size = batch.structure.element_network, batch.structure.element_place, self.config.weight_size
        kept = place < size
        return w.new_zeros(len(batch), size).index_put((network[kept], place[kept]), w[kept])

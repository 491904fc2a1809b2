"""The prior: flows that carry noise from N(0, I) to where the codes of trained networks lie.

Flow matching (Lipman et al. 2023; rectified flow, Liu et al. 2023): on the straight path x_t = (1 - t) noise + t z, a
multilayer perceptron learns the velocity z - noise, and an ordinary differential equation carries noise along it. The
function code comes first, given the number of inputs and the meta-features; the architecture code follows, given it.
"""

import math
from typing import cast

import torch
from torch import Tensor, nn

from netgraph.model.condition import Condition, Standardization
from netgraph.model.config import VAEConfig

#: Frequencies of the embedding of time.
FREQUENCIES = 16


class Flow(nn.Module):
    """A flow of vectors under a condition.

    Args:
        size: Length of a vector.
        condition: Length of the condition.
        config: Width, layers and steps.
    """

    def __init__(self, size: int, condition: int, config: VAEConfig) -> None:
        super().__init__()
        self.size, self.steps, width = size, config.prior_steps, config.prior_width
        self.statistics = Standardization(size)
        self.read = nn.Linear(size + condition + 2 * FREQUENCIES, width)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
            for _ in range(config.prior_layers)
        )
        self.out = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, size))
        nn.init.zeros_(cast(nn.Linear, self.out[1]).weight)

    def velocity(self, x: Tensor, time: Tensor, condition: Tensor) -> Tensor:
        """Return the velocity of vectors, [B, size], at times, [B], under conditions, [B, condition]."""
        angle = time[:, None] * math.pi * 2 ** torch.linspace(0, 6, FREQUENCIES, device=x.device)
        hidden = self.read(torch.cat([x, condition, angle.sin(), angle.cos()], dim=1))
        for layer in self.layers:
            hidden = hidden + layer(hidden)
        return cast(Tensor, self.out(hidden))

    def loss(self, z: Tensor, condition: Tensor) -> Tensor:
        """Return the mean squared error of the velocity at random times of the paths to codes, [B, size]."""
        z = self.statistics.standardize(z)
        noise, time = torch.randn_like(z), torch.rand(len(z), device=z.device)
        x = noise + time[:, None] * (z - noise)
        return (self.velocity(x, time, condition) - (z - noise)).square().mean()

    def carry(self, noise: Tensor, condition: Tensor) -> Tensor:
        """Carry noise, [B, size], to codes by the midpoint rule."""
        x, step = noise, 1 / self.steps
        for i in range(self.steps):
            time = x.new_full((len(x),), i * step)
            half = x + self.velocity(x, time, condition) * step / 2
            x = x + self.velocity(half, time + step / 2, condition) * step
        return self.statistics.restore(x)


class Prior(nn.Module):
    """p(f | number of inputs, meta-features) and p(a | f, meta-features).

    The first number of f is that of the inputs, and N(0, 1) by definition: no flow carries it.

    Args:
        config: The model's sizes.
    """

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        width = config.width
        self.condition = Condition(config.n_meta_features, width, config.condition_dropout)
        self.n_inputs = nn.Embedding(config.max_inputs + 1, width)
        self.function = Flow(config.function_size - 1, width, config)
        self.architecture = Flow(config.architecture_size, width + config.function_size, config)

    def fit(self, f: Tensor, a: Tensor, meta_features: Tensor) -> None:
        """Compute the statistics of codes, [n, function_size] and [n, architecture_size], and of meta-features."""
        self.function.statistics.fit(f[:, 1:])
        self.architecture.statistics.fit(a)
        self.condition.fit(meta_features)

    def embed(self, n_inputs: Tensor, meta_features: Tensor) -> Tensor:
        """Embed numbers of inputs, [B], and meta-features, [B, features], NaN where not known, as [B, width]."""
        return cast(Tensor, self.n_inputs(n_inputs) + self.condition(meta_features))

    def losses(self, f: Tensor, a: Tensor, n_inputs: Tensor, meta_features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the flow-matching losses of function codes and of architecture codes, two scalars."""
        condition = self.embed(n_inputs, meta_features)
        return self.function.loss(f[:, 1:], condition), self.architecture.loss(a, torch.cat([condition, f], dim=1))

    def carry_function(self, noise: Tensor, n_inputs: Tensor, meta_features: Tensor) -> Tensor:
        """Carry noise, [B, function_size], to function codes; the first number stays."""
        code = self.function.carry(noise[:, 1:], self.embed(n_inputs, meta_features))
        return torch.cat([noise[:, :1], code], dim=1)

    def carry_architecture(self, noise: Tensor, f: Tensor, n_inputs: Tensor, meta_features: Tensor) -> Tensor:
        """Carry noise, [B, architecture_size], to architecture codes, given function codes."""
        condition = torch.cat([self.embed(n_inputs, meta_features), f], dim=1)
        return self.architecture.carry(noise, condition)

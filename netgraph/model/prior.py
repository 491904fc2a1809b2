"""The prior: flows that carry noise from N(0, I) to where the codes of trained networks lie.

Flow matching (Lipman et al. 2023; rectified flow, Liu et al. 2023): on the straight path x_t = (1 - t) noise + t z, a
multilayer perceptron learns the velocity z - noise, and an ordinary differential equation carries noise along it. The
function code comes first, given the number of inputs and the meta-features; the architecture code follows, given it.

What a function makes of its columns is the same whatever their order. The flow of function codes therefore sees a code
as moments of the function with each column and with products of two, lets a transformer over columns say how those
moments move, and leaves the rest to the perceptron.
"""

import math
from typing import cast

import torch
from torch import Tensor, nn

from netgraph.model.attention import Block
from netgraph.model.condition import Condition, Standardization
from netgraph.model.config import VAEConfig
from netgraph.model.function import FunctionCode
from netgraph.model.hypernet import DEGREES, hermite

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

    def velocity(self, x: Tensor, time: Tensor, *condition: Tensor) -> Tensor:
        """Return the velocity of vectors, [B, size], at times, [B], under conditions, [B, n] each."""
        hidden = self.read(torch.cat([x, *condition, embed_time(time)], dim=1))
        for layer in self.layers:
            hidden = hidden + layer(hidden)
        return cast(Tensor, self.out(hidden))

    def loss(self, z: Tensor, *condition: Tensor) -> Tensor:
        """Return the mean squared error of the velocity at random times of the paths to codes, [B, size]."""
        z = self.statistics.standardize(z)
        noise, time = torch.randn_like(z), torch.rand(len(z), device=z.device)
        x = noise + time[:, None] * (z - noise)
        return (self.velocity(x, time, *condition) - (z - noise)).square().mean()

    def carry(self, noise: Tensor, *condition: Tensor) -> Tensor:
        """Carry noise, [B, size], to codes by the midpoint rule."""
        x, step = noise, 1 / self.steps
        for i in range(self.steps):
            time = x.new_full((len(x),), i * step)
            half = x + self.velocity(x, time, *condition) * step / 2
            x = x + self.velocity(half, time + step / 2, *condition) * step
        return self.statistics.restore(x)


class ColumnFlow(Flow):
    """A flow of function codes that moves them by moments of the function with its columns.

    Args:
        condition: Length of the condition.
        config: Sizes.
    """

    analysis: Tensor
    synthesis: Tensor

    def __init__(self, condition: int, config: VAEConfig) -> None:
        super().__init__(config.function_size - 1, condition + config.width, config)
        width, inputs = config.width, config.max_inputs
        moments = inputs * (DEGREES + inputs)
        self.register_buffer("analysis", torch.zeros(inputs + 1, self.size, moments))
        self.register_buffer("synthesis", torch.zeros(inputs + 1, moments, self.size))
        self.column, self.told = nn.Linear(DEGREES, width), nn.Linear(condition + 2 * FREQUENCIES + self.size, width)
        self.messages = nn.ModuleList(nn.Linear(width, width) for _ in range(config.prior_layers))
        self.blocks = nn.ModuleList(Block(width, config.heads) for _ in range(config.prior_layers))
        self.norm, self.moved = nn.LayerNorm(width), nn.Linear(width, DEGREES)
        self.pair = nn.Linear(width, width)
        nn.init.zeros_(self.moved.weight)
        nn.init.zeros_(self.pair.weight)

    def fit(self, function: FunctionCode) -> None:
        """Compute the linear maps from function codes to moments with columns, and back."""
        for count in range(1, len(self.analysis)):
            terms = column_terms(function.rows(count), len(self.analysis) - 1)  # [R, moments]
            scaled = function.basis[count - 1] * function.deviation[count - 1][:, None]
            self.analysis[count] = scaled @ terms / len(terms)
            self.synthesis[count] = terms.mT @ function.basis[count - 1].mT / function.deviation[count - 1]

    def velocity(self, x: Tensor, time: Tensor, *condition: Tensor) -> Tensor:
        """Return the velocity of codes, [B, size], under a condition, [B, n], and for numbers of inputs, [B]."""
        known, n_inputs = condition
        inputs = len(self.analysis) - 1
        moments = torch.einsum("bs,bsm->bm", x, self.analysis[n_inputs]).unflatten(1, (inputs, -1))
        pairs = moments[..., DEGREES:]  # [B, columns, columns]
        told = self.told(torch.cat([known, embed_time(time), x], dim=1))
        tokens = self.column(moments[..., :DEGREES]) + told[:, None]
        real = torch.arange(inputs, device=x.device) < n_inputs[:, None]
        for message, block in zip(self.messages, self.blocks, strict=True):
            tokens = block(tokens + pairs @ message(tokens), real[:, None, None, :])
        tokens = self.norm(tokens) * real[..., None]
        change = self.pair(tokens) @ tokens.mT / tokens.shape[-1] ** 0.5
        moved = torch.cat([self.moved(tokens) * real[..., None], (change + change.mT) / 2], dim=2).flatten(1)
        pooled = tokens.sum(dim=1) / n_inputs[:, None]
        rest = super().velocity(x, time, known, pooled)
        return rest + torch.einsum("bm,bms->bs", moved, self.synthesis[n_inputs])


def column_terms(rows: Tensor, columns: int) -> Tensor:
    """Return Hermite polynomials of each column, and products of two, of rows, [R, n]: [R, columns * (3 + columns)]."""
    terms = torch.cat([hermite(rows), rows[:, :, None] * rows[:, None, :]], dim=2)
    terms[:, range(rows.shape[1]), range(DEGREES, DEGREES + rows.shape[1])] = 0.0
    more = columns - rows.shape[1]
    return nn.functional.pad(terms, (0, more, 0, more)).flatten(1)


def embed_time(time: Tensor) -> Tensor:
    """Return sines and cosines of rising frequency of times in [0, 1], [B] -> [B, 32]."""
    angle = time[:, None] * math.pi * 2 ** torch.linspace(0, 6, FREQUENCIES, device=time.device)
    return torch.cat([angle.sin(), angle.cos()], dim=1)


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
        self.function = ColumnFlow(width, config)
        self.architecture = Flow(config.architecture_size, width + config.function_size, config)

    @torch.no_grad()
    def fit(self, function: FunctionCode, a: Tensor, meta_features: Tensor) -> None:
        """Compute the statistics of function codes, of architecture codes, [n, size], and of meta-features."""
        self.function.fit(function)
        self.architecture.statistics.fit(a)
        self.condition.fit(meta_features)

    def embed(self, n_inputs: Tensor, meta_features: Tensor) -> Tensor:
        """Embed numbers of inputs, [B], and meta-features, [B, features], NaN where not known, as [B, width]."""
        return cast(Tensor, self.n_inputs(n_inputs) + self.condition(meta_features))

    def losses(self, f: Tensor, a: Tensor, n_inputs: Tensor, meta_features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the flow-matching losses of function codes and of architecture codes, two scalars."""
        condition = self.embed(n_inputs, meta_features)
        return self.function.loss(f[:, 1:], condition, n_inputs), self.architecture.loss(a, condition, f)

    def carry_function(self, noise: Tensor, n_inputs: Tensor, meta_features: Tensor) -> Tensor:
        """Carry noise, [B, function_size], to function codes; the first number stays."""
        code = self.function.carry(noise[:, 1:], self.embed(n_inputs, meta_features), n_inputs)
        return torch.cat([noise[:, :1], code], dim=1)

    def carry_architecture(self, noise: Tensor, f: Tensor, n_inputs: Tensor, meta_features: Tensor) -> Tensor:
        """Carry noise, [B, architecture_size], to architecture codes, given function codes."""
        return self.architecture.carry(noise, self.embed(n_inputs, meta_features), f)

"""The prior: it carries noise from N(0, I) to function codes and architecture codes of networks.

Function codes: a mixture of Gaussians around the codes of training networks (exemplar VAE, Norouzi et al. 2020; kernel
density estimates of latents, Schuerholt et al. 2022). Architecture codes: a flow, given the function code. Flow
matching (Lipman et al. 2023; rectified flow, Liu et al. 2023): on the straight path x_t = (1 - t) noise + t z, a
multilayer perceptron learns the velocity z - noise, and an ordinary differential equation carries noise along it.
"""

import math
from typing import cast

import torch
from torch import Tensor, nn

from netgraph.graph.architecture import Architecture
from netgraph.model.config import VAEConfig
from netgraph.model.decoder import Decoder
from netgraph.model.function import FunctionCode
from netgraph.model.standardization import Condition, Standardization

#: Frequencies of the embedding of time.
FREQUENCIES = 16
#: Deviation of a function code around its exemplar, in deviations of codes (chosen: R^2 of 0.96 to the exemplar).
BANDWIDTH = 0.2
#: Root mean squared difference of standardized meta-features at which exemplars weigh exp(-1/2).
ALIKE = 0.3
#: Draws of an architecture until it is covered; the last one stands. Measured: 10 % of single draws for one output are
#: not, and up to three quarters for several.
DRAWS = 32


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
        angle = time[:, None] * math.pi * 2 ** torch.linspace(0, 6, FREQUENCIES, device=time.device)
        hidden = self.read(torch.cat([x, *condition, angle.sin(), angle.cos()], dim=1))
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


class Exemplars(nn.Module):
    """A mixture of Gaussians around function codes of training networks.

    Each pair of counts has a share as the square root of its networks, so that rare pairs have more than a few.
    """

    code: Tensor
    counts: Tensor
    meta_features: Tensor

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        count = config.exemplars
        self.register_buffer("code", torch.zeros(count, config.function_size - 1))
        self.register_buffer("counts", torch.zeros(count, 2, dtype=torch.long))
        self.register_buffer("meta_features", torch.zeros(count, config.n_meta_features))

    def fit(self, f: Tensor, counts: Tensor, meta_features: Tensor) -> None:
        """Draw exemplars among function codes, [n, function_size]; meta-features are standardized, NaN for none."""
        order = torch.randperm(len(f), generator=torch.Generator().manual_seed(0))
        _, kind, networks = counts[order].unique(dim=0, return_inverse=True, return_counts=True)
        sorted_kind, by_kind = kind.sort(stable=True)
        first = networks.cumsum(dim=0) - networks  # of each pair, among the sorted ones
        turn = torch.empty_like(kind)
        turn[by_kind] = torch.arange(1, len(kind) + 1, device=kind.device) - first[sorted_kind]  # 1, 2, ... of its pair
        chosen = order[(turn / networks[kind].sqrt()).argsort(stable=True)]
        chosen = chosen.repeat(-(-len(self.code) // len(chosen)))[: len(self.code)]
        self.code.copy_(f[chosen, 1:])
        self.counts.copy_(counts[chosen])
        self.meta_features.copy_(meta_features[chosen])

    def carry(self, noise: Tensor, counts: Tensor, position: Tensor, meta_features: Tensor) -> Tensor:
        """Carry noise to function codes without their first number, [B, function_size - 1].

        Args:
            noise: From N(0, I), [B, function_size - 1]; it alone is the code where there is no exemplar.
            counts: Numbers of inputs and outputs, [B, 2].
            position: Quantile of the exemplar among those with the same numbers, 0 to 1, [B].
            meta_features: Standardized, [B, features]; exemplars of data sets alike weigh more. NaN for none.
        """
        distance = torch.cdist(meta_features.nan_to_num(), self.meta_features.nan_to_num()).square()
        known = ~(meta_features.isnan().any(dim=1)[:, None] | self.meta_features.isnan().any(dim=1))
        logit = torch.where(known, -distance / (2 * ALIKE**2 * meta_features.shape[1]), 0.0)  # [B, exemplars]
        logit = logit.masked_fill((counts[:, None] != self.counts).any(dim=2), -torch.inf)
        total = logit.softmax(dim=1).nan_to_num(0.0).cumsum(dim=1)
        row = torch.searchsorted(total, (position * total[:, -1])[:, None], right=True)[:, 0]
        code = self.code[row.clamp(max=len(self.code) - 1)]
        near = (1 - BANDWIDTH**2) ** 0.5 * code + BANDWIDTH * noise
        return torch.where(total[:, -1:] > 0, near, noise)


class Prior(nn.Module):
    """p(f | numbers of inputs and outputs, meta-features) and p(a | f, meta-features).

    Args:
        config: The model's sizes.
    """

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        width = config.width
        self.condition = Condition(config.n_meta_features, width, config.condition_dropout)
        self.n_inputs = nn.Embedding(config.max_inputs + 1, width)
        self.n_outputs = nn.Embedding(config.max_outputs + 1, width)
        self.function = Exemplars(config)
        self.architecture = Flow(config.architecture_size, width + config.function_size, config)

    @torch.no_grad()
    def fit(self, f: Tensor, a: Tensor, counts: Tensor, meta_features: Tensor) -> None:
        """Fit exemplars and statistics to the codes of training networks.

        Args:
            f: Function codes, [n, function_size].
            a: Architecture codes, [n, architecture_size].
            counts: Numbers of inputs and outputs, [n, 2].
            meta_features: Of the tasks, NaN in rows for unknown ones, [n, features].
        """
        self.condition.fit(meta_features)
        self.architecture.statistics.fit(a)
        self.function.fit(f, counts, self.condition.standardize(meta_features))

    @torch.no_grad()
    def refit(self, f: Tensor, a: Tensor, counts: Tensor, meta_features: Tensor) -> None:
        """Fit a prior that is trained further, to networks that may be few; arguments as of :meth:`fit`.

        Statistics of meta-features stay, and no deviation of architecture codes becomes smaller.
        """
        statistics = self.architecture.statistics
        before = statistics.scale.clone()
        statistics.fit(a)
        statistics.scale.copy_(torch.maximum(before, statistics.scale))
        self.function.fit(f, counts, self.condition.standardize(meta_features))

    def embed(self, counts: Tensor, meta_features: Tensor) -> Tensor:
        """Embed counts, [B, 2], and meta-features, [B, features], NaN where not known, as [B, width]."""
        sizes = self.n_inputs(counts[:, 0]) + self.n_outputs(counts[:, 1])
        return cast(Tensor, sizes + self.condition(meta_features))

    def loss(self, f: Tensor, a: Tensor, counts: Tensor, meta_features: Tensor) -> Tensor:
        """Return the flow-matching loss of architecture codes, [B, architecture_size], a scalar."""
        return self.architecture.loss(a, self.embed(counts, meta_features), bounded(f))

    def carry_function(self, noise: Tensor, counts: Tensor, position: Tensor, meta_features: Tensor) -> Tensor:
        """Carry noise, [B, function_size], to function codes; see :meth:`Exemplars.carry`. The first number stays."""
        known = self.condition.standardize(meta_features)
        return torch.cat([noise[:, :1], self.function.carry(noise[:, 1:], counts, position, known)], dim=1)

    def draw_functions(
        self, noise: Tensor, n_inputs: int | None, n_outputs: int | None, meta_features: Tensor, function: FunctionCode
    ) -> Tensor:
        """Carry noise to function codes, of networks with given numbers of inputs and outputs, [n, function_size].

        Args:
            noise: From N(0, I), [n, function_size]; its first number is that of the code, and the exemplar.
            n_inputs: Number of inputs in place of the drawn ones.
            n_outputs: Number of outputs in place of the drawn ones.
            meta_features: Of the data sets, [n, features], NaN for none.
            function: Has the cells of the numbers of inputs and outputs.
        """
        if n_inputs is not None or n_outputs is not None:
            first = function.restrict(noise[:, 0], n_inputs, n_outputs)
            noise = torch.cat([first[:, None], noise[:, 1:]], dim=1)
        return self.carry_function(noise, function.counts(noise), function.position(noise), meta_features)

    def draw_architectures(
        self, noise: Tensor, f: Tensor, counts: Tensor, meta_features: Tensor, decoder: Decoder
    ) -> list[Architecture]:
        """Carry noise to architectures for function codes; one beyond the decoder's coverage is drawn again.

        Args:
            noise: From N(0, I), [n, architecture_size]; a draw that is repeated rotates its numbers.
            f: Function codes, [n, function_size].
            counts: Their numbers of inputs and outputs, [n, 2].
            meta_features: Of the data sets, [n, features], NaN for none.
            decoder: Decodes architecture codes.
        """
        drawn: dict[int, Architecture] = {}
        left, coverage = list(range(len(f))), decoder.architecture.coverage
        for shift in range(DRAWS):
            rotated = noise[left].roll(shift, dims=1)
            a = self.architecture.carry(rotated, self.embed(counts[left], meta_features[left]), bounded(f[left]))
            drawn |= zip(left, decoder.decode_architectures(a, counts[left], meta_features[left]), strict=True)
            left = [i for i in left if not coverage.covers(drawn[i])] if coverage.types else []
            if not left:
                break
        return [drawn[i] for i in range(len(f))]


def bounded(f: Tensor) -> Tensor:
    """Divide the components of function codes, [n, function_size], by their root mean square where it is beyond 1.

    Logits may be large, and their size tells nothing of an architecture.
    """
    scale = f[:, 1:].square().mean(dim=1, keepdim=True).sqrt().clamp(min=1)
    return torch.cat([f[:, :1], f[:, 1:] / scale], dim=1)

"""Random numbers, and columns of X for random tasks: normal or uniform, and mildly correlated."""

import math
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Generator, Tensor

from netgraph.tasks.settings import Weights

#: Largest loading of a column on the common factor; two columns then correlate by at most its square, 0.36.
MAX_LOADING = 0.6

Item = TypeVar("Item")


def integer(low: int, high: int, generator: Generator) -> int:
    """Draw one integer evenly from ``low`` to ``high``, both included."""
    return int(torch.randint(low, high + 1, (), generator=generator))


def uniform(low: float, high: float, generator: Generator) -> float:
    """Draw one number evenly from [low, high)."""
    return low + (high - low) * float(torch.rand((), generator=generator, dtype=torch.float64))


def log_uniform(low: float, high: float, generator: Generator) -> float:
    """Draw one positive number log-uniformly between ``low`` and ``high``."""
    drawn = math.exp(uniform(math.log(low), math.log(high), generator))
    return min(max(drawn, low), high)


def choice(items: Sequence[Item], generator: Generator) -> Item:
    """Draw one of the items, each with the same probability."""
    return items[integer(0, len(items) - 1, generator)]


def choose(weights: Weights, generator: Generator) -> str:
    """Draw one of the weighted names."""
    if len(weights) == 1:
        return next(iter(weights))
    drawn = torch.multinomial(torch.tensor(list(weights.values()), dtype=torch.float64), 1, generator=generator)
    return list(weights)[int(drawn)]


def normal(*shape: int, generator: Generator) -> Tensor:
    """Draw independent standard normal numbers, float64."""
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def jitter(n: int, spread: float, generator: Generator) -> Tensor:
    """Draw log-normal factors around 1, [n], with this standard deviation of the logarithm."""
    return torch.exp(spread * normal(n, generator=generator))


def standard(values: Tensor) -> Tensor:
    """Standardize columns, [rows, ...], to mean 0 and variance 1; a constant one becomes zeros."""
    centered = values - values.mean(dim=0)
    scale = centered.square().mean(dim=0).sqrt()
    # A constant column keeps a rounding error, which must not be blown up to variance 1.
    floor = 1e-12 * (1 + values.abs().amax(dim=0))
    return torch.where(scale > floor, centered / scale.clamp_min(floor), torch.zeros_like(centered))


def normal_columns(n_features: int, rows: int, generator: Generator) -> Tensor:
    """Draw standard normal columns, [rows, n_features], independent in half of the draws.

    In the other half each column loads on one common factor, with a random sign and at most ``MAX_LOADING``.
    """
    own = normal(rows, n_features, generator=generator)
    common = normal(rows, 1, generator=generator)
    loading = MAX_LOADING * (2 * torch.rand(n_features, generator=generator, dtype=torch.float64) - 1)
    loading = loading * integer(0, 1, generator)
    return own * torch.sqrt(1 - loading**2) + common * loading


def unit_interval(z: Tensor) -> Tensor:
    """Transform standard normal columns to uniform ones on (0, 1), order and rank correlation kept."""
    return 0.5 * torch.erfc(-z / math.sqrt(2))


def columns(n_features: int, rows: int, generator: Generator) -> Tensor:
    """Draw columns of mean 0 and variance 1, [rows, n_features], each normal or uniform, mildly correlated."""
    z = normal_columns(n_features, rows, generator)
    even = math.sqrt(12) * (unit_interval(z) - 0.5)
    is_uniform = torch.rand(n_features, generator=generator) < 0.5
    return torch.where(is_uniform, even, z)

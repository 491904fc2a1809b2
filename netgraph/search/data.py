"""Standardized rows of a data set, and the time to spend on them."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real

import numpy as np
import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.tasks.split import Indices


@dataclass(frozen=True)
class TabularData:
    """Standardized features and target.

    Attributes:
        X: Features, [rows, features] float32.
        y: Target, [rows] float32.
        sample_weight: Weight of each row in errors and fits, of mean 1, [rows]; None where all are equal.
    """

    X: Tensor
    y: Tensor
    sample_weight: Tensor | None = None

    def __len__(self) -> int:
        return len(self.y)

    def rows(self, chosen: Indices | Tensor) -> "TabularData":
        """Return some of the rows."""
        at = torch.as_tensor(chosen)
        return TabularData(self.X[at], self.y[at], None if self.sample_weight is None else self.sample_weight[at])

    def subsample(self, most: int, seed: int) -> "TabularData":
        """Return at most ``most`` rows, drawn without replacement, in their order."""
        return self.rows(np.sort(np.random.default_rng(seed).permutation(len(self))[:most]))

    def mean(self, values: Tensor) -> Tensor:
        """Return the weighted mean over the rows of values, [rows]."""
        weight = torch.ones_like(values) if self.sample_weight is None else self.sample_weight
        return (values * weight).sum() / weight.sum()

    def standard_error(self, values: Tensor) -> float:
        """Return the standard error of that mean."""
        weight = torch.ones_like(values) if self.sample_weight is None else self.sample_weight
        return float((weight * (values - self.mean(values))).square().sum() ** 0.5 / weight.sum())

    def variance(self) -> float:
        """Return the leave-one-out mean squared error of predicting the mean."""
        share = 1 / len(self) if self.sample_weight is None else self.sample_weight / self.sample_weight.sum()
        y = self.y.double()
        return float(self.mean(((y - self.mean(y)) / (1 - share)).square()))


class TimeBudget:
    """Wall time of a search, and the clock that it is checked against.

    Args:
        seconds: Wall time from now on; None for no limit.
        clock: Returns seconds.

    Raises:
        NetGraphError: When ``seconds`` is no number, negative or NaN.
    """

    def __init__(self, seconds: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        number = isinstance(seconds, Real) and not isinstance(seconds, bool)
        if seconds is not None and not (number and seconds >= 0):
            raise NetGraphError(f"max_seconds is {seconds!r}; a number of at least 0, or None")
        self.seconds = float("inf") if seconds is None else float(seconds)
        self.clock, self.started = clock, clock()

    @property
    def elapsed(self) -> float:
        """Seconds so far."""
        return self.clock() - self.started

    def fits(self, seconds: float) -> bool:
        """Return whether ``seconds`` are left."""
        return self.elapsed + seconds <= self.seconds

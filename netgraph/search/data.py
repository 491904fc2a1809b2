"""Rows of a data set as networks read them."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor

from netgraph.model.rows import Rows
from netgraph.tasks.split import Indices

#: Most rows that a model is told at a time.
SEEN = 128


@dataclass(frozen=True)
class Data:
    """Standardized rows.

    Attributes:
        x: Features, [rows, features].
        y: Target, [rows].
        weight: Weight of each row in errors and fits, of mean 1, [rows]; None where all weigh the same.
    """

    x: Tensor
    y: Tensor
    weight: Tensor | None = None

    def rows(self, chosen: Indices) -> "Data":
        """Give some of the rows."""
        at = torch.as_tensor(chosen)
        return Data(self.x[at], self.y[at], None if self.weight is None else self.weight[at])

    def mean(self, values: Tensor) -> Tensor:
        """Return the weighted mean over the rows of values, [rows]."""
        return values.mean() if self.weight is None else (values * self.weight).sum() / self.weight.sum()

    def standard_error(self, values: Tensor) -> float:
        """Return the standard error of that mean."""
        weight = torch.ones_like(values) if self.weight is None else self.weight
        return float((weight * (values - self.mean(values))).square().sum() ** 0.5 / weight.sum())

    def error_of_the_mean(self) -> float:
        """Return the mean squared error of predicting each row by the mean of the others."""
        share = 1 / len(self.y) if self.weight is None else self.weight / self.weight.sum()
        y = self.y.double()
        return float(self.mean(((y - self.mean(y)) / (1 - share)).square()))


def evenly_spaced(n: int, most: int) -> Indices:
    """Choose numbers evenly out of 0 to n - 1: all, or ``most`` of them, the first and the last included."""
    return np.linspace(0, n - 1, min(n, most)).astype(int)


def choices_of_rows(data: Data, most: int) -> Rows:
    """Draw rows at random for a model to read, as often as there are that many, at most ``most`` times."""
    count = min(SEEN, len(data.y))
    times = max(1, min(most, len(data.y) // count))
    order = Generator().manual_seed(0)
    chosen = [torch.randperm(len(data.y), generator=order)[:count] for _ in range(times)]
    return Rows(data.x[torch.stack(chosen)], data.y[torch.stack(chosen)], torch.full((times,), data.x.shape[1]))

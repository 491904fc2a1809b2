"""Standardized rows of a data set, and the time to spend on them."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from numbers import Real

import numpy as np
import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.lines import Compact
from netgraph.tasks.losses import get_loss
from netgraph.tasks.split import Indices


@dataclass(frozen=True, repr=False)
class TabularData(Compact):
    """Standardized features and targets.

    Attributes:
        X: Features, [rows, features] float32.
        y: Targets, [rows, outputs] float32: standardized numbers, or of classes one-hot rows.
        sample_weight: Weight of each row in errors and fits, of mean 1, [rows]; None where all are equal.
        loss: Name of the loss, ``squared_error``, or of classes ``cross_entropy``, of logits.
    """

    X: Tensor
    y: Tensor
    sample_weight: Tensor | None = None
    loss: str = "squared_error"

    def __len__(self) -> int:
        return len(self.y)

    @property
    def has_classes(self) -> bool:
        """Whether the targets are classes."""
        return self.loss == "cross_entropy"

    def rows(self, chosen: Indices | Tensor) -> "TabularData":
        """Return some of the rows."""
        at = torch.as_tensor(chosen)
        weight = None if self.sample_weight is None else self.sample_weight[at]
        return replace(self, X=self.X[at], y=self.y[at], sample_weight=weight)

    def subsample(self, most: int, seed: int) -> "TabularData":
        """Return at most ``most`` rows, drawn without replacement, in their order."""
        return self.rows(np.sort(np.random.default_rng(seed).permutation(len(self))[:most]))

    def losses(self, prediction: Tensor) -> Tensor:
        """Return the loss of each row, [..., rows] float64, of outputs, [..., rows, outputs]."""
        loss = get_loss(self.loss)
        terms = loss.terms(prediction.double(), self.y.double(), -1)
        return terms.sum(dim=-1) if loss.joint else terms.mean(dim=-1)

    def mean(self, values: Tensor) -> Tensor:
        """Return the weighted mean over the rows of values, [..., rows]."""
        weight = torch.ones_like(values) if self.sample_weight is None else self.sample_weight
        return (values * weight).sum(dim=-1) / weight.sum(dim=-1)

    def standard_error(self, values: Tensor) -> float:
        """Return the standard error of that mean, of values, [rows]."""
        weight = torch.ones_like(values) if self.sample_weight is None else self.sample_weight
        return float((weight * (values - self.mean(values))).square().sum() ** 0.5 / weight.sum())

    def mean_prediction(self) -> Tensor:
        """Return the mean of the other rows' targets for each row, [rows, outputs] float64.

        Of classes it is the logarithm of their frequencies, to which every row contributes as to calibrated logits.
        """
        weight = torch.ones(len(self)) if self.sample_weight is None else self.sample_weight
        own = weight.double()[:, None] * self.y
        if self.has_classes:
            return ((own.sum(dim=0) + 1 / self.y.shape[1]) / (own.sum() + 1)).log().expand(len(self), -1)
        return (own.sum(dim=0) - own) / (weight.double().sum() - weight.double()[:, None])

    def baseline(self) -> float:
        """Return the error of :meth:`mean_prediction`."""
        return float(self.mean(self.losses(self.mean_prediction())))


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

    def __repr__(self) -> str:
        return f"TimeBudget({self.elapsed:.1f} of {self.seconds:g} s)"

    @property
    def elapsed(self) -> float:
        """Seconds so far."""
        return self.clock() - self.started

    def fits(self, seconds: float) -> bool:
        """Return whether ``seconds`` are left."""
        return self.elapsed + seconds <= self.seconds

"""From a table's columns to what a network reads, and from its output back to the target's unit."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from sklearn.utils.validation import _check_sample_weight
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.search.data import Data
from netgraph.search.export_source import LARGEST
from netgraph.tasks import TAIL, compressed
from netgraph.tasks.dataset import Floats

#: Fewest rows of a weight above 0, and fewest different ones that are merged: one for each fold.
LEAST_ROWS = 5
#: Largest magnitude of a column that counts as 0: what it would be divided by could not be represented.
SMALLEST = 1e-290
#: A unit in which sums of the largest numbers that there are do not overflow.
SMALL = 2.0**-40
#: How far beyond the targets of the training rows predictions reach, as a share of their range.
MARGIN = 0.05


def merge_rows(x: Floats, y: Floats, sample_weight: Any = None) -> tuple[Floats, Floats, Floats | None]:
    """Merge equal rows, whose weights add up, and leave out those of weight 0; the order of rows does not matter.

    A row that is repeated would otherwise stand in the folds that a network is fitted to and in those that judge it.

    Args:
        x: Features, [rows, features].
        y: Targets, [rows].
        sample_weight: Weights, [rows]; 1 when None.

    Returns:
        Features, targets, and weights; None where all weigh the same.

    Raises:
        ValueError: When the weights are not one a row, finite and 0 or more.
        NetGraphError: When too few rows are left.
    """
    weight = np.ones(len(y))
    if sample_weight is not None:
        weight = _check_sample_weight(sample_weight, x, dtype=np.float64, ensure_non_negative=True)
    kept = weight > 0
    if kept.sum() < LEAST_ROWS:
        raise NetGraphError(f"sample_weight is above 0 in {kept.sum()} rows; a fit needs at least {LEAST_ROWS}")
    rows, row = np.unique(np.column_stack([x, y])[kept], axis=0, return_inverse=True)
    if len(rows) < LEAST_ROWS:
        rows, row = np.column_stack([x, y])[kept], np.arange(kept.sum())
    total = np.bincount(row.ravel(), weight[kept] / weight.max())
    return rows[:, :-1], rows[:, -1], None if total.min() == total.max() else total / total.max()


@dataclass(frozen=True)
class Preprocessing:
    """Affine maps of each column and of the target to mean 0 and deviation 1, fitted to training rows.

    Few rows say little of what lies far out. A column then counts logarithmically beyond some deviations, without being
    standardized again, and predictions stay where targets were seen, but for a margin.

    Attributes:
        shift: Means of the columns, [features] float64.
        scale: Their deviations; 1 for a constant, [features] float64.
        center: The target's mean.
        spread: The target's deviation; 1 for a constant.
        least: The least prediction, in the target's unit.
        most: The largest.
        tail: Deviations beyond which a column counts logarithmically.
    """

    shift: Tensor
    scale: Tensor
    center: float
    spread: float
    least: float
    most: float
    tail: float = TAIL

    @classmethod
    def fit(cls, x: Floats, y: Floats, weight: Floats | None = None) -> Self:
        """Fit them to rows, x [rows, features] and y [rows], with weights, [rows], unless all weigh the same."""
        shift, scale = torch.from_numpy(_mean(x, weight)), torch.from_numpy(_deviation(x, weight))
        low, high = float(y.min()), float(y.max())
        margin, largest = MARGIN * high - MARGIN * low, float(np.finfo(np.float64).max)
        least, most = max(low - margin, -largest), min(high + margin, largest)
        return cls(shift, scale, float(_mean(y, weight)), float(_deviation(y, weight)), least, most)

    def inputs(self, x: Floats) -> Tensor:
        """Give what the network reads, [rows, features] float64, of rows, [rows, features]."""
        return compressed(_standardized(torch.from_numpy(np.array(x)), self.shift, self.scale), self.tail)

    def target(self, y: Floats) -> Tensor:
        """Give what the network is to give, [rows] float64."""
        return _standardized(torch.from_numpy(np.array(y)), self.center, self.spread)

    def data(self, x: Floats, y: Floats, weight: Floats | None = None) -> Data:
        """Return rows as networks read them, x [rows, features] and y [rows] in their own units, and their weights."""
        share = None if weight is None else torch.from_numpy(weight / weight.mean())
        return Data(self.inputs(x).float(), self.target(y).float(), share)

    def restore(self, output: Tensor) -> Floats:
        """Give the target in its own unit, [rows] float64, of the network's outputs, [rows]."""
        return np.asarray((output.double() * self.spread + self.center).clamp(self.least, self.most))


def _standardized(values: Tensor, shift: Any, scale: Any) -> Tensor:
    """Return (values - shift) / scale in quarters, in which no difference overflows, and within :data:`LARGEST`."""
    quarters: Tensor = (values / 4 - shift / 4) / (scale / 4)
    return quarters.clamp(-LARGEST, LARGEST)


def _mean(values: Floats, weight: Floats | None) -> Any:
    """Mean over the first axis, whatever the unit."""
    return np.average(values * SMALL, axis=0, weights=weight) / SMALL


def _deviation(values: Floats, weight: Floats | None) -> Any:
    """Deviation over the first axis, whatever the unit; 1 where it is nothing but rounding."""
    peak = np.abs(values).max(axis=0)
    known = peak > SMALLEST
    unit = np.where(known, peak, 1.0)
    values = values / unit
    deviation = values.std(axis=0)
    if weight is not None:
        center = np.average(values, axis=0, weights=weight)
        deviation = np.average((values - center) ** 2, axis=0, weights=weight) ** 0.5
    return np.where(known & (deviation > 1e-12), deviation * unit, 1.0)

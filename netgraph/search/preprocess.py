"""From a table's columns to what a network reads, and from its output back to the target's unit."""

import warnings
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from netgraph.search.data import Data
from netgraph.tasks.dataset import Floats
from netgraph.tasks.split import Indices

#: Largest magnitude of a column that counts as 0: what it would be divided by could not be represented.
SMALLEST = 1e-290
#: Rows for each column from which on all of them may have a say in a projection: errors are then at most about a tenth
#: of the noise too small.
ROWS_A_COLUMN = 10


@dataclass(frozen=True)
class Preprocessing:
    """An affine map of the columns and one of the target, both fitted to training rows.

    Attributes:
        shift: What is subtracted from the columns, [features] float64.
        matrix: What they are multiplied with then, [features, inputs] float64: a diagonal where every column is an
            input, partial least squares where there are more columns than inputs (Wold et al. 1984).
        center: The target's mean.
        spread: The target's deviation; 1 for a constant.
    """

    shift: Tensor
    matrix: Tensor
    center: float
    spread: float

    @classmethod
    def fit(cls, x: Floats, y: Floats, most_inputs: int, told: Indices | None = None) -> Self:
        """Fit both maps to rows, x [rows, features] and y [rows]; it warns where columns have to be projected.

        ``told`` are the rows that the projection is fitted to, all when None.
        """
        shift, scale = x.mean(axis=0), _deviation(x)
        matrix = np.diag(1 / scale)
        if x.shape[1] > most_inputs:
            rows = np.arange(len(x)) if told is None else told
            matrix = _projected((x - shift) / scale, y, most_inputs, rows) / scale[:, None]
            warnings.warn(
                f"X has {x.shape[1]} columns; the network reads {matrix.shape[1]} projections of them "
                "(partial least squares)",
                UserWarning,
                stacklevel=4,
            )
        return cls(torch.from_numpy(shift), torch.from_numpy(matrix), float(y.mean()), float(_deviation(y)))

    @property
    def n_inputs(self) -> int:
        """Inputs of the network."""
        return self.matrix.shape[1]

    def inputs(self, x: Floats) -> Tensor:
        """Give what the network reads, [rows, inputs] float64, of rows, [rows, features]."""
        return (torch.from_numpy(np.array(x)) - self.shift) @ self.matrix

    def target(self, y: Floats) -> Tensor:
        """Give what the network is to give, [rows] float64."""
        return (torch.from_numpy(np.array(y)) - self.center) / self.spread

    def data(self, x: Floats, y: Floats) -> Data:
        """Give rows as networks read them, x [rows, features] and y [rows] in their own units."""
        return Data(self.inputs(x).float(), self.target(y).float())

    def restore(self, output: Tensor) -> Floats:
        """Give the target in its own unit, [rows] float64, of the network's outputs, [rows]."""
        return np.asarray(output.double().numpy() * self.spread + self.center)


def standardized(x: Floats, y: Floats, most_inputs: int, seed: int) -> tuple[Preprocessing, Data]:
    """Fit a preprocessing, and give the rows as networks read them.

    A projection that was fitted to the target of a row knows it, and an error on that row then says nothing, though
    the networks were fitted without it. Where there are few rows for the columns, half of them alone are told.

    Args:
        x: Features, [rows, features].
        y: Target, [rows].
        most_inputs: Most inputs of a network.
        seed: Of the choice of rows.
    """
    rows, columns = x.shape
    if columns <= most_inputs or columns * ROWS_A_COLUMN <= rows:
        units = Preprocessing.fit(x, y, most_inputs)
        return units, units.data(x, y)
    told = np.sort(np.random.default_rng(seed).permutation(rows)[: rows // 2])
    units = Preprocessing.fit(x, y, most_inputs, told)
    return units, replace(units.data(x, y), told=torch.isin(torch.arange(rows), torch.from_numpy(told)))


def _projected(x: Floats, y: Floats, most: int, rows: Indices) -> Floats:
    """Directions, [features, most], that go with the target of some rows; all rows along each have deviation 1."""
    from sklearn.cross_decomposition import PLSRegression

    count = min(most, x.shape[1], max(1, len(rows) - 1))
    directions: Floats = PLSRegression(count, scale=False).fit(x[rows], y[rows]).x_rotations_
    scaled: Floats = directions / _deviation(x @ directions)
    return scaled


def _deviation(values: Floats) -> Any:
    """Deviation over the first axis, whatever the unit; 1 where it is nothing but rounding."""
    peak = np.abs(values).max(axis=0)
    known = peak > SMALLEST
    unit = np.where(known, peak, 1.0)
    deviation = (values / unit).std(axis=0)
    return np.where(known & (deviation > 1e-12), deviation * unit, 1.0)

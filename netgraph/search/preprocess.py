"""From a table's columns to what a network reads, and from its output back to the target's unit."""

import warnings
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from netgraph.search.data import Data
from netgraph.tasks.dataset import Floats

#: Largest magnitude of a column that counts as 0: what it would be divided by could not be represented.
SMALLEST = 1e-290


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
    def fit(cls, x: Floats, y: Floats, most_inputs: int) -> Self:
        """Fit both maps to rows, x [rows, features] and y [rows]; it warns where columns have to be projected."""
        shift, scale = x.mean(axis=0), _deviation(x)
        matrix = np.diag(1 / scale)
        if x.shape[1] > most_inputs:
            matrix = _projected((x - shift) / scale, y, most_inputs) / scale[:, None]
            warnings.warn(
                f"X has {x.shape[1]} columns; the network reads {matrix.shape[1]} projections of them "
                "(partial least squares)",
                UserWarning,
                stacklevel=3,
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


def _projected(x: Floats, y: Floats, most: int) -> Floats:
    """Directions, [features, most], of standardized rows that go with the target; rows along each have deviation 1."""
    from sklearn.cross_decomposition import PLSRegression

    count = min(most, x.shape[1], max(1, len(x) - 1))
    directions: Floats = PLSRegression(count, scale=False).fit(x, y).x_rotations_
    scaled: Floats = directions / _deviation(x @ directions)
    return scaled


def _deviation(values: Floats) -> Any:
    """Deviation over the first axis, whatever the unit; 1 where it is nothing but rounding."""
    peak = np.abs(values).max(axis=0)
    known = peak > SMALLEST
    unit = np.where(known, peak, 1.0)
    deviation = (values / unit).std(axis=0)
    return np.where(known & (deviation > 1e-12), deviation * unit, 1.0)

"""A task: one regression problem, standardized, with the scales to undo it and how it was drawn."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy.typing as npt
import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.tasks.check import check_data, standardize

Description = dict[str, float | int | str]


@dataclass(frozen=True, eq=False)
class Task:
    """One regression problem.

    Attributes:
        x: Parameters, [rows, features] float32; each column has mean 0 and population variance 1, or is 0.
        y: Target, [rows] float32, standardized likewise.
        family: Name of the task family that drew it, or of the data set it comes from.
        seed: Seed it was drawn with.
        x_mean: Mean of each column before standardizing, [features] float64, in the column's unit.
        x_scale: Standard deviation of each column before standardizing, [features] float64; 1 for a constant.
        y_mean: Mean of the target before standardizing, in the target's unit.
        y_scale: Standard deviation of the target before standardizing; 1 for a constant target.
        description: How it was drawn.
    """

    x: Tensor
    y: Tensor
    family: str
    seed: int
    x_mean: Tensor
    x_scale: Tensor
    y_mean: float
    y_scale: float
    description: Description = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse tensors whose shapes do not belong together."""
        if self.x.dim() != 2 or self.y.shape != self.x.shape[:1]:
            raise NetGraphError(f"task {self.family}: x {list(self.x.shape)} and y {list(self.y.shape)} do not match")
        if self.x_mean.shape != self.x.shape[1:] or self.x_scale.shape != self.x.shape[1:]:
            raise NetGraphError(f"task {self.family}: x_mean and x_scale need {self.x.shape[1]} values, one a column")

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.x.shape[0])

    @property
    def n_features(self) -> int:
        """Number of columns of x, distractors included."""
        return int(self.x.shape[1])


def make_task(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    family: str,
    seed: int = 0,
    description: Mapping[str, float | int | str] | None = None,
) -> Task:
    """Standardize raw data into a task.

    Args:
        x: Parameters in their own units, [rows, features].
        y: Target in its own unit, [rows].
        family: Name of the task family or of the data set.
        seed: Seed the data were drawn with.
        description: How the data were drawn.

    Returns:
        The task, on the CPU.

    Raises:
        NetGraphError: The data are not a regression problem, see :func:`~netgraph.tasks.check_data`.
    """
    clean_x, clean_y = check_data(x, y)
    z, x_mean, x_scale = standardize(clean_x)
    target, y_mean, y_scale = standardize(clean_y)
    return Task(
        x=torch.from_numpy(z).float(),
        y=torch.from_numpy(target).float(),
        family=family,
        seed=seed,
        x_mean=torch.from_numpy(x_mean),
        x_scale=torch.from_numpy(x_scale),
        y_mean=float(y_mean),
        y_scale=float(y_scale),
        description=dict(description or {}),
    )

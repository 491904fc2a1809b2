"""A task: one regression problem, standardized, with the scales to undo it and how it was drawn."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy.typing as npt
import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.tasks.check import check_data, standardize
from netgraph.tasks.losses import LOSSES

Description = dict[str, float | int | str]


@dataclass(frozen=True, eq=False)
class Task:
    """One regression problem.

    Attributes:
        x: Features, [rows, features] float32; each column has mean 0 and population variance 1, or is 0.
        y: Targets, [rows, outputs] float32, standardized as the features are.
        family: Name of the task family that drew it, or of the data set it comes from.
        seed: Seed it was drawn with.
        x_mean: Mean of each column before standardizing, [features] float64, in the column's unit.
        x_scale: Standard deviation of each column before standardizing, [features] float64; 1 for a constant.
        y_mean: Mean of each target before standardizing, [outputs] float64, in the target's unit.
        y_scale: Standard deviation of each target before standardizing, [outputs] float64; 1 for a constant.
        description: How it was drawn.
        loss: Name of the loss that its networks are trained with, one of :data:`~netgraph.tasks.losses.LOSSES`.
    """

    x: Tensor
    y: Tensor
    family: str
    seed: int
    x_mean: Tensor
    x_scale: Tensor
    y_mean: Tensor
    y_scale: Tensor
    description: Description = field(default_factory=dict)
    loss: str = "squared_error"

    def __post_init__(self) -> None:
        """Check that the shapes belong together and that the loss is known.

        Raises:
            NetGraphError: When they do not, or it is not.
        """
        if self.x.dim() != 2 or self.y.dim() != 2 or len(self.x) != len(self.y):
            raise NetGraphError(f"task {self.family}: x {list(self.x.shape)} and y {list(self.y.shape)} do not match")
        for name, values in (("x", self.x), ("y", self.y)):
            for statistic in (f"{name}_mean", f"{name}_scale"):
                if getattr(self, statistic).shape != values.shape[1:]:
                    raise NetGraphError(f"task {self.family}: {statistic} needs {values.shape[1]} values, one a column")
        if self.loss not in LOSSES:
            raise NetGraphError(f"task {self.family}: unknown loss {self.loss!r}; known: {', '.join(LOSSES)}")

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
    """Standardize raw data into a task with one output.

    Args:
        x: Features in their own units, [rows, features].
        y: Target in its own unit, [rows].
        family: Name of the task family or of the data set.
        seed: Seed the data were drawn with.
        description: How the data were drawn.

    Returns:
        The task, on the CPU.

    Raises:
        NetGraphError: The data are not a regression problem, see :func:`~netgraph.tasks.check_data`.

    Example:
        >>> task = make_task([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0], family="mine")
        >>> task.y.shape, float(task.y_mean)
        (torch.Size([3, 1]), 3.0)
    """
    clean_x, clean_y = check_data(x, y)
    z, x_mean, x_scale = (torch.from_numpy(values) for values in standardize(clean_x))
    target, y_mean, y_scale = (torch.from_numpy(values) for values in standardize(clean_y[:, None]))
    scales = x_mean, x_scale, y_mean, y_scale
    return Task(z.float(), target.float(), family, seed, *scales, dict(description or {}))

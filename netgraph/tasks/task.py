"""A task: one regression or classification problem, standardized, with the scales to undo it and how it was drawn."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.html import folded, settings_html, table_html
from netgraph.lines import counted, short
from netgraph.tasks.check import Floats, check_classes, check_targets, standardize
from netgraph.tasks.display import MOST_ROWS, data_html
from netgraph.tasks.losses import LOSSES, Loss, get_loss

Description = dict[str, float | int | str]


@dataclass(frozen=True, eq=False, repr=False)
class Task:
    """One regression or classification problem.

    Attributes:
        x: Features, [rows, features] float32; each column has mean 0 and population variance 1, or is 0.
        y: Targets, [rows, outputs] float32: of squared error standardized as the features are; of cross-entropy
            one-hot, a column a class; of binary cross-entropy 0 or 1.
        family: Name of the task family that drew it, or of the data set it comes from.
        seed: Seed it was drawn with.
        x_mean: Mean of each column before standardizing, [features] float64, in the column's unit.
        x_scale: Standard deviation of each column before standardizing, [features] float64; 1 for a constant.
        y_mean: Mean of each target before standardizing, [outputs] float64, in the target's unit; 0 for classes.
        y_scale: Standard deviation of each target before standardizing, [outputs] float64; 1 for a constant and for
            classes.
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
        """Check that the shapes belong together, that the loss is known, and that the targets suit it.

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
        if self.has_classes:
            self._check_classes()

    def _check_classes(self) -> None:
        wrong = ~((self.y == 0) | (self.y == 1))
        if self.loss == "cross_entropy":
            wrong |= (self.y.sum(dim=1) != 1)[:, None]
        if wrong.any():
            rule = "one 1 and else 0, a column a class" if self.loss == "cross_entropy" else "0 or 1"
            row = int(wrong.any(dim=1).nonzero()[0])
            raise NetGraphError(f"task {self.family}: y of {self.loss} must be {rule}; row {row} is not")
        if (self.y == self.y[0]).all():
            raise NetGraphError(f"task {self.family}: all rows are of one class; {self.loss} needs two at least")

    def __repr__(self) -> str:
        outputs = counted(self.n_outputs, "class" if self.loss == "cross_entropy" else "output")
        sizes = f"{counted(self.rows, 'row')}, {counted(self.n_features, 'feature')}, {outputs}"
        return f"Task({short(self.family)}, {sizes}, {self.loss}, seed={self.seed})"

    def _repr_html_(self) -> str:
        names = [f"x{i}" for i in range(self.n_features)] + [f"y{i}" for i in range(self.n_outputs)]
        mean, deviation = torch.cat([self.x_mean, self.y_mean]), torch.cat([self.x_scale, self.y_scale])
        units = list(zip(names, mean.tolist(), deviation.tolist(), strict=True))
        further = [settings_html(self.description, "How it was drawn")] if self.description else []
        further.append(folded("Units of the columns", table_html(["column", "mean", "deviation"], units)))
        columns = torch.cat([self.x[:MOST_ROWS], self.y[:MOST_ROWS]], dim=1).T.tolist()
        return data_html(repr(self), names, columns, *further)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.x.shape[0])

    @property
    def n_features(self) -> int:
        """Number of columns of x, distractors included."""
        return int(self.x.shape[1])

    @property
    def n_outputs(self) -> int:
        """Number of outputs of a network for it: of targets, of classes, or 1 for two classes and one logit."""
        return int(self.y.shape[1])

    @property
    def has_classes(self) -> bool:
        """Whether the targets are classes."""
        return LOSSES[self.loss].hits is not None


def make_task(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    family: str,
    seed: int = 0,
    description: Mapping[str, float | int | str] | None = None,
    loss: str = "squared_error",
) -> Task:
    """Standardize raw data into a task.

    Args:
        x: Features in their own units, [rows, features].
        y: Targets. Of squared error numbers in their own units, [rows] or [rows, outputs]. Of cross-entropy the class
            of each row, [rows]: numbers, strings or booleans. Of binary cross-entropy one of two classes, [rows], or
            [rows, outputs] of 0 and 1.
        family: Name of the task family or of the data set.
        seed: Seed the data were drawn with.
        description: How the data were drawn. Classes other than 0, 1, 2, ... are added as ``classes``, in the order of
            the columns of y, separated by semicolons.
        loss: Name of the loss, one of :data:`~netgraph.tasks.losses.LOSSES`.

    Returns:
        The task, on the CPU.

    Raises:
        NetGraphError: The data are no such problem, see :func:`~netgraph.tasks.check_data`, or the loss is unknown.

    Example:
        >>> task = make_task([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0], family="mine")
        >>> task.y.shape, float(task.y_mean)
        (torch.Size([3, 1]), 3.0)
        >>> make_task([[0.0], [1.0], [2.0]], ["b", "a", "b"], family="mine", loss="cross_entropy").y
        tensor([[0., 1.],
                [1., 0.],
                [0., 1.]])
    """
    features, target, classes = _targets(x, y, get_loss(loss))
    z, x_mean, x_scale = (torch.from_numpy(values) for values in standardize(features))
    if get_loss(loss).hits is None:
        target, y_mean, y_scale = standardize(target)
    else:
        y_mean, y_scale = np.zeros(target.shape[1]), np.ones(target.shape[1])
    scales = x_mean, x_scale, torch.from_numpy(y_mean), torch.from_numpy(y_scale)
    known = dict(description or {}) | ({"classes": ";".join(map(str, classes))} if classes else {})
    return Task(z.float(), torch.from_numpy(target).float(), family, seed, *scales, known, loss)


def _targets(x: npt.ArrayLike, y: npt.ArrayLike, loss: Loss) -> tuple[Floats, Floats, list[Any]]:
    """Return features, targets, [rows, outputs], and the classes, unless their names are their numbers."""
    several = np.ndim(y) == 2 and np.shape(y)[1] > 1
    if loss.hits is None or (several and not loss.joint):
        return *check_targets(x, y), []
    features, numbers, classes = check_classes(x, y)
    named = [] if np.array_equal(classes, np.arange(len(classes))) else classes.tolist()
    if loss.joint:
        return features, np.eye(len(classes))[numbers], named
    if len(classes) > 2:
        raise NetGraphError(f"y has {len(classes)} classes; {loss.name} of one column takes two")
    return features, numbers[:, None].astype(np.float64), named

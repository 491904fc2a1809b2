"""Targets in pieces: each row belongs to its nearest center."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Generator, Tensor

from netgraph.tasks.families.base import Problem, TaskFamily
from netgraph.tasks.inputs import integer, normal, uniform
from netgraph.tasks.settings import Between, Range, Whole


@dataclass(frozen=True)
class Piecewise(TaskFamily):
    """A plane over each cell of a Voronoi diagram: the value and the slope of the nearest center.

    Attributes:
        n_centers: Centers, standard normal points.
        slope: Standard deviation of a plane's slope along a row's distance from its center, in units of that of the
            centers' values; 0 for constant pieces; drawn evenly.
    """

    name: ClassVar[str] = "piecewise"
    n_centers: Annotated[Whole, Between(2, 1024)] = (3, 12)
    slope: Annotated[Range, Between(0, 100)] = (0.0, 1.0)

    def draw(self, z: Tensor, generator: Generator) -> Problem:
        """See :meth:`TaskFamily.draw`."""
        n_centers, slope = integer(*self.n_centers, generator), uniform(*self.slope, generator)
        centers = normal(n_centers, z.shape[1], generator=generator)
        values = normal(n_centers, generator=generator)
        planes = slope * normal(n_centers, z.shape[1], generator=generator) / z.shape[1] ** 0.5
        nearest = torch.cdist(z, centers).argmin(dim=1)  # [rows]
        tilt = ((z - centers[nearest]) * planes[nearest]).sum(dim=1)
        return Problem(z, values[nearest] + tilt, {"n_centers": n_centers, "slope": slope})

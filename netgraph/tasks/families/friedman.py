"""Friedman's three regression problems, jittered. Columns beyond the formula's are distractors."""

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Generator, Tensor

from netgraph.tasks.families.base import Inputs, Problem, TaskFamily
from netgraph.tasks.inputs import jitter, normal_columns, uniform, unit_interval
from netgraph.tasks.settings import Between, Range


@dataclass(frozen=True)
class _Friedman(TaskFamily):
    """Columns that are uniform on an interval of their own; a heavy tail becomes weight in its middle and at its ends.

    Attributes:
        jitter: Standard deviation of the logarithm of the factors that make two tasks differ; drawn evenly.
    """

    keeps_columns: ClassVar[bool] = False
    jitter: Annotated[Range, Between(0, 1)] = (0.0, 0.5)

    def inputs(self, n_features: int, rows: int, generator: Generator) -> Inputs:
        """See :meth:`TaskFamily.inputs`."""
        return Inputs(normal_columns(n_features, rows, generator), {})


@dataclass(frozen=True)
class Friedman1(_Friedman):
    """``10 sin(pi x0 x1) + 20 (x2 - 0.5)^2 + 10 x3 + 5 x4`` on [0, 1], coefficients jittered.

    Source: Friedman, Multivariate adaptive regression splines, Annals of Statistics 19 (1991), section 4.3.
    """

    name: ClassVar[str] = "friedman1"
    min_features: ClassVar[int] = 5
    max_features: ClassVar[int | None] = 5

    def draw(self, z: Tensor, generator: Generator) -> Problem:
        """See :meth:`TaskFamily.draw`."""
        x, spread = unit_interval(z), uniform(*self.jitter, generator)
        a, b, c, d, frequency, center = jitter(6, spread, generator)
        wave = torch.sin(math.pi * frequency * x[:, 0] * x[:, 1])
        target = 10 * a * wave + 20 * b * (x[:, 2] - 0.5 * center) ** 2 + 10 * c * x[:, 3] + 5 * d * x[:, 4]
        return Problem(x, target, {"jitter": spread})


@dataclass(frozen=True)
class _Circuit(_Friedman):
    """Resistance, angular frequency, inductance and capacitance of an alternating-current circuit.

    Source: Friedman (1991), section 4.4. The ends of each column's range are jittered.
    """

    min_features: ClassVar[int] = 4
    max_features: ClassVar[int | None] = 4

    def draw(self, z: Tensor, generator: Generator) -> Problem:
        """See :meth:`TaskFamily.draw`."""
        spread = uniform(*self.jitter, generator)
        low = torch.tensor([0.0, 40 * math.pi, 0.0, 1.0], dtype=torch.float64)
        width = torch.tensor([100.0, 520 * math.pi, 1.0, 10.0], dtype=torch.float64)
        low, width = low * jitter(4, spread, generator), width * jitter(4, spread, generator)
        x = low + width * unit_interval(z)
        resistance, omega, inductance, capacitance = x.unbind(1)
        target = self.target(resistance, omega * inductance - 1 / (omega * capacitance))
        return Problem(x, target, {"jitter": spread})

    @abstractmethod
    def target(self, resistance: Tensor, reactance: Tensor) -> Tensor:
        """What is measured of the circuit, [rows]."""


@dataclass(frozen=True)
class Friedman2(_Circuit):
    """Impedance of the circuit: ``sqrt(R^2 + (omega L - 1 / (omega C))^2)``."""

    name: ClassVar[str] = "friedman2"

    def target(self, resistance: Tensor, reactance: Tensor) -> Tensor:
        """See :meth:`_Circuit.target`."""
        return torch.hypot(resistance, reactance)


@dataclass(frozen=True)
class Friedman3(_Circuit):
    """Phase angle of the circuit: ``atan((omega L - 1 / (omega C)) / R)``."""

    name: ClassVar[str] = "friedman3"

    def target(self, resistance: Tensor, reactance: Tensor) -> Tensor:
        """See :meth:`_Circuit.target`."""
        return torch.atan2(reactance, resistance)

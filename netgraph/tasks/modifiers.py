"""Modifiers, which make a random task less tidy or its target classes, whatever its family."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import torch
from torch import Generator, Tensor

from netgraph.tasks.inputs import integer, log_uniform, normal, standard, uniform
from netgraph.tasks.settings import Between, Range, Settings, Weights, Whole, check_settings, weighted
from netgraph.tasks.task import Description


@dataclass(frozen=True)
class Modifier(Settings):
    """Base of modifiers.

    Attributes:
        name: Its key in a recipe.
        default: Whether it acts in a recipe that names no modifiers.
        probability: Share of the tasks that it acts on.
    """

    name: ClassVar[str]
    default: ClassVar[bool] = True
    probability: Annotated[float, Between(0, 1)] = 0.2

    def __post_init__(self) -> None:
        """Check the fields.

        Raises:
            NetGraphError: A value is not allowed; the message names ``modifiers.<name>.<key>``.
        """
        check_settings(self, f"modifiers.{self.name}")


@dataclass(frozen=True)
class ColumnModifier(Modifier, ABC):
    """A modifier of columns.

    Attributes:
        observed: Whether it acts on all observed columns, distractors too, after the target is drawn; else on the
            columns behind the target, before.
    """

    observed: ClassVar[bool] = False

    @abstractmethod
    def change(self, x: Tensor, generator: Generator) -> tuple[Tensor, Description]:
        """Modify the columns of one task.

        Args:
            x: Columns, [rows, n_features] float64; of mean 0 and variance 1, about, before the target is drawn.
            generator: The only source of randomness.

        Returns:
            The changed columns, [rows, n_features], and the drawn values.
        """


@dataclass(frozen=True)
class Collinearity(ColumnModifier):
    """Some columns become nearly a weighted sum of the others, before the target is drawn; at least one does not.

    Attributes:
        share: Share of the columns, at least one and all but one at most; drawn evenly.
        correlation: Correlation of such a column with its weighted sum; drawn evenly.
    """

    name: ClassVar[str] = "collinearity"
    share: Annotated[Range, Between(0, 1)] = (0.1, 0.5)
    correlation: Annotated[Range, Between(0, 1)] = (0.8, 0.999)

    def change(self, x: Tensor, generator: Generator) -> tuple[Tensor, Description]:
        """See :meth:`ColumnModifier.change`."""
        n_features, correlation = x.shape[1], uniform(*self.correlation, generator)
        order = torch.randperm(n_features, generator=generator)
        n = min(_count(self.share, n_features, generator), n_features - 1)
        mixed = standard(x[:, order[n:]] @ normal(n_features - n, n, generator=generator))
        result = x.clone()
        result[:, order[:n]] = correlation * mixed + math.sqrt(1 - correlation**2) * x[:, order[:n]]
        return result, {"columns": n, "correlation": correlation}


@dataclass(frozen=True)
class HeavyTails(ColumnModifier):
    """Some columns take the shape of Tukey's h distribution, before the target is drawn; the order of the rows stays.

    The quantile function is ``u exp(h u^2 / 2)`` of a standard normal u: h is 0 for a normal column, the fourth moment
    is infinite from 1/4 on.

    Source: Tukey, Exploratory Data Analysis (1977); Hoaglin, Summarizing shape numerically (1985).

    Attributes:
        share: Share of the columns, at least one; drawn evenly.
        h: Weight of the tails; drawn evenly.
    """

    name: ClassVar[str] = "heavy_tails"
    share: Annotated[Range, Between(0, 1)] = (0.2, 1.0)
    h: Annotated[Range, Between(0, 1)] = (0.1, 0.5)

    def change(self, x: Tensor, generator: Generator) -> tuple[Tensor, Description]:
        """See :meth:`ColumnModifier.change`."""
        h, rows = uniform(*self.h, generator), len(x)
        chosen = _some_columns(self.share, x.shape[1], generator)
        rank = x[:, chosen].argsort(dim=0).argsort(dim=0).double()
        u = torch.special.ndtri((rank + 0.5) / rows)
        result = x.clone()
        result[:, chosen] = standard(u * torch.exp(h * u.square() / 2))
        return result, {"columns": len(chosen), "h": h}


@dataclass(frozen=True)
class Discretization(ColumnModifier):
    """Some observed columns, distractors too, hold a few values only; the target belongs to the values before.

    Each is cut at quantiles, and every value replaced by the mean of its bin, as in a coarse measurement, a rank or an
    ordinal code.

    Attributes:
        share: Share of the columns, at least one; drawn evenly.
        levels: Values of a column, one number a task.
    """

    name: ClassVar[str] = "discretization"
    observed: ClassVar[bool] = True
    share: Annotated[Range, Between(0, 1)] = (0.2, 1.0)
    levels: Annotated[Whole, Between(2, 1000)] = (2, 10)

    def change(self, x: Tensor, generator: Generator) -> tuple[Tensor, Description]:
        """See :meth:`ColumnModifier.change`."""
        levels, rows = min(integer(*self.levels, generator), len(x)), len(x)
        chosen = _some_columns(self.share, x.shape[1], generator)
        rank = x[:, chosen].argsort(dim=0).argsort(dim=0)
        level = rank * levels // rows  # [rows, columns]
        sums = torch.zeros(levels, len(chosen), dtype=x.dtype).scatter_add(0, level, x[:, chosen])
        counts = torch.zeros_like(sums).scatter_add(0, level, torch.ones_like(x[:, chosen]))
        result = x.clone()
        result[:, chosen] = (sums / counts).gather(0, level)
        return result, {"columns": len(chosen), "levels": levels}


@dataclass(frozen=True)
class Heteroscedasticity(Modifier):
    """The noise is larger in some rows: its logarithm goes along a random direction in the columns.

    The recipe's signal-to-noise ratio holds over all rows.

    Attributes:
        strength: Standard deviation of the logarithm of the scale; drawn evenly.
    """

    name: ClassVar[str] = "heteroscedasticity"
    strength: Annotated[Range, Between(0, 5)] = (0.3, 1.0)

    def scale(self, x: Tensor, generator: Generator) -> tuple[Tensor, Description]:
        """Draw the scale of the noise of each row, [rows]: ``exp(strength u)`` with u of variance 1.

        Args:
            x: The columns behind the target, [rows, n_features].
            generator: The only source of randomness.
        """
        strength = uniform(*self.strength, generator)
        direction = standard(standard(x) @ normal(x.shape[1], generator=generator))
        return torch.exp(strength * direction), {"strength": strength}


@dataclass(frozen=True)
class Classes(Modifier):
    """The target becomes classes: one-hot columns with cross-entropy, or one of 0 and 1 with binary cross-entropy.

    Classes are intervals of the observed target between quantiles; or each row's class is drawn from the softmax of as
    many functions of the family as there are classes, each in normal scores, divided by a temperature, which takes the
    place of the noise. A family that draws columns of its own with each function has one function of them, which is
    cut at quantiles.

    Attributes:
        number: Fewest and most classes; drawn log-uniformly. There are fewer where a task has less than 8 rows a class,
            or where quantiles are equal.
        kinds: Weight of ``quantiles`` and ``softmax``.
        imbalance: Share of the rows that quantiles do not divide evenly among classes; drawn evenly.
        temperature: Least and largest temperature of the softmax; drawn log-uniformly.
        binary: Probability that a task of two classes has one output, and binary cross-entropy.
    """

    name: ClassVar[str] = "classes"
    default: ClassVar[bool] = False
    probability: Annotated[float, Between(0, 1)] = 1.0
    number: Annotated[Whole, Between(2, 100)] = (2, 10)
    kinds: Annotated[Weights, weighted(("quantiles", "softmax"))] = field(
        default_factory=lambda: {"quantiles": 1.0, "softmax": 1.0}
    )
    imbalance: Annotated[Range, Between(0, 0.5)] = (0.0, 0.5)
    temperature: Annotated[Range, Between(0.01, 10)] = (0.1, 0.5)
    binary: Annotated[float, Between(0, 1)] = 0.5

    def cut(self, target: Tensor, number: int, generator: Generator) -> tuple[Tensor, Description]:
        """Return the class of each row, [rows] long, by intervals of the target, [rows], and the drawn values."""
        imbalance = uniform(*self.imbalance, generator)
        parts = torch.rand(number, generator=generator, dtype=torch.float64).log().neg()  # even on the simplex
        shares = (1 - imbalance) / number + imbalance * parts / parts.sum()
        bounds = torch.quantile(target, shares.cumsum(dim=0)[:-1].clamp(max=1.0))
        return torch.bucketize(target, bounds), {"kind": "quantiles", "imbalance": imbalance}

    def draw(self, functions: Tensor, generator: Generator) -> tuple[Tensor, Description]:
        """Return the class of each row, [rows] long, drawn from the softmax of functions, [rows, classes]."""
        temperature = log_uniform(*self.temperature, generator)
        rank = functions.argsort(dim=0).argsort(dim=0).double()
        scores = torch.special.ndtri((rank + 0.5) / len(functions)) / temperature
        gumbel = torch.rand(scores.shape, generator=generator, dtype=torch.float64).log().neg().log().neg()
        return (scores + gumbel).argmax(dim=1), {"kind": "softmax", "temperature": temperature}


MODIFIERS: dict[str, type[Modifier]] = {
    kind.name: kind for kind in (Collinearity, HeavyTails, Discretization, Heteroscedasticity, Classes)
}


def _count(share: Range, n_features: int, generator: Generator) -> int:
    return max(1, round(uniform(*share, generator) * n_features))


def _some_columns(share: Range, n_features: int, generator: Generator) -> Tensor:
    n = _count(share, n_features, generator)
    return torch.randperm(n_features, generator=generator)[:n]

"""Targets in closed form: linear, Friedman's, polynomials, Gaussian processes, trees and pieces."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Generator, Tensor

from netgraph.tasks.families.base import Inputs, Problem, TaskFamily
from netgraph.tasks.inputs import (
    columns,
    integer,
    jitter,
    log_uniform,
    normal,
    normal_columns,
    standard,
    uniform,
    unit_interval,
)
from netgraph.tasks.settings import Between, Range, Whole

#: Random Fourier features of a draw from a Gaussian process.
N_WAVES = 128
#: Share of the rows on either side of a tree's threshold, at least.
MARGIN = 0.1


@dataclass(frozen=True)
class Linear(TaskFamily):
    """A weighted sum of the columns with normal weights; the columns have a bell-shaped singular profile.

    The i-th singular value is ``(1 - t) exp(-(i / r)^2) + t exp(-0.1 i / r)`` of the first, as in scikit-learn's
    ``make_low_rank_matrix``; every column is then brought to variance 1.

    Attributes:
        effective_rank: r, about the number of directions that carry the columns; drawn log-uniformly.
        tail_strength: t, the share of the slowly falling tail, from 0 to 1; drawn evenly.
    """

    name: ClassVar[str] = "linear"
    effective_rank: Annotated[Range, Between(0.1, 1e6)] = (1.0, 50.0)
    tail_strength: Annotated[Range, Between(0, 1)] = (0.0, 1.0)

    def inputs(self, n_features: int, rows: int, generator: Generator) -> Inputs:
        """See :meth:`TaskFamily.inputs`."""
        rank = log_uniform(*self.effective_rank, generator)
        tail = uniform(*self.tail_strength, generator)
        left, values, right = torch.linalg.svd(columns(n_features, rows, generator), full_matrices=False)
        i = torch.arange(len(values), dtype=left.dtype)
        profile = (1 - tail) * torch.exp(-((i / rank) ** 2)) + tail * torch.exp(-0.1 * i / rank)
        return Inputs(standard(left * profile @ right), {"effective_rank": rank, "tail_strength": tail})

    def draw(self, z: Tensor, generator: Generator) -> Problem:
        """See :meth:`TaskFamily.draw`."""
        return Problem(z, z @ normal(z.shape[1], generator=generator), {})


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

    Attributes:
        target: Function of resistance and reactance, [rows] each.
    """

    min_features: ClassVar[int] = 4
    max_features: ClassVar[int | None] = 4
    target: ClassVar[Callable[[Tensor, Tensor], Tensor]]

    def draw(self, z: Tensor, generator: Generator) -> Problem:
        """See :meth:`TaskFamily.draw`."""
        spread = uniform(*self.jitter, generator)
        low = torch.tensor([0.0, 40 * math.pi, 0.0, 1.0], dtype=torch.float64)
        width = torch.tensor([100.0, 520 * math.pi, 1.0, 10.0], dtype=torch.float64)
        low, width = low * jitter(4, spread, generator), width * jitter(4, spread, generator)
        x = low + width * unit_interval(z)
        resistance, omega, inductance, capacitance = x.unbind(1)
        reactance = omega * inductance - 1 / (omega * capacitance)
        return Problem(x, type(self).target(resistance, reactance), {"jitter": spread})


@dataclass(frozen=True)
class Friedman2(_Circuit):
    """Impedance of the circuit: ``sqrt(R^2 + (omega L - 1 / (omega C))^2)``."""

    name: ClassVar[str] = "friedman2"
    target: ClassVar[Callable[[Tensor, Tensor], Tensor]] = staticmethod(torch.hypot)


@dataclass(frozen=True)
class Friedman3(_Circuit):
    """Phase angle of the circuit: ``atan((omega L - 1 / (omega C)) / R)``."""

    name: ClassVar[str] = "friedman3"
    target: ClassVar[Callable[[Tensor, Tensor], Tensor]] = staticmethod(
        lambda resistance, reactance: torch.atan2(reactance, resistance)
    )


@dataclass(frozen=True)
class Polynomial(TaskFamily):
    """A sparse sum of products of 1 to ``degree`` columns with normal weights; each column is in at least one term.

    Attributes:
        degree: Most factors of a term.
        terms_per_column: Terms, as a multiple of the columns.
    """

    name: ClassVar[str] = "polynomial"
    degree: Annotated[Whole, Between(1, 8)] = (2, 3)
    terms_per_column: Annotated[Whole, Between(1, 32)] = (2, 2)

    def draw(self, z: Tensor, generator: Generator) -> Problem:
        """See :meth:`TaskFamily.draw`."""
        n_features, degree = z.shape[1], integer(*self.degree, generator)
        terms = n_features * integer(*self.terms_per_column, generator)
        factors = torch.randint(0, n_features, (terms, degree), generator=generator)
        factors[:n_features, 0] = torch.arange(n_features)
        # A term of fewer factors than the degree is padded with ones.
        used = torch.arange(degree) < torch.randint(1, degree + 1, (terms, 1), generator=generator)
        products = torch.where(used, z[:, factors], torch.ones((), dtype=z.dtype)).prod(dim=2)  # [rows, terms]
        return Problem(z, products @ normal(terms, generator=generator), {"degree": degree, "terms": terms})


@dataclass(frozen=True)
class GaussianProcess(TaskFamily):
    """A draw from a Gaussian process with a Matern kernel of random length scale, by 128 random Fourier features.

    A Matern kernel of smoothness nu has a spectral density that falls as Student's t with 2 nu degrees of freedom:
    few give a rough target, many the squared exponential kernel's. The kernel is either that of the distance over
    all columns or the product of one kernel a column.

    Sources: Rahimi and Recht, Random features for large-scale kernel machines, NeurIPS 2007; Rasmussen and Williams,
    Gaussian Processes for Machine Learning (2006), equation 4.15.

    Attributes:
        length_scale: In units of the square root of the number of columns, so that wide problems are no rougher;
            drawn log-uniformly.
        spectral_decay: 2 nu, drawn evenly.
        product: Probability of the product kernel.
    """

    name: ClassVar[str] = "gaussian_process"
    length_scale: Annotated[Range, Between(0.01, 1000)] = (0.5, 3.0)
    spectral_decay: Annotated[Whole, Between(1, 1000)] = (2, 30)
    product: Annotated[float, Between(0, 1)] = 0.5

    def draw(self, z: Tensor, generator: Generator) -> Problem:
        """See :meth:`TaskFamily.draw`."""
        length_scale = log_uniform(*self.length_scale, generator)
        decay = integer(*self.spectral_decay, generator)
        product = uniform(0.0, 1.0, generator) < self.product
        frequency = normal(z.shape[1], N_WAVES, generator=generator) / (length_scale * math.sqrt(z.shape[1]))
        # A normal number over the root mean square of others has Student's distribution.
        others = normal(decay, z.shape[1] if product else 1, N_WAVES, generator=generator)
        frequency = frequency / others.square().mean(dim=0).sqrt()
        phase = 2 * math.pi * torch.rand(N_WAVES, generator=generator, dtype=torch.float64)
        waves = math.sqrt(2 / N_WAVES) * torch.cos(z @ frequency + phase)  # [rows, n_waves]
        drawn = {"length_scale": length_scale, "spectral_decay": decay, "kernel": "product" if product else "isotropic"}
        return Problem(z, waves @ normal(N_WAVES, generator=generator), drawn)


@dataclass(frozen=True)
class ObliviousTrees(TaskFamily):
    """A sum of oblivious trees: every level of a tree asks one question of one column, and leaves are normal.

    Source: the trees of Prokhorenkova et al., CatBoost, NeurIPS 2018, section 4. Columns are dealt to the questions in
    turn, so that each is asked about; there are more trees than asked for where that needs them. A threshold is a
    quantile of its column, between the tenth and the ninetieth.

    Attributes:
        n_trees: Trees.
        depth: Questions of each tree; it has two to that power leaves.
    """

    name: ClassVar[str] = "oblivious_trees"
    n_trees: Annotated[Whole, Between(1, 1024)] = (1, 16)
    depth: Annotated[Whole, Between(1, 10)] = (1, 4)

    def draw(self, z: Tensor, generator: Generator) -> Problem:
        """See :meth:`TaskFamily.draw`."""
        depth = integer(*self.depth, generator)
        trees = max(integer(*self.n_trees, generator), math.ceil(z.shape[1] / depth))
        rounds = math.ceil(trees * depth / z.shape[1])  # every column once before any comes twice
        column = torch.cat([torch.randperm(z.shape[1], generator=generator) for _ in range(rounds)])[: trees * depth]
        answers = (z[:, column] > _thresholds(z[:, column], generator)).view(len(z), trees, depth)
        leaf = (answers * 2 ** torch.arange(depth)).sum(dim=2)  # [rows, trees]
        values = normal(2**depth, trees, generator=generator)
        return Problem(z, values.gather(0, leaf).sum(dim=1), {"n_trees": trees, "depth": depth})


def _thresholds(z: Tensor, generator: Generator) -> Tensor:
    """Draw a value midway between two neighbors of each column, [columns]."""
    ordered = z.sort(dim=0).values
    share = MARGIN + (1 - 2 * MARGIN) * torch.rand(z.shape[1], generator=generator, dtype=torch.float64)
    below = (share * (len(z) - 1)).long().clamp(0, len(z) - 2)
    pair = torch.stack([below, below + 1])
    return ordered.gather(0, pair).mean(dim=0)


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

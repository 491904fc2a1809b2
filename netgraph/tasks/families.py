"""Task families: each draws random noiseless regression problems of one kind. One of the two registries."""

import math
from abc import ABC, abstractmethod

import torch
from torch import Generator, Tensor

from netgraph.errors import NetGraphError
from netgraph.tasks.inputs import columns, integer, jitter, normal, normal_columns, uniform, unit_interval

#: Standard deviation of the logarithm of the factors that make two Friedman tasks differ.
FRIEDMAN_JITTER = 0.3


class TaskFamily(ABC):
    """The contract of a task family.

    Attributes:
        name: Its key in the registry.
        min_features: Fewest columns its target can be made of.
        max_features: Most columns its target can be made of; None where there is no limit.
    """

    name: str
    min_features: int = 1
    max_features: int | None = None

    @abstractmethod
    def draw(self, n_features: int, rows: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Draw one noiseless problem; every column bears on the target.

        Args:
            n_features: Number of columns, from ``min_features`` to ``max_features``.
            rows: Number of rows.
            generator: The only source of randomness.

        Returns:
            x, [rows, n_features], and the noiseless target, [rows], both float64, finite, in any units.
        """


_REGISTRY: dict[str, TaskFamily] = {}


def register(family: TaskFamily) -> TaskFamily:
    """Add a family to the registry.

    Args:
        family: The family; its name must be new.

    Returns:
        The same family.

    Raises:
        NetGraphError: A family of that name is there already.
    """
    if family.name in _REGISTRY:
        raise NetGraphError(f"task family '{family.name}' is registered already")
    _REGISTRY[family.name] = family
    return family


def get_family(name: str) -> TaskFamily:
    """The family of that name.

    Raises:
        NetGraphError: There is none; the message lists those there are.
    """
    if name not in _REGISTRY:
        raise NetGraphError(f"unknown task family '{name}'; known: {', '.join(family_names())}")
    return _REGISTRY[name]


def family_names() -> tuple[str, ...]:
    """Names of all registered families, in the order of their registration."""
    return tuple(_REGISTRY)


class Linear(TaskFamily):
    """A weighted sum of the columns with normal weights."""

    name = "linear"

    def draw(self, n_features: int, rows: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """See :meth:`TaskFamily.draw`."""
        x = columns(n_features, rows, generator)
        return x, x @ normal(n_features, generator=generator)


class Friedman1(TaskFamily):
    """``10 sin(pi x0 x1) + 20 (x2 - 0.5)^2 + 10 x3 + 5 x4`` on [0, 1], coefficients jittered.

    Source: Friedman, Multivariate adaptive regression splines, Annals of Statistics 19 (1991), section 4.3.
    """

    name = "friedman1"
    min_features = 5
    max_features = 5

    def draw(self, n_features: int, rows: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """See :meth:`TaskFamily.draw`."""
        x = unit_interval(normal_columns(n_features, rows, generator))
        a, b, c, d, frequency, center = jitter(6, FRIEDMAN_JITTER, generator)
        wave = torch.sin(math.pi * frequency * x[:, 0] * x[:, 1])
        return x, 10 * a * wave + 20 * b * (x[:, 2] - 0.5 * center) ** 2 + 10 * c * x[:, 3] + 5 * d * x[:, 4]


class _Circuit(TaskFamily):
    """Resistance, angular frequency, inductance and capacitance of an alternating-current circuit.

    Source: Friedman (1991), section 4.4. The ends of each column's range are jittered.
    """

    min_features = 4
    max_features = 4

    def draw(self, n_features: int, rows: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """See :meth:`TaskFamily.draw`."""
        low = torch.tensor([0.0, 40 * math.pi, 0.0, 1.0], dtype=torch.float64)
        width = torch.tensor([100.0, 520 * math.pi, 1.0, 10.0], dtype=torch.float64)
        low, width = (
            low * jitter(4, FRIEDMAN_JITTER, generator),
            width * jitter(4, FRIEDMAN_JITTER, generator),
        )
        x = low + width * unit_interval(normal_columns(n_features, rows, generator))
        resistance, omega, inductance, capacitance = x.unbind(1)
        return x, self.target(resistance, omega * inductance - 1 / (omega * capacitance))

    @abstractmethod
    def target(self, resistance: Tensor, reactance: Tensor) -> Tensor:
        """What is measured of the circuit, [rows]."""


class Friedman2(_Circuit):
    """Impedance of the circuit: ``sqrt(R^2 + (omega L - 1 / (omega C))^2)``."""

    name = "friedman2"

    def target(self, resistance: Tensor, reactance: Tensor) -> Tensor:
        """See :meth:`_Circuit.target`."""
        return torch.hypot(resistance, reactance)


class Friedman3(_Circuit):
    """Phase angle of the circuit: ``atan((omega L - 1 / (omega C)) / R)``."""

    name = "friedman3"

    def target(self, resistance: Tensor, reactance: Tensor) -> Tensor:
        """See :meth:`_Circuit.target`."""
        return torch.atan2(reactance, resistance)


class MLPTeacher(TaskFamily):
    """The output of a random multilayer perceptron of 1 to 3 hidden layers, 8 to 32 wide."""

    name = "mlp_teacher"
    activations = (torch.tanh, torch.relu, torch.sigmoid, torch.nn.functional.elu, torch.sin)

    def draw(self, n_features: int, rows: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """See :meth:`TaskFamily.draw`."""
        x = columns(n_features, rows, generator)
        depth, width = integer(1, 3, generator), integer(8, 32, generator)
        activation = self.activations[integer(0, len(self.activations) - 1, generator)]
        gain = uniform(1.0, 2.5, generator)
        hidden = x
        for _ in range(depth):
            weight = normal(hidden.shape[1], width, generator=generator) * gain / math.sqrt(hidden.shape[1])
            hidden = activation(hidden @ weight + 0.5 * normal(width, generator=generator))  # [rows, width]
        return x, hidden @ normal(width, generator=generator)


class Polynomial(TaskFamily):
    """A sparse sum of products of 1 to ``degree`` columns (2 or 3); each column is in at least one term."""

    name = "polynomial"

    def draw(self, n_features: int, rows: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """See :meth:`TaskFamily.draw`."""
        x = columns(n_features, rows, generator)
        degree = integer(2, 3, generator)
        terms = 2 * n_features
        factors = torch.randint(0, n_features, (terms, degree), generator=generator)
        factors[:n_features, 0] = torch.arange(n_features)
        # A term of fewer factors than the degree has ones in the places that are left.
        used = torch.arange(degree) < torch.randint(1, degree + 1, (terms, 1), generator=generator)
        products = torch.where(used, x[:, factors], torch.ones((), dtype=x.dtype)).prod(dim=2)  # [rows, terms]
        return x, products @ normal(terms, generator=generator)


class Fourier(TaskFamily):
    """A draw from a Gaussian process with an RBF kernel of random length scale, by random Fourier features.

    Source: Rahimi and Recht, Random features for large-scale kernel machines, NeurIPS 2007.
    """

    name = "fourier"
    n_waves = 128

    def draw(self, n_features: int, rows: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """See :meth:`TaskFamily.draw`."""
        x = columns(n_features, rows, generator)
        length_scale = math.sqrt(n_features) * math.exp(uniform(math.log(0.5), math.log(3.0), generator))
        frequency = normal(n_features, self.n_waves, generator=generator) / length_scale
        phase = 2 * math.pi * torch.rand(self.n_waves, generator=generator, dtype=torch.float64)
        waves = math.sqrt(2 / self.n_waves) * torch.cos(x @ frequency + phase)  # [rows, n_waves]
        return x, waves @ normal(self.n_waves, generator=generator)


for _family in (Linear(), Friedman1(), Friedman2(), Friedman3(), MLPTeacher(), Polynomial(), Fourier()):
    register(_family)

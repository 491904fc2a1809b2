"""The contract of a task family, and the registry of families: one of the two registries."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from torch import Generator, Tensor

from netgraph.errors import NetGraphError
from netgraph.tasks.inputs import columns
from netgraph.tasks.settings import Settings, check_settings
from netgraph.tasks.task import Description


class Inputs(NamedTuple):
    """Columns before the target is drawn: z, [rows, n_features] float64, and the hyper-parameters drawn for them."""

    z: Tensor
    drawn: Description


class Problem(NamedTuple):
    """A noiseless problem: x, [rows, n_features], target, [rows], both float64, and the hyper-parameters drawn."""

    x: Tensor
    target: Tensor
    drawn: Description


@dataclass(frozen=True)
class TaskFamily(Settings, ABC):
    """The contract of a task family: random noiseless regression problems of one kind.

    A subclass is a frozen dataclass. Its fields are its recipe, each with a default and limits
    (:class:`~netgraph.tasks.settings.Between`); a range is drawn from anew for every task. Modifiers act on the
    columns between :meth:`inputs` and :meth:`draw`.

    Attributes:
        name: Its key in the registry.
        min_features: Fewest columns of its target.
        max_features: Most columns of its target; None where there is no limit.
        keeps_columns: Whether :meth:`draw` returns the columns unchanged, the target a function of them.
    """

    name: ClassVar[str]
    min_features: ClassVar[int] = 1
    max_features: ClassVar[int | None] = None
    keeps_columns: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Check the fields.

        Raises:
            NetGraphError: A value is not allowed; the message names ``families.<name>.<key>``.
        """
        check_settings(self, f"families.{self.name}")

    def inputs(self, n_features: int, rows: int, generator: Generator) -> Inputs:
        """Draw columns of mean 0 and variance 1, [rows, n_features]; normal or uniform where not overridden."""
        return Inputs(columns(n_features, rows, generator), {})

    @abstractmethod
    def draw(self, z: Tensor, generator: Generator) -> Problem:
        """Draw one noiseless problem in which every column bears on the target.

        Args:
            z: Columns of mean 0 and variance 1, about, [rows, n_features] float64, with ``n_features`` from
                ``min_features`` to ``max_features``.
            generator: The only source of randomness.

        Returns:
            The problem, finite, in any units.
        """


_REGISTRY: dict[str, TaskFamily] = {}


def register(family: TaskFamily) -> TaskFamily:
    """Add a family, with the settings it has by default, to the registry.

    Args:
        family: The family; its name must be new.

    Returns:
        The same family.

    Raises:
        NetGraphError: A family of that name is there already.

    Example:
        >>> register(get_family("linear"))
        Traceback (most recent call last):
        netgraph.errors.NetGraphError: task family 'linear' is registered already
    """
    if family.name in _REGISTRY:
        raise NetGraphError(f"task family '{family.name}' is registered already")
    _REGISTRY[family.name] = family
    return family


def get_family(name: str) -> TaskFamily:
    """Return the family of a name, with its default settings.

    Raises:
        NetGraphError: There is none; the message lists the names.

    Example:
        >>> get_family("friedman1").min_features
        5
    """
    if name not in _REGISTRY:
        raise NetGraphError(f"unknown task family '{name}'; known: {', '.join(family_names())}")
    return _REGISTRY[name]


def family_names() -> tuple[str, ...]:
    """Return the names of all registered families, in the order of their registration.

    Example:
        >>> family_names()[0]
        'linear'
    """
    return tuple(_REGISTRY)

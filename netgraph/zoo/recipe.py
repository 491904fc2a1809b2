"""The recipe of a zoo: every property of its tasks, architectures and trainings is a distribution in a YAML file."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Self

from netgraph.errors import NetGraphError
from netgraph.inputs import recipe_path
from netgraph.reading import building, read_yaml
from netgraph.tasks import TaskRecipe
from netgraph.tasks.dataset import find_entry
from netgraph.tasks.settings import NAMES, Between, Settings, check_settings, configure, require, settings_of
from netgraph.zoo.architectures import ArchitectureRecipe
from netgraph.zoo.fit_recipe import FitRecipe

#: Fewest rows of a task, so that a part of them can be kept for validation.
MIN_ROWS = 8


@dataclass(frozen=True, repr=False)
class ZooRecipe(Settings):
    """Recipe of a zoo. The defaults are the recipe ``quick``.

    Attributes:
        n_tasks: Number of tasks.
        n_test_tasks: Number of test tasks, the last ones.
        nets_per_task: Networks trained on each task, copies included; their architectures differ where the recipe has
            enough of them.
        copies: Networks of one architecture on one task, from other initial weights and with other trainings.
        tasks_per_shard: Tasks whose networks are trained side by side and written at once: a process holds the states
            of all their networks, trajectories included, about three times.
        seed: Seed of everything random.
        real: Real data sets, see :func:`~netgraph.tasks.load_real`, each one of the first tasks.
        real_test: Real data sets, each one of the last tasks.
        tasks: Distribution of random tasks.
        architectures: Distribution of architectures.
        training: Distribution of trainings.

    Example:
        >>> recipe = ZooRecipe.load("tiny").changed(n_tasks=5, n_test_tasks=1, tasks={"rows": 64})
        >>> recipe.n_tasks, recipe.tasks.rows
        (5, 64)
    """

    n_tasks: Annotated[int, Between(1)] = 600
    n_test_tasks: Annotated[int, Between(0)] = 60
    nets_per_task: Annotated[int, Between(1)] = 20
    copies: Annotated[int, Between(1)] = 1
    tasks_per_shard: Annotated[int, Between(1)] = 40
    seed: Annotated[int, Between(0, 2**62)] = 0
    real: Annotated[tuple[str, ...], NAMES] = ()
    real_test: Annotated[tuple[str, ...], NAMES] = ()
    tasks: TaskRecipe = field(default_factory=TaskRecipe)
    architectures: ArchitectureRecipe = field(default_factory=ArchitectureRecipe)
    training: FitRecipe = field(default_factory=FitRecipe)

    def __post_init__(self) -> None:
        """Check the values and how the parts fit together.

        Raises:
            NetGraphError: When a value makes no sense; it names the key and the rule.
        """
        check_settings(self, "")
        n_train = self.n_tasks - self.n_test_tasks
        require(n_train >= 1, "n_test_tasks", self.n_test_tasks, f"less than n_tasks, {self.n_tasks}")
        require(self.tasks.rows >= MIN_ROWS, "tasks.rows", self.tasks.rows, f"at least {MIN_ROWS}")
        n_validation = self.training.n_validation(self.tasks.rows)
        rule = f"a share that leaves at least 2 of {self.tasks.rows} rows on either side"
        share = self.training.validation_share
        require(2 <= n_validation <= self.tasks.rows - 2, "training.validation_share", share, rule)
        require(len(self.real) <= n_train, "real", self.real, f"at most as many as there are train tasks, {n_train}")
        rule = f"at most as many as there are test tasks, {self.n_test_tasks}, each once, and none of {list(self.real)}"
        ids = [find_entry(name) or name for name in (*self.real, *self.real_test)]
        apart = len(set(ids)) == len(ids)
        require(apart and len(self.real_test) <= self.n_test_tasks, "real_test", self.real_test, rule)

    @property
    def n_shards(self) -> int:
        """Number of shards."""
        return -(-self.n_tasks // self.tasks_per_shard)

    @property
    def digest(self) -> str:
        """A hash of everything in the recipe."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def changed(self, **values: Any) -> Self:
        """Return the recipe with other values; of ``tasks``, ``architectures`` and ``training`` mappings of changes.

        Raises:
            NetGraphError: When a key is unknown or a value makes no sense.
        """
        plain = settings_of(self)
        for key in ("tasks", *_SECTIONS):
            if key in values:
                section = plain[key]
                values[key] = configure(type(section), settings_of(section) | dict(values[key]), key)
        return configure(type(self), plain | values, "")

    @classmethod
    def load(cls, source: str | Path) -> Self:
        """Read a YAML file, or a recipe that comes with netgraph by its name.

        Raises:
            NetGraphError: When there is no such file or name, or it holds an unknown key or a bad value.
        """
        path = recipe_path(source)
        values = read_yaml(path)
        return cls.from_dict({} if values is None else values, str(path))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], name: str = "recipe") -> Self:
        """Make a recipe of plain values; keys that are not given keep their defaults.

        Raises:
            NetGraphError: When a key is unknown or a value makes no sense.
        """
        if not isinstance(values, Mapping):
            raise NetGraphError(f"{name}: a recipe is a mapping of keys to values")
        with building(name):
            sections = {key: configure(kind, values[key], key) for key, kind in _SECTIONS.items() if key in values}
            if "tasks" in values:
                sections["tasks"] = TaskRecipe.from_dict(values["tasks"], "tasks.")
            return configure(cls, {**values, **sections}, "")


_SECTIONS: dict[str, type[Any]] = {"architectures": ArchitectureRecipe, "training": FitRecipe}

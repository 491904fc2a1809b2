"""The recipe of random tasks: families, modifiers, sizes and noise."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Self

from netgraph.errors import NetGraphError
from netgraph.tasks.check import MIN_ROWS
from netgraph.tasks.families import TaskFamily, family_names, get_family
from netgraph.tasks.modifiers import MODIFIERS, Modifier
from netgraph.tasks.settings import (
    Allowed,
    Between,
    Range,
    Settings,
    Whole,
    check_settings,
    configure,
    is_number,
    is_range,
    require,
    settings_of,
)

#: Fewest rows for the filter of learnable tasks.
MIN_LEARNABLE_ROWS = 8
_RATIO = Allowed(
    "two numbers above 0, the smaller first, or null for no noise",
    lambda value: value is None or is_range(value, 1e-12, 1e30),
)


@dataclass(frozen=True, repr=False)
class TaskRecipe(Settings):
    """Distribution of random tasks in plain values; :meth:`from_dict` inverts ``dataclasses.asdict``.

    Attributes:
        families: Weight of each task family; or a mapping of its ``weight`` (1 where it is left out) and of settings
            that differ from the family's defaults, as in ``gaussian_process: {weight: 2, length_scale: [0.5, 3]}``.
        modifiers: The modifiers that may act, ``collinearity``, ``heavy_tails``, ``discretization`` and
            ``heteroscedasticity``, each with the settings that differ from its defaults, such as its ``probability``;
            and ``classes``, which makes the target classes, in a recipe that names it.
        n_features: Fewest and most columns of a task, distractors included. The fewest rise to the need of the least
            demanding family.
        rows: Rows of each task.
        signal_to_noise: Least and largest ratio of the target's variance to the noise's, drawn log-uniformly; it holds
            exactly on the rows of the task. None for no noise.
        distractors: Least and largest share of the columns that the target does not depend on, drawn evenly and
            rounded down; a family that takes fewer columns than a task has leaves the others to distractors.
        learnable: Draw again a task that extra-trees predict no better than its mean, see
            :func:`~netgraph.tasks.draw.learnable_r2`; 100 such draws in a row are an error.
    """

    families: Mapping[str, float | Mapping[str, Any]] = field(
        default_factory=lambda: dict.fromkeys(family_names(), 1.0)
    )
    modifiers: Mapping[str, Mapping[str, Any]] = field(
        default_factory=lambda: {name: {} for name, kind in MODIFIERS.items() if kind.default}
    )
    n_features: Annotated[Whole, Between(1)] = (2, 10)
    rows: Annotated[int, Between(MIN_ROWS)] = 128
    signal_to_noise: Annotated[Range | None, _RATIO] = (10.0, 1000.0)
    distractors: Annotated[Range, Between(0, 1)] = (0.0, 0.5)
    learnable: Annotated[bool, Allowed("true or false", lambda value: isinstance(value, bool))] = True

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            NetGraphError: One is not allowed; the message names the key and the rule.
        """
        check_settings(self, "")
        least = MIN_LEARNABLE_ROWS if self.learnable else MIN_ROWS
        require(self.rows >= least, "rows", self.rows, f"a whole number at least {least}")
        for key, known in (("families", family_names()), ("modifiers", tuple(MODIFIERS))):
            chosen = getattr(self, key)
            require(isinstance(chosen, dict), key, chosen, f"a mapping with some of {', '.join(known)}")
            for name in chosen:
                if name not in known:
                    raise NetGraphError(f"{key}.{name}: unknown; known: {', '.join(known)}")
        require(sum(self.weights.values()) > 0, "families", self.families, "weights, one of them above 0 at least")
        self.active_modifiers  # noqa: B018 - so that their errors come early
        fewest = min(self.configured[name].min_features for name in self.weights)
        rule = f"room for {fewest} columns, which the least demanding of the families needs"
        require(self.n_features[1] >= fewest, "n_features", self.n_features, rule)

    @cached_property
    def weights(self) -> dict[str, float]:
        """Weight of each family that has one above 0, in the order of the registry."""
        weights: dict[str, float] = {}
        for name in (known for known in family_names() if known in self.families):
            value = self.families[name]
            nested = isinstance(value, Mapping)
            weight: Any = value.get("weight", 1.0) if isinstance(value, Mapping) else value
            key, rule = f"families.{name}{'.weight' if nested else ''}", "a number at least 0"
            require(
                is_number(weight, 0, math.inf, whole=False),
                key,
                weight,
                rule if nested else f"{rule}, or a mapping of settings",
            )
            weights[name] = float(weight)
        return {name: weight for name, weight in weights.items() if weight > 0}

    @cached_property
    def configured(self) -> dict[str, TaskFamily]:
        """Each family with its settings."""
        return {name: self._configure(name, value) for name, value in self.families.items()}

    def _configure(self, name: str, value: float | Mapping[str, Any]) -> TaskFamily:
        if not isinstance(value, Mapping):
            return get_family(name)
        settings = {key: setting for key, setting in value.items() if key != "weight"}
        family = get_family(name)
        return configure(type(family), settings_of(family) | settings, f"families.{name}", more=("weight",))

    @cached_property
    def active_modifiers(self) -> tuple[Modifier, ...]:
        """The modifiers that may act, in the order in which they do."""
        modifiers = []
        for name, kind in MODIFIERS.items():
            if name in self.modifiers:
                settings = self.modifiers[name] or {}
                require(isinstance(settings, Mapping), f"modifiers.{name}", settings, "a mapping of settings")
                modifiers.append(configure(kind, settings, f"modifiers.{name}"))
        return tuple(modifiers)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], path: str = "") -> Self:
        """Make a recipe of plain values; keys that are not given keep their defaults.

        Args:
            values: Content of a YAML or JSON file.
            path: Put before the key in the messages, such as ``tasks.``.

        Raises:
            NetGraphError: A key is unknown or a value not allowed.
        """
        require(isinstance(values, Mapping), path.rstrip(".") or "recipe", values, "a mapping of keys to values")
        try:
            return configure(cls, values, "")
        except NetGraphError as error:
            raise NetGraphError(f"{path}{error}") from None

"""The recipe of a zoo: every property of its networks and tasks is a distribution in a YAML file."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml

from netgraph.errors import NetGraphError
from netgraph.graph.layers import LAYER_TYPES
from netgraph.tasks import family_names

FOLDER = Path(__file__).parents[2] / "datasets"
Weights = dict[str, float]
ACTIVATIONS = {"ReLU": 0.3, "Tanh": 0.3, "Sigmoid": 0.1, "SiLU": 0.1, "GELU": 0.08, "LeakyReLU": 0.07, "ELU": 0.05}


@dataclass(frozen=True)
class ZooRecipe:
    """What a zoo is made of. The defaults are the recipe ``quick``.

    Attributes:
        n_tasks: Number of tasks.
        n_test_tasks: The last tasks, of which no network is ever trained on.
        nets_per_task: Networks trained on each task.
        tasks_per_shard: Tasks whose networks are trained side by side and stored in one file.
        rows: Rows of each task.
        validation_share: Share of the rows on which the best step is chosen.
        families: Weight of each task family.
        inputs: Fewest and most inputs.
        depths: Weight of each number of hidden layers.
        widths: Fewest and most units of a hidden layer.
        activations: Weight of each activation.
        normalizations: Weight of each normalization after a hidden linear layer; ``none`` for none.
        skips: Weight of ``none``, ``Add`` (the activation plus its pre-activation) and ``Concat`` (joined with the
            inputs).
        bias: Probability that a hidden linear layer has a bias.
        steps: Steps of training.
        batch_rows: Rows in a step.
        learning_rate: Least and largest learning rate, drawn log-uniformly for each network.
        weight_decay: Least and largest decoupled weight decay, likewise.
        seed: Fixes everything.
    """

    n_tasks: int = 600
    n_test_tasks: int = 60
    nets_per_task: int = 20
    tasks_per_shard: int = 40
    rows: int = 128
    validation_share: float = 0.25
    families: Weights = field(default_factory=lambda: dict.fromkeys(family_names(), 1.0))
    inputs: tuple[int, int] = (2, 10)
    depths: Weights = field(default_factory=lambda: {"1": 1.0, "2": 1.0, "3": 1.0})
    widths: tuple[int, int] = (4, 8)
    activations: Weights = field(default_factory=lambda: dict(ACTIVATIONS))
    normalizations: Weights = field(default_factory=lambda: {"none": 0.93, "LayerNorm": 0.05, "BatchNorm1d": 0.02})
    skips: Weights = field(default_factory=lambda: {"none": 0.92, "Add": 0.05, "Concat": 0.03})
    bias: float = 1.0
    steps: int = 300
    batch_rows: int = 48
    learning_rate: tuple[float, float] = (0.005, 0.1)
    weight_decay: tuple[float, float] = (1e-5, 1e-3)
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            NetGraphError: When one makes no sense; it names the key.
        """
        for key, known in (("families", family_names()), ("activations", LAYER_TYPES), ("depths", None)):
            _check_weights(key, getattr(self, key), known)
        _check_weights("normalizations", self.normalizations, ("none", "LayerNorm", "BatchNorm1d"))
        _check_weights("skips", self.skips, ("none", "Add", "Concat"))
        for key in ("n_tasks", "nets_per_task", "tasks_per_shard", "steps", "batch_rows"):
            _require(getattr(self, key) >= 1, key, getattr(self, key), "at least 1")
        _require(0 <= self.n_test_tasks < self.n_tasks, "n_test_tasks", self.n_test_tasks, "less than n_tasks")
        _require(0 < self.validation_share < 1, "validation_share", self.validation_share, "between 0 and 1")
        _require(self.rows >= 8, "rows", self.rows, "at least 8")
        for key in ("inputs", "widths", "learning_rate", "weight_decay"):
            low, high = getattr(self, key)
            _require(0 < low <= high, key, (low, high), "two positive numbers, the smaller first")

    @property
    def n_shards(self) -> int:
        """Number of shards."""
        return -(-self.n_tasks // self.tasks_per_shard)

    @property
    def digest(self) -> str:
        """A hash of everything in the recipe."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @classmethod
    def load(cls, source: str | Path) -> Self:
        """Read a YAML file, or a recipe that comes with netgraph by its name.

        Raises:
            NetGraphError: When there is no such file or name, or it holds an unknown key or a bad value.
        """
        path = Path(source)
        if path.suffix not in (".yaml", ".yml"):
            path = FOLDER / f"{source}.yaml"
            if source == "quick" and not path.is_file():
                return cls()
        if not path.is_file():
            known = ", ".join(sorted(p.stem for p in FOLDER.glob("*.yaml"))) or "quick"
            raise NetGraphError(f"no recipe {str(source)!r}; known: {known}")
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise NetGraphError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
        return cls.from_dict(values or {}, str(path))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], name: str = "recipe") -> Self:
        """Make a recipe of plain values; keys that are not given keep their defaults.

        Raises:
            NetGraphError: When a key is unknown or a value makes no sense.
        """
        if not isinstance(values, Mapping):
            raise NetGraphError(f"{name}: a recipe is a mapping of keys to values")
        defaults = {f.name: getattr(cls(), f.name) for f in dataclasses.fields(cls)}
        converted = {}
        for key, value in values.items():
            if key not in defaults:
                raise NetGraphError(f"{name}: unknown key {key!r}; known: {', '.join(defaults)}")
            converted[key] = _convert(name, key, value, defaults[key])
        try:
            return cls(**converted)
        except NetGraphError as error:
            raise NetGraphError(f"{name}: {error}") from None


def _convert(name: str, key: str, value: Any, default: Any) -> Any:
    try:
        if isinstance(default, dict):
            return {str(choice): float(weight) for choice, weight in dict(value).items()}
        if isinstance(default, tuple):
            low, high = value
            return type(default[0])(low), type(default[0])(high)
        return type(default)(value)
    except (TypeError, ValueError):
        raise NetGraphError(f"{name}: {key} is {value!r}; expected something like {default!r}") from None


def _require(holds: bool, key: str, value: Any, rule: str) -> None:
    if not holds:
        raise NetGraphError(f"{key} is {value}; it must be {rule}")


def _check_weights(key: str, weights: Weights, known: Any) -> None:
    for choice, weight in weights.items():
        _require(weight >= 0, f"{key}.{choice}", weight, "at least 0")
        _require(known is None or choice in known, f"{key}.{choice}", weight, f"one of {', '.join(known or ())}")
    _require(sum(weights.values()) > 0, key, weights, "a distribution with some weight")

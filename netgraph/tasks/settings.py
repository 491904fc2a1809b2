"""Settings of families and modifiers: fields that carry their own limits, checked with the key path in the message."""

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

from netgraph.errors import NetGraphError
from netgraph.html import Html, flat, fragment, paragraph, table_html

#: Fewest and most of what is drawn anew for each task.
Range = tuple[float, float]
Whole = tuple[int, int]
#: Weight of each of some names, by which one of them is drawn.
Weights = dict[str, float]
Made = TypeVar("Made")


@dataclass(frozen=True)
class Between:
    """Limits of a number, or of both ends of a range; an annotation of a field: ``Annotated[Range, Between(0, 1)]``.

    A field whose default is whole admits whole numbers only, one whose default is a pair a pair with the smaller first.

    Attributes:
        low: Least value allowed.
        high: Largest value allowed.
    """

    low: float
    high: float = math.inf

    def allows(self, value: Any, default: Any) -> bool:
        """Return whether a value may stand where the default does."""
        if isinstance(default, tuple):
            return is_range(value, self.low, self.high, isinstance(default[0], int))
        return is_number(value, self.low, self.high, isinstance(default, int))

    def rule(self, default: Any) -> str:
        """Return the rule in words."""
        pair = isinstance(default, tuple)
        whole = "whole " if isinstance(default[0] if pair else default, int) else ""
        limits = f"at least {self.low:g}" if self.high == math.inf else f"from {self.low:g} to {self.high:g}"
        return f"two {whole}numbers {limits}, the smaller first" if pair else f"a {whole}number {limits}"


@dataclass(frozen=True)
class Allowed:
    """Rule of a setting that is no number; an annotation of a field.

    Attributes:
        words: The rule in words.
        test: Returns whether a value keeps it.
    """

    words: str
    test: Callable[[Any], bool]

    def allows(self, value: Any, default: Any) -> bool:
        """Return whether a value may stand where the default does."""
        return self.test(value)

    def rule(self, default: Any) -> str:
        """Return the rule in words."""
        return self.words


class Settings:
    """Base of recipes: a prompt shows the settings that differ from the defaults, a notebook all of them.

    A subclass is a dataclass whose fields have defaults, with ``repr=False``.
    """

    def __repr__(self) -> str:
        default = settings_of(type(self)())
        changed = [f"{name}={value!r}" for name, value in settings_of(self).items() if value != default[name]]
        return f"{type(self).__name__}({', '.join(changed)})"

    def _repr_html_(self) -> str:
        return fragment(paragraph(type(self).__name__), self.table())

    def table(self) -> Html:
        """Return all settings as a table, with defaults beside values that differ."""
        instance: Any = self
        default = dict(flat(asdict(type(instance)())))
        rows = [[key, text, default.get(key, "–")] for key, text in flat(asdict(instance))]
        return table_html(
            ["setting", "value", "default"], [[key, text, "" if text == usual else usual] for key, text, usual in rows]
        )


def some_of(names: Iterable[str]) -> Allowed:
    """Allow a list of some of the names, of one at least."""
    known = tuple(names)
    return Allowed(
        f"a list of some of {', '.join(known)}", lambda value: bool(value) and _are(value, known.__contains__)
    )


def one_of(*names: str) -> Allowed:
    """Allow one of the names."""
    return Allowed(f"one of {', '.join(names)}", names.__contains__)


def weighted(names: Iterable[str]) -> Allowed:
    """Allow a weight for each of some names, by which one of them is drawn."""
    known = tuple(names)

    def test(value: Any) -> bool:
        named = isinstance(value, Mapping) and all(str(name) in known for name in value)
        return named and all(is_number(one, 0, math.inf, False) for one in value.values()) and sum(value.values()) > 0

    return Allowed(f"a weight at least 0 for some of {', '.join(known)}, one of them above 0", test)


#: A list of names, each once.
NAMES = Allowed(
    "a list of names, each once",
    lambda value: _are(value, lambda one: isinstance(one, str)) and len(set(value)) == len(value),
)


def _are(values: Any, test: Callable[[Any], bool]) -> bool:
    return isinstance(values, tuple) and all(test(one) for one in values)


def configure(cls: type[Made], values: Mapping[str, Any], path: str, more: tuple[str, ...] = ()) -> Made:
    """Make a recipe, or a part of one, of plain values.

    Args:
        cls: Its class.
        values: The settings that differ from the defaults.
        path: Where they stand in the recipe, for the messages; empty at its top.
        more: Keys that may stand beside them, read elsewhere.

    Raises:
        NetGraphError: It is no mapping, a key is unknown or a value not allowed; it names the key and the rule.
    """
    require(isinstance(values, Mapping), path or "recipe", values, "a mapping of keys to values")
    known = [one.name for one in fields(cls)]  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            raise NetGraphError(f"{_under(path, key)}: unknown key; known: {', '.join((*more, *known))}")
    return cls(**values)


def settings_of(instance: Any) -> dict[str, Any]:
    """Return the settings of a recipe, or of a part of one, by name."""
    return {one.name: getattr(instance, one.name) for one in fields(instance)}


def check_settings(instance: Any, path: str) -> None:
    """Check every field with limits in its annotation; turn lists into tuples and the keys of mappings into names.

    Numbers of such fields, as 1e-3, may come as text.

    Raises:
        NetGraphError: A value is not allowed.
    """
    for one in fields(instance):
        limits = getattr(one.type, "__metadata__", ())
        value = _plain(getattr(instance, one.name), bool(limits))
        object.__setattr__(instance, one.name, value)
        for limit in limits:
            require(limit.allows(value, one.default), _under(path, one.name), value, limit.rule(one.default))


def _under(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _plain(value: Any, numeric: bool) -> Any:
    """Return a value with plain types, text as a number where it must be: YAML reads 1e-3, without a point, as text."""
    if isinstance(value, list | tuple):
        return tuple(_plain(one, numeric) for one in value)
    if isinstance(value, Mapping):
        return {str(key): _plain(one, numeric) for key, one in value.items()}
    if numeric and isinstance(value, str) and value[:1].isdigit():
        with suppress(ValueError):
            return float(value)
    return value


def is_range(value: Any, low: float, high: float, whole: bool = False) -> bool:
    """Return whether a value is two numbers within limits, the smaller first."""
    pair = isinstance(value, tuple | list) and len(value) == 2
    return pair and all(is_number(one, low, high, whole) for one in value) and value[0] <= value[1]


def is_number(value: Any, low: float, high: float, whole: bool) -> bool:
    """Return whether a value is a number within limits, and whole if it must be."""
    kind = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    return kind and low <= value <= high and abs(value) < (2**63 if isinstance(value, int) else math.inf)


def require(holds: bool, key: str, value: Any, rule: str) -> None:
    """Raise an error that names the key, its value and the rule, unless the rule holds.

    Raises:
        NetGraphError: It does not.
    """
    if not holds:
        raise NetGraphError(f"{key} is {value!r}; it must be {rule}")

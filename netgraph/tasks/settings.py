"""Settings of families and modifiers: fields that carry their own limits, checked with the key path in the message."""

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from netgraph.errors import NetGraphError

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
        """Say whether a value may stand where the default does."""
        if isinstance(default, tuple):
            return is_range(value, self.low, self.high, isinstance(default[0], int))
        return _is_number(value, self.low, self.high, isinstance(default, int))

    def rule(self, default: Any) -> str:
        """What is allowed, in words."""
        pair = isinstance(default, tuple)
        whole = "whole " if isinstance(default[0] if pair else default, int) else ""
        limits = f"at least {self.low:g}" if self.high == math.inf else f"from {self.low:g} to {self.high:g}"
        return f"two {whole}numbers {limits}, the smaller first" if pair else f"a {whole}number {limits}"


@dataclass(frozen=True)
class SomeOf:
    """Names that a list may hold, one of them at least; an annotation of a field.

    Attributes:
        names: The names.
    """

    names: tuple[str, ...]

    def allows(self, value: Any, default: Any) -> bool:
        """Say whether a value may stand where the default does."""
        return isinstance(value, tuple) and bool(value) and all(one in self.names for one in value)

    def rule(self, default: Any) -> str:
        """What is allowed, in words."""
        return f"a list of some of {', '.join(self.names)}"


@dataclass(frozen=True)
class Names:
    """A list of names, each once; an annotation of a field."""

    def allows(self, value: Any, default: Any) -> bool:
        """Say whether a value may stand where the default does."""
        return isinstance(value, tuple) and all(isinstance(one, str) for one in value) and len(set(value)) == len(value)

    def rule(self, default: Any) -> str:
        """What is allowed, in words."""
        return "a list of names, each once"


@dataclass(frozen=True)
class OneOf:
    """Names of which a setting is one; an annotation of a field.

    Attributes:
        names: The names.
    """

    names: tuple[str, ...]

    def allows(self, value: Any, default: Any) -> bool:
        """Say whether a value may stand where the default does."""
        return value in self.names

    def rule(self, default: Any) -> str:
        """What is allowed, in words."""
        return f"one of {', '.join(self.names)}"


@dataclass(frozen=True)
class Weighted:
    """Names of which one is drawn by weight; an annotation of a field.

    Attributes:
        names: The names.
    """

    names: tuple[str, ...]

    def allows(self, value: Any, default: Any) -> bool:
        """Say whether a value may stand where the default does."""
        if not isinstance(value, Mapping) or not all(str(name) in self.names for name in value):
            return False
        return all(_is_number(weight, 0, math.inf, False) for weight in value.values()) and sum(value.values()) > 0

    def rule(self, default: Any) -> str:
        """What is allowed, in words."""
        return f"a weight at least 0 for some of {', '.join(self.names)}, one of them above 0"


def configure(cls: type[Made], values: Mapping[str, Any], path: str, more: tuple[str, ...] = ()) -> Made:
    """Make a family or a modifier of plain values.

    Args:
        cls: Its class.
        values: The settings that differ from the defaults.
        path: Where they stand in the recipe, for the messages; empty at its top.
        more: Keys that may stand beside them, read elsewhere.

    Raises:
        NetGraphError: A key is unknown or a value not allowed; it names the key and what is allowed.
    """
    known = [one.name for one in fields(cls)]  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            raise NetGraphError(f"{_under(path, key)}: unknown key; known: {', '.join((*more, *known))}")
    return cls(**values)


def check_settings(instance: Any, path: str) -> None:
    """Check every field with limits in its annotation; turn lists into tuples and the keys of mappings into names.

    Numbers such as 1e-3 may come as text.

    Raises:
        NetGraphError: A value is not allowed.
    """
    for one in fields(instance):
        value = _plain(getattr(instance, one.name))
        object.__setattr__(instance, one.name, value)
        for limit in getattr(one.type, "__metadata__", ()):
            if not limit.allows(value, one.default):
                raise NetGraphError(f"{_under(path, one.name)} is {value!r}; it must be {limit.rule(one.default)}")


def _under(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _plain(value: Any) -> Any:
    """A value as it is checked; YAML reads 1e-3, which has no point, as text."""
    if isinstance(value, list | tuple):
        return tuple(_plain(one) for one in value)
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, str) and value[:1].isdigit():
        with suppress(ValueError):
            return float(value)
    return value


def is_range(value: Any, low: float, high: float, whole: bool = False) -> bool:
    """Say whether a value is two numbers within limits, the smaller first."""
    pair = isinstance(value, tuple | list) and len(value) == 2
    return pair and all(_is_number(one, low, high, whole) for one in value) and value[0] <= value[1]


def _is_number(value: Any, low: float, high: float, whole: bool) -> bool:
    kind = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    return kind and low <= value <= high and abs(value) < (2**63 if isinstance(value, int) else math.inf)

"""Immutable data that many graphs share: registries, and dataclasses with properties derived when they are read."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any, Generic, Self, TypeVar

from netgraph.errors import NetGraphError

Array = TypeVar("Array")
Key = TypeVar("Key")
Entry = TypeVar("Entry")


def registry(entries: Iterable[tuple[Key, Entry]]) -> Mapping[Key, Entry]:
    """Build a read-only mapping.

    Raises:
        NetGraphError: When a key stands twice.
    """
    table: dict[Key, Entry] = {}
    for key, entry in entries:
        if key in table:
            raise NetGraphError(f"{key} is registered twice")
        table[key] = entry
    return MappingProxyType(table)


class Frozen:
    """Base of a frozen dataclass with cached properties.

    A pickle holds its fields alone: cached hashes of strings are of this process, cached indices can be larger than the
    weights, and some hold functions. A copy is the object itself.
    """

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


#: State elements up to which an architecture keeps the arrays that are as long as its state.
SMALL = 20_000


class cached_if_small(Generic[Array]):  # noqa: N801 - stands where cached_property does
    """A cached property that a large architecture computes anew.

    Architectures live on in caches (a plan, a token stream), and the indices of a wide network take more memory than
    its weights.
    """

    def __init__(self, function: Callable[[Any], Array]) -> None:
        self.function, self.name, self.__doc__ = function, function.__name__, function.__doc__

    def __get__(self, architecture: Any, owner: type | None = None) -> Array:
        value = self.function(architecture)
        if architecture.state_size <= SMALL:
            architecture.__dict__[self.name] = value
        return value

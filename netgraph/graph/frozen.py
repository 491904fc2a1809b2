"""What is held once and shared by many graphs: data that never changes, and what is derived from it when asked for."""

from dataclasses import fields
from typing import Any, Self


class Frozen:
    """Base of a frozen dataclass with cached properties.

    A pickle holds its fields alone: a cached hash is of this process (Python salts those of strings), cached indices
    can be larger than the weights, and some hold functions, which no pickle takes. A copy is the object itself.
    """

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

"""Packages whose names are imported when they are first used, so that a part of one is there without all of it."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def attach(package: str, files: Mapping[str, Sequence[str]]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package.

    Args:
        package: Its name.
        files: Public names of each of its files.

    Example:
        >>> get, names = attach("netgraph", {"errors": ["NetGraphError"]})
        >>> get("NetGraphError").__name__, names()
        ('NetGraphError', ['NetGraphError'])
    """
    homes = {name: file for file, names in files.items() for name in names}

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return get, lambda: sorted(homes)

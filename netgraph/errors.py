"""Errors of wrong input: one line each, naming the file, key, column or layer."""

from collections.abc import Iterable
from difflib import get_close_matches


class NetGraphError(ValueError):
    """Base of every error that netgraph raises for wrong input. Its message is one line."""


def missing_extra(need: str, extra: str) -> NetGraphError:
    """Return the error for an optional dependency that is not installed, with the command that installs it.

    Args:
        need: Subject and package, such as "parquet needs pyarrow".
        extra: Name of the extra that installs it.
    """
    return NetGraphError(f'{need}: pip install -e ".[{extra}]" in a checkout of netgraph')


def unknown(kind: str, name: object, known: Iterable[str]) -> NetGraphError:
    """Return the error for a name that is not among those known, with the nearest of them.

    Args:
        kind: Subject, such as "preset".
        name: The name.
        known: Names that there are.

    Example:
        >>> unknown("preset", "ful", ["quick", "full"])
        NetGraphError("unknown preset 'ful'; did you mean 'full'? known: quick, full")
    """
    names = list(known)
    near = get_close_matches(str(name), names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return NetGraphError(f"unknown {kind} {name!r}; {hint}known: {', '.join(names)}")


class SimplerWarning(UserWarning):
    """A mean or a linear fit is as good as the networks of a search, and is predicted."""


class OutOfRangeError(NetGraphError, IndexError):
    """A number of a network or a task is beyond the last one; iteration ends with it."""


class UnsupportedLayerError(NetGraphError):
    """A module contains a layer or an operation that netgraph cannot represent."""


class InvalidGraphError(NetGraphError):
    """A graph or a token stream does not describe a runnable network."""


class StoreError(NetGraphError):
    """A zoo, a checkpoint or another file of netgraph is missing, damaged or of another version."""

"""One line about an object, as a prompt shows it."""

from collections.abc import Mapping, Sized
from dataclasses import fields
from typing import Any

from netgraph.reading import one_line

#: Most letters of a name, and of a value.
_NAME, _VALUE = 60, 110


def counted(count: int, noun: str) -> str:
    """Return a number with a noun, "1 row", "1,000 rows".

    Example:
        >>> counted(1, "class"), counted(1000, "row")
        ('1 class', '1,000 rows')
    """
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"


def short(name: object, most: int = _NAME) -> str:
    """Return a text in one line of at most ``most`` letters.

    Example:
        >>> short("a long name", 6)
        'a lon…'
    """
    text = one_line(name)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def brief(value: object) -> str:
    """Return a value in a short line: a tensor or an array by its shape, others of several items by their number.

    Example:
        >>> brief(torch.zeros(3, 4)), brief([1, 2]), brief(0.123456), brief("name")
        ('[3, 4]', '2 items', '0.1235', "'name'")
    """
    shape = getattr(value, "shape", None)
    if shape is not None and len(shape):
        return str(list(shape))
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Sized) and isinstance(value, list | tuple | set | frozenset | Mapping):
        return counted(len(value), "item")
    return short(repr(value), _VALUE)


class Compact:
    """Base of dataclasses that hold tensors or networks, with ``repr=False``: a prompt shows their fields in one line.

    Example:
        >>> netgraph.stack.fit_ridge(torch.randn(1, 20, 3), torch.randn(1, 20, 1))
        RidgeFit(weights=[1, 3, 1], biases=[1, 1], residual=[1, 20, 1])
    """

    def __repr__(self) -> str:
        instance: Any = self
        shown = (f"{one.name}={brief(getattr(self, one.name))}" for one in fields(instance))
        return f"{type(self).__name__}({', '.join(shown)})"

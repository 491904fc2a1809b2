"""Sizes of a network's inputs: those that may be any, and those that are the example's."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

#: An input's name and one of its dimensions.
Dimension = tuple[str, int]
#: For each input the sizes it must have, None for any; None for an input that is not a tensor.
Sizes = tuple[tuple[int | None, ...] | None, ...]


def dimensions(given: Mapping[str, Any]) -> list[Dimension]:
    """List the dimensions of all inputs that are tensors."""
    return [(name, i) for name, value in given.items() if isinstance(value, Tensor) for i in range(value.ndim)]


def resized(given: Mapping[str, Any], changed: Iterable[Dimension], rows: int) -> dict[str, Any]:
    """Repeat or cut an example along some dimensions."""
    made = dict(given)
    for name, i in changed:
        value = made[name]
        made[name] = value.index_select(i, torch.arange(rows, device=value.device) % value.shape[i]).detach()
    return made


def elastic(given: Mapping[str, Any], runs: Callable[[Mapping[str, Any]], bool]) -> set[Dimension]:
    """List the dimensions in which a module takes more than the example has.

    Args:
        given: The example inputs by name.
        runs: Whether the module runs on inputs.

    Returns:
        Those that can be larger by one or twice as large, alone or with all that have the same size.
    """

    def grows(dimension: Dimension) -> bool:
        size = _size(given, dimension)
        equal = [other for other in dimensions(given) if _size(given, other) == size]
        return size > 0 and any(
            runs(resized(given, group, rows)) for group in ([dimension], equal) for rows in (size + 1, 2 * size)
        )

    return set(filter(grows, dimensions(given)))


def widened(given: Mapping[str, Any], free: Iterable[Dimension]) -> Mapping[str, Any]:
    """Make every free size that is one two, since torch takes one for a number that cannot vary."""
    return resized(given, [dimension for dimension in free if _size(given, dimension) == 1], 2)


def narrowed(given: Mapping[str, Any], free: Iterable[Dimension]) -> Iterator[tuple[Dimension, Mapping[str, Any]]]:
    """Cut each free size to one, which torch takes for a number like any other without a check."""
    for dimension in free:
        size = _size(given, dimension)
        equal = [other for other in free if _size(given, other) == size]
        yield dimension, resized(given, [dimension], 1)
        yield dimension, resized(given, equal, 1)


def sizes_of(given: Mapping[str, Any], free: set[Dimension]) -> Sizes:
    """Return the sizes that inputs must have where some may be any."""
    return tuple(
        tuple(None if (name, i) in free else n for i, n in enumerate(value.shape))
        if isinstance(value, Tensor)
        else None
        for name, value in given.items()
    )


def warn_of_sizes(module: str, given: Mapping[str, Any], sizes: Sizes) -> None:
    """Warn that a graph holds for inputs of some sizes only."""
    shapes = (
        f"{name} [{', '.join('any' if n is None else str(n) for n in shape)}]"
        for name, shape in zip(given, sizes, strict=True)
        if shape is not None
    )
    warnings.warn(f"{module}: by sizes that forward reads, the graph holds for {', '.join(shapes)} only", stacklevel=2)


def _size(given: Mapping[str, Any], dimension: Dimension) -> int:
    name, i = dimension
    return int(given[name].shape[i])

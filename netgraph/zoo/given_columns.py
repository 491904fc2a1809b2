"""The table of networks that were trained elsewhere, and the parts of the zoo that they are in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.zoo.manifest import PARTS
from netgraph.zoo.rows import OWN

#: Names of columns that a table cannot have: the library's own.
_TAKEN = frozenset({*OWN, "r2", "seed_index", "validation_loss", "validation_accuracy"})
#: Shares of the parts ``val`` and ``test`` where none are named (chosen).
_HELD_OUT = 0.1
#: Fewest tasks that are split as wholes; the networks of fewer tasks are split one by one (chosen).
_LEAST_TASKS = 3


@dataclass(frozen=True)
class Columns:
    """Columns of a table.

    Attributes:
        numbers: Those of numbers, by name, [n] each.
        texts: All others.
    """

    numbers: dict[str, Tensor]
    texts: dict[str, list[str]]


def as_columns(table: Any, n: int) -> Columns:
    """Return the columns of a DataFrame or a mapping with a row a network.

    Whole numbers and truth values stay such, a missing number is NaN, a missing text empty; dates become texts.

    Raises:
        NetGraphError: When there are more or fewer rows, the library has a column of the name, or a column holds
            neither numbers nor texts; it names the column.
    """
    import pandas as pd

    if table is None:
        return Columns({}, {})
    if not isinstance(table, pd.DataFrame | Mapping):
        raise NetGraphError(f"table: expected a DataFrame or a mapping of columns, got {type(table).__name__}")
    columns = Columns({}, {})
    for name in table:
        if not isinstance(name, str) or not name or name in _TAKEN:
            reason = "is a column of every zoo; give it another name" if name in _TAKEN else "is no name of a column"
            raise NetGraphError(f"table: {name!r} {reason}")
        values = table[name]
        values = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
        if np.ndim(values) != 1 or len(values) != n:
            raise NetGraphError(f"table: column {name!r} has shape {np.shape(values)}; there are {n} networks")
        series = pd.Series(values).reset_index(drop=True).infer_objects()
        kind = pd.api.types.infer_dtype(series, skipna=True)
        if kind in _TEXTS:
            columns.texts[name] = series.astype("string").fillna("").tolist()
        elif kind in _NUMBERS:
            columns.numbers[name] = _numbers(series)
        else:
            raise NetGraphError(f"table: column {name!r} holds neither numbers nor texts, but {kind} values")
    return columns


#: Kinds of columns, as pandas names them.
_TEXTS = ("string", "categorical", "datetime", "datetime64", "date", "empty")
_NUMBERS = ("integer", "floating", "mixed-integer-float", "boolean")


def _numbers(series: Any) -> Tensor:
    """Return a column of numbers: truth values, whole numbers, or float64 where one is missing or broken."""
    if series.isna().any() or series.dtype.kind == "f":
        return torch.tensor(series.to_numpy(np.float64, na_value=np.nan))
    return torch.tensor(series.to_numpy(np.bool_ if series.dtype.kind == "b" else np.int64))


def as_split(split: Any, index: Sequence[int], n_tasks: int, seed: int) -> list[str]:
    """Return the part of each network.

    Args:
        split: One part for all, or one for each network or task; drawn when None: whole tasks, or networks where there
            are few tasks.
        index: Number of each network's task.
        n_tasks: Number of tasks.
        seed: Seed of the draw.

    Raises:
        NetGraphError: When there are more or fewer, or one is no part; it names the position.
    """
    n = len(index)
    if split is None:
        by_task = n_tasks >= _LEAST_TASKS
        drawn = _draw(n_tasks if by_task else n, seed)
        return [drawn[i] for i in index] if by_task else drawn
    parts = [split] * n if isinstance(split, str) else list(split)
    for i, part in enumerate(parts):
        if part not in PARTS:
            raise NetGraphError(f"split, item {i}: {part!r}; known: {', '.join(PARTS)}")
    if len(parts) == n:
        return [str(part) for part in parts]
    if len(parts) == n_tasks:
        return [str(parts[i]) for i in index]
    raise NetGraphError(f"split has {len(parts)} parts; there are {n} networks of {n_tasks} tasks")


def _draw(n: int, seed: int) -> list[str]:
    """Draw parts at random: a tenth each, at least one, is held out where there are three or more."""
    held_out = max(1, round(_HELD_OUT * n)) if n >= _LEAST_TASKS else 0
    parts = ["val"] * held_out + ["test"] * held_out + ["train"] * (n - 2 * held_out)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed)).tolist()
    return [parts[i] for i in order]

"""A table of numbers, categories and holes as a matrix of numbers."""

from typing import Any, NamedTuple

import numpy as np

from netgraph.errors import NetGraphError
from netgraph.tasks.dataset import Floats

#: Most levels of a category that becomes a column for each.
MAX_ONE_HOT = 10
#: Level of a category's missing values.
MISSING = "?"


class Encoded(NamedTuple):
    """x, [rows, features], y, [rows], the name of each column of x, and the columns of the table left out."""

    x: Floats
    y: Floats
    feature_names: tuple[str, ...]
    left_out: tuple[str, ...]


def encode(table: Any, target: str) -> Encoded:
    """Turn a pandas table into a regression problem.

    A row without a target is dropped. A numeric or boolean column stays one column; a missing number becomes the
    median of the column. Of a category's levels the missing values are one more, the last. Two levels become one column
    of 0 and 1, three to ten one such column each, more than ten one column of codes 0, 1, … in the order of the levels,
    which is the alphabet's for what comes from OpenML. Text, dates, and columns of one value or none are left out.

    Args:
        table: A pandas DataFrame; a category has the dtype ``category``.
        target: The column that is predicted.

    Returns:
        The problem, float64.

    Raises:
        NetGraphError: There is no such column, its values are not numbers, or nothing is left to predict it from.
    """
    if target not in table.columns:
        raise NetGraphError(f"no column '{target}' for the target; columns: {', '.join(map(str, table.columns))}")
    y = _numbers(table[target], target)
    known = np.isfinite(y)
    columns: dict[str, Floats] = {}
    left_out = []
    for name in table.columns.drop(target):
        coded = _code(table[name][known], str(name))
        columns |= coded
        left_out += [] if coded else [str(name)]
    if not columns or not known.any():
        raise NetGraphError(f"nothing is left to predict '{target}' from")
    return Encoded(np.stack(list(columns.values()), axis=1), y[known], tuple(columns), tuple(left_out))


def _numbers(values: Any, name: str) -> Floats:
    """The target as numbers, NaN where there is none; categories may be written as numbers."""
    try:
        return np.asarray(values.astype(object).where(values.notna(), np.nan), dtype=np.float64)
    except (TypeError, ValueError):
        raise NetGraphError(f"the target, column '{name}', holds values that are not numbers") from None


def _code(values: Any, name: str) -> dict[str, Floats]:
    """The columns that one column becomes, by name."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if values.nunique(dropna=False) < 2:
        return {}
    if values.dtype == "category":
        return _code_levels(values.cat.remove_unused_categories(), name)
    if not (is_numeric_dtype(values) or is_bool_dtype(values)):
        return {}
    numbers = values.astype("float64")
    numbers = numbers.where(np.isfinite(numbers))
    return {name: np.asarray(numbers.fillna(numbers.median()), dtype=np.float64)} if numbers.notna().any() else {}


def _code_levels(values: Any, name: str) -> dict[str, Floats]:
    codes, levels = np.asarray(values.cat.codes, dtype=np.int64), [str(level) for level in values.cat.categories]
    if (codes < 0).any():
        codes = np.where(codes < 0, len(levels), codes)
        levels.append(MISSING)
    if len(levels) > MAX_ONE_HOT:
        return {name: codes.astype(np.float64)}
    shown = range(1, 2) if len(levels) == 2 else range(len(levels))
    return {f"{name}={levels[level]}": (codes == level).astype(np.float64) for level in shown}

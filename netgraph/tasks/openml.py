"""Fetching data sets from OpenML, and coding numbers, categories and holes as a matrix of numbers."""

import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.error import HTTPError

import numpy as np

from netgraph.errors import NetGraphError
from netgraph.reading import FAILURES, one_line
from netgraph.tasks.dataset import Entry, Floats, RealDataset

#: Seconds without an answer after which OpenML counts as out of reach; scikit-learn asks four times.
TIMEOUT = 20.0
#: Most levels of a category that becomes a column for each.
MAX_ONE_HOT = 10
#: Level of a category's missing values.
MISSING = "?"


class OfflineError(NetGraphError):
    """OpenML cannot be reached."""


def fetch_entry(entry: Entry) -> tuple[RealDataset, dict[str, Any]]:
    """Fetch a data set with scikit-learn's ``fetch_openml``, check it and code its columns.

    OpenML's md5 of the file is checked; so are the rows and columns that the entry gives. How categories, holes and
    text are coded: see :func:`encode`.

    Args:
        entry: The data set.

    Returns:
        The data set, and its source, for its record.

    Raises:
        OfflineError: OpenML cannot be reached.
        NetGraphError: OpenML has no such data set, it differs from the entry, or it is no regression problem.
    """
    bunch = _fetch(entry)
    target = entry.target or bunch.details.get("default_target_attribute")
    if not target:
        raise NetGraphError(f"{entry.name}: OpenML names no target for data set {entry.openml}")
    try:
        coded = encode(bunch.frame, target)
    except NetGraphError as error:
        raise NetGraphError(f"{entry.name}: {error}") from None
    rows, columns = bunch.frame.shape
    for what, count, expected in (("rows", rows, entry.rows), ("columns", columns - 1, entry.features)):
        if expected is not None and count != expected:
            raise NetGraphError(f"{entry.name}: OpenML sent {count} {what}, expected {expected}")
    kept = ("name", "version", "md5_checksum", "url", "licence", "status")
    source = {key: bunch.details.get(key) for key in kept}
    record = {"target": target, "left_out": list(coded.omitted), "source": source}
    return RealDataset(entry.name, coded.x, coded.y, coded.feature_names), record


def _fetch(entry: Entry) -> Any:
    from sklearn.datasets import fetch_openml
    from sklearn.externals._arff import ArffException

    try:
        with _patience(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scikit-learn says with each retry what the error below says once
            return fetch_openml(data_id=entry.openml, target_column=None, as_frame=True, cache=False)
    except HTTPError as error:
        code = error.code
        error.close()
        raise NetGraphError(f"{entry.name}: OpenML answered {code} for data set {entry.openml}") from None
    except (OSError, EOFError, HTTPException) as error:  # the last two: the connection broke
        reason = getattr(error, "reason", error)
        raise OfflineError(f"{entry.name}: OpenML cannot be reached ({reason})") from None
    except (*FAILURES, ArffException) as error:  # an unknown data id, a wrong md5, a table that cannot be read
        raise NetGraphError(f"{entry.name}: {one_line(error)}") from None


@contextmanager
def _patience() -> Iterator[None]:
    """Bound the wait for an answer, which ``fetch_openml`` does not."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


class Encoded(NamedTuple):
    """x, [rows, features], y, [rows], the name of each column of x, and the columns of the table left out."""

    x: Floats
    y: Floats
    feature_names: tuple[str, ...]
    omitted: tuple[str, ...]


def encode(table: Any, target: str) -> Encoded:
    """Turn a pandas table into a regression problem.

    A row without a target is dropped. A numeric or boolean column stays one column; a missing number becomes the
    median of the column. Of a category's levels the missing values are one more, the last. Two levels become one column
    of 0 and 1, three to ten one such column each, more than ten one column of codes 0, 1, … in the order of the levels,
    which OpenML sorts by the alphabet. Text, dates, and columns of one value or none are left out.

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
    omitted = []
    for name in table.columns.drop(target):
        coded = _code(table[name][known], str(name))
        columns |= coded
        omitted += [] if coded else [str(name)]
    if not columns or not known.any():
        raise NetGraphError(f"nothing is left to predict '{target}' from")
    return Encoded(np.stack(list(columns.values()), axis=1), y[known], tuple(columns), tuple(omitted))


def _numbers(values: Any, name: str) -> Floats:
    """Return the target as numbers, NaN where there is none; categories may be written as numbers."""
    try:
        return np.asarray(values.astype(object).where(values.notna(), np.nan), dtype=np.float64)
    except (TypeError, ValueError):
        raise NetGraphError(f"the target, column '{name}', holds values that are not numbers") from None


def _code(values: Any, name: str) -> dict[str, Floats]:
    """Return the columns that one column becomes, by name."""
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

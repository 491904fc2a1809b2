"""A regression data set in a file: CSV or parquet, of numbers alone, or refused with the reason."""

import csv
import re
import warnings
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import numpy.typing as npt

from netgraph.errors import NetGraphError, missing_extra
from netgraph.reading import FAILURES, one_line

if TYPE_CHECKING:
    from pandas import DataFrame

Floats = npt.NDArray[np.float64]
#: Fewest rows that a network is fitted to.
MIN_ROWS = 10
#: Most columns that a message names.
_SHOWN = 5
_CSV, _PARQUET = (".csv", ".tsv", ".csv.gz", ".tsv.gz"), (".parquet", ".pq")
#: Cells that are not numbers and have a value, in lower case.
_WORDS = {"true": "1", "false": "0"} | dict.fromkeys(("", "na", "n/a", "#n/a", "#na", "<na>", "null", "none"), "nan")
#: Names of columns that pandas, R and others write for the number of a row.
_INDEX = re.compile(
    r"(unnamed: \d+(\.\d+)*|level_\d+|__index_level_\d+__|(row|record|sample|obs)?[ _]?(id|idx|index)|row|#)"
)


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of a regression data set, in their own units.

    Attributes:
        X: Features, [rows, features] float64.
        y: Target, [rows] float64.
        features: Name of each column of X.
        target: Name of y's column.
    """

    X: Floats
    y: Floats
    features: tuple[str, ...]
    target: str


def read_table(path: str | Path, target: str) -> Table:
    """Read a regression data set from a file.

    CSV is UTF-8, its first line names the columns, and its delimiter is the first of tab, semicolon and comma that
    occurs there. Numbers have a decimal point; ``true`` and ``false`` are 1 and 0; ``NA``, ``NaN``, ``null`` and an
    empty cell are missing values. First columns that number the rows, of a name such as ``Unnamed: 0`` or ``id``, are
    left out with a warning, unless there is no other feature.

    Args:
        path: File whose name ends in .csv, .tsv, .csv.gz, .tsv.gz, .parquet or .pq; parquet needs pyarrow.
        target: Name of the column that is predicted; every other column is a feature.

    Returns:
        The table, at least 10 rows and one feature; every value is finite and the target is not constant.

    Raises:
        NetGraphError: The file is missing or not such a table; the message names the file and the columns at fault.

    Example:
        >>> import pandas as pd
        >>> pd.DataFrame({"x": np.arange(12.0) ** 2, "y": np.arange(12)}).to_csv("table.csv", index=False)
        >>> read_table("table.csv", target="y").features
        ('x',)
    """
    path = Path(path)
    frame = _read(path)
    names = [str(name) for name in frame.columns]
    _check_names(path, names, target)
    if len(frame) < MIN_ROWS:
        _refuse(path, f"{len(frame)} row{'s' * (len(frame) != 1)} of data; a fit needs at least {MIN_ROWS}")
    values = _numbers(path, frame)
    X, y = np.delete(values, names.index(target), axis=1), values[:, names.index(target)].copy()
    if y.min() == y.max():
        _refuse(path, f"the target, column {_quote(target)}, is constant: {y[0]:g} in all {len(y)} rows")
    names.remove(target)
    index = index_columns(names, X)
    if not 0 < len(index) < len(names):
        return Table(X, y, tuple(names), target)
    warnings.warn(f"{path}: left out {_list(map(_quote, index))}, which numbers the rows", UserWarning, stacklevel=2)
    return Table(X[:, len(index) :], y, tuple(names[len(index) :]), target)


def index_columns(names: Sequence[str], X: Floats) -> list[str]:
    """Return the first columns that number the rows: by their name, and different whole numbers in all rows.

    Args:
        names: Names of the columns.
        X: Their values, [rows, columns].
    """

    def is_index(name: str, column: Floats) -> bool:
        whole = bool((column == np.floor(column)).all()) and len(np.unique(column)) == len(column)
        return whole and _INDEX.fullmatch(name.lower()) is not None

    return [name for name, _ in takewhile(lambda pair: is_index(*pair), zip(names, X.T, strict=False))]


def _read(path: Path) -> "DataFrame":
    import pandas as pd

    name = path.name.lower()
    if not path.is_file():
        _refuse(path, "is a folder, not a table" if path.is_dir() else "no such file")
    if not name.endswith((*_CSV, *_PARQUET)):
        _refuse(path, f"unknown suffix {path.suffix!r}; known: {', '.join((*_CSV, *_PARQUET))}")
    if path.stat().st_size == 0:
        _refuse(path, "is empty")
    try:
        return _read_csv(path) if name.endswith(_CSV) else pd.read_parquet(path)
    except UnicodeDecodeError:
        _refuse(path, "is not UTF-8; save the table as CSV in UTF-8")
    except ImportError:
        raise missing_extra(f"{path}: parquet needs pyarrow", "parquet") from None
    except (EOFError, OSError, zlib.error, *FAILURES) as error:
        _refuse(path, f"cannot be read: {one_line(error)}")


def _read_csv(path: Path) -> "DataFrame":
    """Read all cells as text; the first line names the columns."""
    import pandas as pd

    options = {"header": None, "dtype": str, "keep_default_na": False, "encoding": "utf-8-sig"}
    first = pd.read_csv(path, sep="\0", nrows=1, quoting=csv.QUOTE_NONE, **options)
    line = re.sub(r'"[^"]*"', "", str(first.iloc[0, 0]))
    delimiter = next((sign for sign in "\t;" if sign in line), ",")
    cells = pd.read_csv(path, sep=delimiter, skipinitialspace=True, **options)
    cells.columns = [str(name).strip() or f"Unnamed: {position}" for position, name in enumerate(cells.iloc[0])]
    return cells.iloc[1:].reset_index(drop=True)


def _check_names(path: Path, names: list[str], target: str) -> None:
    if all(re.fullmatch(r"[-+.]*\d[-+.\deE]*", name) for name in names):
        held = _list(map(_quote, names))
        _refuse(path, f"no header: the first line must name the columns, and holds only numbers: {held}")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        _refuse(path, f"names of more than one column: {_list(map(_quote, repeated))}")
    if len(names) < 2:
        _refuse(path, f"the only column is {_list(map(_quote, names))}; a fit needs the target and a feature")
    if target not in names:
        by_lower = {name.lower(): name for name in names}
        near = [_quote(by_lower[name]) for name in get_close_matches(target.lower(), by_lower, n=3)]
        hint = f"did you mean {' or '.join(near)}?" if near else f"columns: {_list(map(_quote, names))}"
        _refuse(path, f"no column {_quote(target)} for the target; {hint}")


def _numbers(path: Path, frame: "DataFrame") -> Floats:
    """Return the values of all columns, [rows, columns] float64."""
    import pandas as pd

    values = np.empty(frame.shape)
    wrong: dict[str, list[str]] = {"not numeric": [], "missing": [], "infinite": []}
    for i, (name, column) in enumerate(frame.items()):
        if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_complex_dtype(column.dtype):
            values[:, i] = column.to_numpy(dtype=np.float64, na_value=np.nan)
            missing = np.isnan(values[:, i])
        else:
            text = column.astype(str).str.strip().str.lower()
            text = text.map(_WORDS).fillna(text).fillna("nan")
            values[:, i] = pd.to_numeric(text, errors="coerce")
            missing = (text == "nan").to_numpy()
        masks = np.isnan(values[:, i]) & ~missing, missing, np.isinf(values[:, i])
        for what, mask in zip(wrong, masks, strict=True):
            if mask.any():
                row = int(mask.argmax())
                wrong[what].append(f"{_quote(str(name))} ({_quote(str(column.iloc[row]))} in row {row + 1})")
    for what, columns in wrong.items():
        if columns:
            advice = "write numbers with a decimal point, or drop them" if what == "not numeric" else "fill them in"
            _refuse(path, f"values that are {what} in columns {_list(columns)}; {advice}")
    return values


def _refuse(path: Path, reason: str) -> NoReturn:
    raise NetGraphError(f"{path}: {reason}") from None


def _quote(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:39]}…")


def _list(items: Iterable[str]) -> str:
    """Return items with commas, the first five of them."""
    shown = list(items)
    more = f", … and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + more

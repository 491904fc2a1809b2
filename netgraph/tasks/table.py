"""A data set in a file, CSV or parquet: raw columns and a target, or refused with the reason."""

import re
import warnings
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import numpy as np
import numpy.typing as npt

from netgraph.errors import NetGraphError, missing_extra
from netgraph.html import paragraph
from netgraph.lines import counted, short
from netgraph.reading import FAILURES, one_line
from netgraph.tasks.cells import decode_file, parse_numbers, read_csv, read_levels, read_text
from netgraph.tasks.display import MOST_ROWS, data_html
from netgraph.tasks.kinds import ColumnKind, column_kind

if TYPE_CHECKING:
    from pandas import DataFrame, Series

Floats = npt.NDArray[np.float64]
#: Fewest rows that a network is fitted to.
MIN_ROWS = 10
#: Fewest rows for each class, on average; fewer are a mistaken target. Chosen.
MIN_ROWS_A_CLASS = 3
#: Most columns that a message names.
_SHOWN = 5
_CSV, _PARQUET = (".csv", ".tsv", ".csv.gz", ".tsv.gz"), (".parquet", ".pq")
TASKS = ("auto", "regression", "classes")
#: Names of columns that pandas, R and others write for the number of a row.
_INDEX = re.compile(
    r"(unnamed: \d+(\.\d+)*|level_\d+|__index_level_\d+__|(row|record|sample|obs)?[ _]?(id|idx|index)|row|#)"
)


@dataclass(frozen=True, eq=False, repr=False)
class Table:
    """Rows of a data set, in their own units.

    Attributes:
        X: Raw features, a DataFrame: columns of plain numbers are float64, other cells stay as in the file.
        y: Target, [rows]: float64, or the classes, as text or whole numbers.
        features: Name of each column of X.
        target: Name of y's column.
        task: Kind of the target.
        notes: One line for each thing to know about the reading, such as rows without a target.
    """

    X: "DataFrame"
    y: npt.NDArray[Any]
    features: tuple[str, ...]
    target: str
    task: Literal["regression", "classes"] = "regression"
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        sizes = f"{counted(len(self.y), 'row')}, {counted(len(self.features), 'feature')}"
        return f"Table({sizes}, target {short(self.target)}, {self.task})"

    def _repr_html_(self) -> str:
        columns = [self.X[name].head(MOST_ROWS).tolist() for name in self.features]
        notes = [paragraph(note) for note in self.notes]
        return data_html(repr(self), [*self.features, self.target], [*columns, self.y[:MOST_ROWS].tolist()], *notes)


def read_table(path: str | Path, target: str, task: str = "auto") -> Table:
    """Read a data set from a file.

    The first line of a CSV file names the columns; the delimiter is the first of tab, semicolon and comma that occurs
    there; the encoding is UTF-8, UTF-16 with a byte-order mark, or else Windows-1252. ``NA``, ``NaN``, ``null``,
    ``none``, ``?`` and an empty cell are missing values. Features stay as they are, see
    :class:`~netgraph.search.columns.ColumnEncoder`; rows without a target are left out.

    Args:
        path: File whose name ends in .csv, .tsv, .csv.gz, .tsv.gz, .parquet or .pq; parquet needs pyarrow.
        target: Name of the column that is predicted; every other column is a feature.
        task: ``regression``, ``classes``, or ``auto``: classes where the target is text, categories or truth values.

    Returns:
        The table, at least 10 rows and one feature; the target is not constant, and finite where it is numbers.

    Raises:
        NetGraphError: The file is missing or not such a table; the message names the file and the columns at fault.

    Warns:
        UserWarning: The notes of the table.

    Example:
        >>> import pandas as pd
        >>> pd.DataFrame({"x": np.arange(12.0) ** 2, "y": np.arange(12)}).to_csv("table.csv", index=False)
        >>> read_table("table.csv", target="y").features
        ('x',)
    """
    path = Path(path)
    if task not in TASKS:
        raise NetGraphError(f"unknown task {task!r}; known: {', '.join(TASKS)}")
    frame, notes = read_frame(path)
    names = list(frame.columns)
    _check_target(path, names, target)
    given = read_text(frame[target]).ne("")
    if not given.all():
        count = int((~given).sum())
        notes.append(f"{path}: left out {count} row{'s' * (count > 1)} without a value of {_quote(target)}")
    frame = frame[given].reset_index(drop=True)
    if len(frame) < MIN_ROWS:
        _refuse(path, f"{len(frame)} row{'s' * (len(frame) != 1)} of data; a fit needs at least {MIN_ROWS}")
    y, kind = _target(path, frame[target], task)
    if kind == "regression" and task == "auto" and len(np.unique(y)) == 2:
        values = " and ".join(f"{value:g}" for value in np.unique(y))
        held = f"the target, column {_quote(target)}, holds {values} alone"
        notes.append(f"{path}: {held}; NetGraphClassifier, or --task classes, predicts classes")
    X = frame.drop(columns=target)
    X = X.apply(lambda column: plain_column(path, column))
    for note in notes:
        warnings.warn(note, UserWarning, stacklevel=2)
    return Table(X, y, tuple(X.columns), target, kind, tuple(notes))


def read_frame(path: str | Path) -> "tuple[DataFrame, list[str]]":
    """Read the raw columns of a file, and return them with notes on the reading.

    Args:
        path: File as of :func:`read_table`; the cells of CSV stay text.

    Raises:
        NetGraphError: The file is missing, cannot be read, or does not name its columns, each by another name.

    Example:
        >>> import pandas as pd
        >>> pd.DataFrame({"size": ["1,5"], "color": ["red"]}).to_csv("new.csv", sep=";", index=False)
        >>> read_frame("new.csv")[0].columns.tolist()
        ['size', 'color']
    """
    import pandas as pd

    path, notes = Path(path), []
    name = path.name.lower()
    if not path.is_file():
        _refuse(path, "is a folder, not a table" if path.is_dir() else "no such file")
    if not name.endswith((*_CSV, *_PARQUET)):
        _refuse(path, f"unknown suffix {path.suffix!r}; known: {', '.join((*_CSV, *_PARQUET))}")
    if path.stat().st_size == 0:
        _refuse(path, "is empty")
    try:
        if name.endswith(_PARQUET):
            frame = pd.read_parquet(path).reset_index(drop=True)
            frame.columns = frame.columns.map(str)
        else:
            content, encoding = decode_file(path)
            if "\0" in content:
                _refuse(path, "is no text: it holds zero bytes")
            if encoding != "UTF-8":
                notes.append(f"{path}: is not UTF-8, read as {encoding}")
            cells = read_csv(path, header=None, dtype=str, keep_default_na=False)
            frame = cells.iloc[1:].reset_index(drop=True)
            frame.columns = [text.strip() or f"Unnamed: {i}" for i, text in enumerate(cells.iloc[0])]
    except ImportError:
        raise missing_extra(f"{path}: parquet needs pyarrow", "parquet") from None
    except NetGraphError:
        raise
    except (EOFError, OSError, zlib.error, *FAILURES) as error:
        _refuse(path, f"cannot be read: {one_line(error)}")
    _check_names(path, list(frame.columns))
    return frame, notes


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


def _check_names(path: Path, names: list[str]) -> None:
    if all(re.fullmatch(r"[-+.]*\d[-+.\deE]*", name) for name in names):
        held = _list(map(_quote, names))
        _refuse(path, f"no header: the first line must name the columns, and holds only numbers: {held}")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        _refuse(path, f"names of more than one column: {_list(map(_quote, repeated))}")


def _check_target(path: Path, names: list[str], target: str) -> None:
    if len(names) < 2:
        _refuse(path, f"the only column is {_list(map(_quote, names))}; a fit needs the target and a feature")
    if target not in names:
        by_lower = {name.lower(): name for name in names}
        near = [_quote(by_lower[name]) for name in get_close_matches(target.lower(), by_lower, n=3)]
        hint = f"did you mean {' or '.join(near)}?" if near else f"columns: {_list(map(_quote, names))}"
        _refuse(path, f"no column {_quote(target)} for the target; {hint}")


def plain_column(path: Path, column: "Series") -> "Series":
    """Return a column of plain numbers as float64, and another one as it is.

    Args:
        path: Its file, for messages.
        column: Its cells.

    Raises:
        NetGraphError: When a number is infinite.

    Example:
        >>> import pandas as pd
        >>> plain_column(Path("table.csv"), pd.Series(["1", "NA"])).tolist()
        [1.0, nan]
    """
    import pandas as pd

    kind = _kind(path, column)
    plain = kind == ColumnKind("number")
    return pd.Series(_read(path, kind, column), name=column.name) if plain else column


def _target(path: Path, column: "Series", task: str) -> "tuple[npt.NDArray[Any], Literal['regression', 'classes']]":
    """Return the values of a target, and whether they are classes."""
    kind = _kind(path, column)
    if kind.kind == "date":
        _refuse(path, f"the target, column {_quote(str(column.name))}, holds dates")
    text = task == "auto" and (kind.kind == "level" or kind.truth)
    if task == "classes" or text:
        return _classes(path, column, kind), "classes"
    if kind.kind == "level" or kind.words:
        cells = read_text(column)
        row = int((cells.isin(kind.words) if kind.words else parse_numbers(cells).isna()).argmax())
        held = f"{_quote(str(column.name))} ({_quote(cells[row])} in row {row + 1})"
        _refuse(path, f"values that are not numeric in columns {held}; correct them, or --task classes")
    y = _read(path, kind, column)
    if y.min() == y.max():
        _refuse(path, f"the target, column {_quote(str(column.name))}, is constant: {y[0]:g} in all {len(y)} rows")
    return y, "regression"


def _classes(path: Path, column: "Series", kind: ColumnKind) -> npt.NDArray[Any]:
    """Return the classes of a target: whole numbers, or text."""
    name, y = _quote(str(column.name)), np.asarray(read_levels(column))
    if kind.kind == "number" and not kind.words and not kind.truth:
        numbers = _read(path, kind, column)
        if (numbers != np.floor(numbers)).any():
            row = int((numbers != np.floor(numbers)).argmax())
            _refuse(path, f"column {name} holds {numbers[row]:g} in row {row + 1}; classes are text or whole numbers")
        y = numbers.astype(np.int64)
    count = len(np.unique(y))
    if count < 2:
        _refuse(path, f"the target, column {name}, is constant: {y.tolist()[0]!r} in all {len(y)} rows")
    if len(y) < MIN_ROWS_A_CLASS * count:
        held = f"{count} classes in {len(y)} rows, such as {_quote(str(y[0]))}"
        _refuse(path, f"the target, column {name}, has {held}; is it another column, or are there units in it?")
    return y


def _kind(path: Path, column: "Series") -> ColumnKind:
    try:
        return column_kind(column)
    except NetGraphError as error:
        _refuse(path, str(error))


def _read(path: Path, kind: ColumnKind, column: "Series") -> Floats:
    try:
        (_, values), *_ = kind.read(column)
        return values
    except NetGraphError as error:
        _refuse(path, str(error))


def _refuse(path: Path, reason: str) -> NoReturn:
    raise NetGraphError(f"{path}: {reason}") from None


def _quote(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:39]}…")


def _list(items: Iterable[str]) -> str:
    """Return items with commas, the first five of them."""
    shown = list(items)
    more = f", … and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + more

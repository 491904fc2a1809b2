"""A regression data set in a file: CSV or parquet, read as it stands or refused with the reason."""

import csv
import gzip
import io
import os
import warnings
import zlib
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from netgraph.errors import NetGraphError, missing_extra
from netgraph.reading import FAILURES, one_line
from netgraph.search.index import index_columns
from netgraph.tasks.dataset import Floats

#: Fewest rows that a network is fitted to.
MIN_ROWS = 10
#: Most columns that a message names.
_SHOWN = 5
_DELIMITERS = (",", ";", "\t")
_MISSING = ("", "na", "n/a", "#n/a", "#na", "<na>", "null", "none")
#: What a cell may hold beside a number, in lower case.
_WORDS = {"true": 1.0, "false": 0.0} | dict.fromkeys(_MISSING, float("nan"))
#: What pandas calls columns whose values are numbers, or are all missing.
_NUMERIC_KINDS = {"boolean", "integer", "floating", "mixed-integer-float", "decimal", "empty"}


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of a regression data set, in its own units.

    Attributes:
        x: Features, [rows, features] float64.
        y: Target, [rows] float64.
        features: Name of each column of x.
        target: Name of y's column.
    """

    x: Floats
    y: Floats
    features: tuple[str, ...]
    target: str


@dataclass(frozen=True, eq=False)
class _Raw:
    """What a file holds, unchecked.

    Attributes:
        names: Name of each column.
        values: [rows, columns], NaN where a value is missing or is no number.
        texts: The first value of a column that is no number, and its row, by column.
        numbers: What the file calls each row, [rows].
        unit: What those numbers count: ``line`` or ``row``.
    """

    names: tuple[str, ...]
    values: Floats
    texts: dict[int, tuple[str, int]]
    numbers: Sequence[int]
    unit: str

    def place(self, row: int) -> str:
        return f"{self.unit} {self.numbers[row]}"


def read_table(path: str | Path, target: str) -> Table:
    """Read a regression data set from a file.

    CSV is UTF-8, with or without a byte-order mark, its first line names the columns, and its delimiter (comma,
    semicolon or tab) is found out. Numbers have a decimal point and are read to the nearest float64; ``true`` and
    ``false``, in any case, are 1 and 0; ``NA``, ``NaN``, ``null`` and nothing at all are a missing value. Blank lines
    are passed over. A column without a name is called ``Unnamed: <position>``, the first position being 0. Parquet's
    integers, floats, decimals and booleans are numbers. No column is taken for an index, save what a parquet file
    itself marks as one of pandas, and first columns that number the rows: of a name such as ``Unnamed: 0`` or ``id``,
    with different whole numbers in all rows. These are left out with a warning, unless there is no other feature.

    Args:
        path: File whose name ends in .csv, .tsv, .csv.gz, .tsv.gz, .parquet or .pq; parquet needs pyarrow.
        target: Name of the column that is predicted; every other column is a feature, constant ones too.

    Returns:
        The table, at least 10 rows and one feature; every value is finite and the target is not constant.

    Raises:
        NetGraphError: The file is missing, empty or not such a table; the message names the file and the line, row or
            columns at fault.
    """
    path = Path(path)
    raw = _reader(path)(path)
    _check_names(path, raw.names, target)
    if len(raw.values) < MIN_ROWS:
        _refuse(path, f"{_count(len(raw.values), 'row')} of data; a fit needs at least {MIN_ROWS}")
    column = raw.names.index(target)
    _check_numeric(path, raw, column)
    for what, wrong in (("missing", np.isnan(raw.values)), ("infinite", np.isinf(raw.values))):
        _check_none(path, raw, what, wrong)
    y = raw.values[:, column].copy()
    if y.min() == y.max():
        _refuse(path, f"the target, column {_quote(target)}, is constant: {y[0]:g} in all {len(y)} rows")
    features = raw.names[:column] + raw.names[column + 1 :]
    x = np.delete(raw.values, column, axis=1)
    index = index_columns(features, x)
    if not 0 < len(index) < len(features):
        return Table(x, y, features, target)
    warnings.warn(f"{path}: left out {_list(map(_quote, index))}, which numbers the rows", UserWarning, stacklevel=2)
    return Table(x[:, len(index) :], y, features[len(index) :], target)


def _reader(path: Path) -> Callable[[Path], _Raw]:
    """The function that reads this kind of file."""
    if os.path.isdir(path):
        _refuse(path, "is a folder, not a table")
    if not os.path.exists(path):
        _refuse(path, "no such file")
    readers = dict.fromkeys((".csv", ".tsv", ".csv.gz", ".tsv.gz"), _read_csv)
    readers |= dict.fromkeys((".parquet", ".pq"), _read_parquet)
    for suffix, reader in readers.items():
        if path.name.lower().endswith(suffix):
            if os.path.getsize(path) == 0:
                _refuse(path, "is empty")
            return reader
    return _refuse(path, f"unknown suffix {path.suffix!r}; known: {', '.join(readers)}")


def _read_csv(path: Path) -> _Raw:
    text = _read_text(path)
    records = _records(path, text, _find_delimiter(path, text))
    names = _read_header(path, next(records, (0, []))[1])
    values, lines, texts = array("d"), array("q"), dict[int, tuple[str, int]]()
    for line, record in records:
        if len(record) != len(names):
            _refuse(path, f"line {line} has {_count(len(record), 'field')} where the header has {len(names)}")
        for column, cell in enumerate(record):
            try:
                values.append(_parse_number(cell))
            except ValueError:
                values.append(np.nan)
                texts.setdefault(column, (cell, len(lines)))
        lines.append(line)
    return _Raw(names, np.asarray(values, dtype=np.float64).reshape(-1, len(names)), texts, lines, "line")


def _read_text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        _refuse(path, error.strerror)
    if path.suffix.lower() == ".gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            _refuse(path, f"not a whole gzip file: {error}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        _refuse(path, f"line {line} is not UTF-8; save the table as CSV in UTF-8")


def _records(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The fields of each record that is not blank, and the line on which it starts, counted from 1."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    line = 1
    try:
        for record in reader:
            if len(record) > 1 or "".join(record).strip():
                yield line, record
            line = reader.line_num + 1
    except csv.Error as error:
        _refuse(path, f"cannot be read as CSV: line {line}: {error}")


def _find_delimiter(path: Path, text: str) -> str:
    """The delimiter that gives the header several fields, and the first rows as many."""

    def fit(delimiter: str) -> tuple[float, int]:
        widths = []
        with suppress(NetGraphError):
            for _, record in islice(_records(path, text, delimiter), 10):
                widths.append(len(record))
        several = bool(widths) and widths[0] > 1
        return (widths.count(widths[0]) / len(widths), widths[0]) if several else (0.0, 0)

    return max(_DELIMITERS, key=fit)


def _read_header(path: Path, record: list[str]) -> tuple[str, ...]:
    if not record:
        _refuse(path, "is empty")
    names = [name.strip() for name in record]
    if all(map(_is_number, names)):
        shown = _list(name[:40] for name in names)
        _refuse(path, f"no header: the first line must name the columns, and holds only numbers: {shown}")
    return tuple(name or f"Unnamed: {position}" for position, name in enumerate(names))


def _is_number(cell: str) -> bool:
    try:
        _parse_number(cell)
    except ValueError:
        return False
    return True


def _parse_number(cell: str) -> float:
    word = cell.strip().lower()
    if word in _WORDS:
        return _WORDS[word]
    if "_" in word:  # Python's digit groups: 12_34 is a name, not a number
        raise ValueError
    return float(word)


def _read_parquet(path: Path) -> _Raw:
    import pandas as pd

    try:
        frame = pd.read_parquet(path, engine="pyarrow")
    except ImportError:
        raise missing_extra(f"{path}: parquet needs pyarrow", "parquet") from None
    except (OSError, *FAILURES) as error:
        _refuse(path, f"cannot be read as parquet: {one_line(error)}")
    values, texts = np.full(frame.shape, np.nan), dict[int, tuple[str, int]]()
    for index in range(frame.shape[1]):
        column = frame.iloc[:, index]
        if pd.api.types.infer_dtype(column, skipna=True) in _NUMERIC_KINDS:
            values[:, index] = column.to_numpy(dtype=np.float64, na_value=np.nan)
        elif len(column):
            texts[index] = _first_value(column)
    return _Raw(tuple(map(str, frame.columns)), values, texts, range(1, len(frame) + 1), "row")


def _first_value(column: Any) -> tuple[str, int]:
    row = int(np.argmax(column.notna()))
    return str(column.iloc[row]), row


def _check_names(path: Path, names: tuple[str, ...], target: str) -> None:
    repeated = {name: count for name, count in Counter(names).items() if count > 1}
    if target in repeated:
        _refuse(path, f"{repeated[target]} columns are named {_quote(target)}, the target")
    if repeated:
        _refuse(path, f"names of more than one column: {_list(map(_quote, repeated))}")
    if len(names) < 2:
        hint = "" if path.suffix.lower() in (".parquet", ".pq") else ", separated by commas, semicolons or tabs"
        held = f"the only column is {_quote(names[0])}" if names else "there are no columns"
        _refuse(path, f"{held}; a fit needs the target and at least one feature column{hint}")
    if target not in names:
        _refuse(path, f"no column {_quote(target)} for the target; {_nearest(names, target)}")


def _nearest(names: tuple[str, ...], target: str) -> str:
    by_lower = {name.lower(): name for name in names}
    near = get_close_matches(target.lower(), by_lower, n=3)
    if near:
        return f"did you mean {' or '.join(_quote(by_lower[name]) for name in near)}?"
    return f"columns: {_list(map(_quote, names))}"


def _check_numeric(path: Path, raw: _Raw, target: int) -> None:
    def show(column: int) -> str:
        value, row = raw.texts[column]
        return f"{_quote(raw.names[column])} ({_quote(value)} in {raw.place(row)})"

    if not raw.texts:
        return
    wrong, what, advice = sorted(raw.texts), "feature columns that are", "encode them as numbers or drop them"
    if target in raw.texts:
        wrong, what, advice = [target], "the target is", "a fit needs a number in every row"
    if all(_is_number(raw.texts[column][0].replace(",", "")) for column in wrong):
        advice = "write a decimal point, and nothing between thousands"
    _refuse(path, f"{what} not numeric: {_list(map(show, wrong))}; {advice}")


def _check_none(path: Path, raw: _Raw, what: str, wrong: np.ndarray) -> None:
    def show(column: int) -> str:
        count, first = int(wrong[:, column].sum()), int(wrong[:, column].argmax())
        return f"{_quote(raw.names[column])} ({count}, the first in {raw.place(first)})"

    columns = np.flatnonzero(wrong.any(axis=0)).tolist()
    if columns:
        _refuse(path, f"{what} values in columns {_list(map(show, columns))}; fill them in or drop those rows")


def _refuse(path: Path, reason: str | None) -> NoReturn:
    raise NetGraphError(f"{path}: {reason}") from None


def _quote(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:39]}…")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _list(items: Iterable[str]) -> str:
    """Items with commas, the first five of them."""
    shown = list(items)
    rest = len(shown) - _SHOWN
    return ", ".join(shown[:_SHOWN]) + (f", … and {rest} more" if rest > 0 else "")

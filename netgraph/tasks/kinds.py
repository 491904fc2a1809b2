"""The kind of a raw column: numbers, dates or levels, and how its cells are written."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from netgraph.errors import NetGraphError
from netgraph.tasks.cells import date_part, parse_numbers, read_dates, read_levels, read_numbers, read_text

if TYPE_CHECKING:
    from pandas import Series

#: Formats of dates, beside ISO 8601; where two of them fit all cells, the earlier one is taken.
DATE_FORMATS = (
    *("%d.%m.%Y", "%d.%m.%y", "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%m/%d/%y", "%d-%m-%Y"),
    *("%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y"),
)
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
#: Part of a date, and its period in days: it is a column where the dates span two periods.
PARTS = {"hour": 1.0, "day_of_week": 7.0, "month": 365.25}
#: Most different words beside numbers that count as missing values; chosen.
MOST_WORDS = 5


@dataclass(frozen=True)
class ColumnKind:
    """How the cells of a column are read.

    Attributes:
        kind: Numbers, dates or levels; ``empty`` where no value is given.
        decimal: Sign before the decimals of numbers.
        signs: Whether there are signs of thousands, of a currency or of percent, which are read over.
        truth: Whether true and false are among the values, which are 1 and 0.
        words: Words among numbers that stand for missing values.
        form: Format of dates.
        parts: Parts of dates that are read, ``day`` first.
    """

    kind: Literal["number", "date", "level", "empty"]
    decimal: str = "."
    signs: bool = False
    truth: bool = False
    words: tuple[str, ...] = ()
    form: str = "ISO8601"
    parts: tuple[str, ...] = ("day",)

    def read(self, column: "Series") -> Iterator[tuple[str, npt.NDArray[Any]]]:
        """Yield the parts of a column, each with its name and values, [rows]: float64, or text of levels.

        Raises:
            NetGraphError: When a cell is of another kind, or infinite; it names the column.
        """
        try:
            if self.kind == "number":
                yield "", read_numbers(column, self.decimal, self.words)
            elif self.kind == "level":
                yield "", read_levels(column)
            elif self.kind == "date":
                dates = read_dates(column, self.form)
                yield from ((part, date_part(dates, part)) for part in self.parts)
        except ValueError as error:
            raise NetGraphError(str(error)) from None


def column_kind(column: "Series") -> ColumnKind:
    """Return the kind of a raw column, by its dtype, or of text by its cells.

    Text is numbers where all cells are, or more than half with at most five words beside them, which then count as
    missing values.

    Args:
        column: A Series of any dtype.

    Raises:
        NetGraphError: When it holds complex numbers.

    Example:
        >>> import pandas as pd
        >>> column_kind(pd.Series(["1,5", "2", "NA"])).decimal
        ','
    """
    import pandas as pd

    if pd.api.types.is_complex_dtype(column.dtype):
        raise NetGraphError(f"column {column.name!r} holds complex numbers")
    if column.isna().all():
        return ColumnKind("empty")
    if pd.api.types.is_numeric_dtype(column.dtype):
        return ColumnKind("number", truth=pd.api.types.is_bool_dtype(column.dtype))
    if isinstance(column.dtype, pd.CategoricalDtype):
        return ColumnKind("level")
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return _with_parts(ColumnKind("date"), column)
    text = read_text(column)
    given = text[text.ne("")]
    if given.empty:
        return ColumnKind("empty")
    return _number_kind(given) or _date_kind(column[text.ne("")]) or ColumnKind("level")


def _number_kind(text: "Series") -> ColumnKind | None:
    for decimal, group in ((".", ","), (",", ".")):
        words = text[parse_numbers(text, decimal).isna()]
        if 2 * len(words) >= len(text) or words.nunique() > MOST_WORDS:
            continue
        if len(words) and decimal == "." and parse_numbers(text, group).isna().sum() < len(words):
            continue
        signs = bool(text.str.contains(rf"[{group}$€£%]").any())
        truth = bool(text.str.lower().isin(("true", "false")).any())
        return ColumnKind("number", decimal, signs, truth, tuple(sorted(words.unique())))
    return None


def _date_kind(column: "Series") -> ColumnKind | None:
    first = column.iloc[:1]
    for form in ("ISO8601", *(day + time for day in DATE_FORMATS for time in _TIMES)):
        kind = ColumnKind("date", form=form)
        try:
            list(kind.read(first))
            return _with_parts(kind, column)
        except NetGraphError:
            continue
    return None


def _with_parts(kind: ColumnKind, column: "Series") -> ColumnKind:
    (_, days), *_ = kind.read(column)
    span = np.nanmax(days) - np.nanmin(days)
    return replace(kind, parts=("day", *(part for part, period in PARTS.items() if span >= 2 * period)))

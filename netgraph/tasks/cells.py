"""Cells of a table as numbers, dates and levels, by pandas alone: a written network holds copies of these functions."""

import gzip
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def decode_file(path: str | Path) -> tuple[str, str]:
    """Return the text of a file, gzipped if so named, and its encoding: UTF-8, UTF-16, or else Windows-1252."""
    content = Path(path).read_bytes()
    if str(path).lower().endswith(".gz"):
        content = gzip.decompress(content)
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16"), "UTF-16"
    try:
        return content.decode("utf-8-sig"), "UTF-8"
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace"), "Windows-1252"


def read_csv(path: str | Path, **options: Any) -> Any:
    """Return a CSV file as a DataFrame; the delimiter is the first of tab, semicolon and comma in its first line."""
    import pandas as pd

    text, _ = decode_file(path)
    first = re.search(r"[^\r\n]*\S[^\r\n]*", text)
    header = re.sub(r'"[^"]*"', "", first[0] if first else "")
    delimiter = next((sign for sign in "\t;" if sign in header), ",")
    frame = pd.read_csv(io.StringIO(text), sep=delimiter, skipinitialspace=True, **options)
    return frame.rename(columns=lambda name: str(name).strip())


def read_text(column: Any) -> Any:
    """Return the cells of a Series as text without blanks around it, empty where a value is missing."""
    missing = {"na", "n/a", "#n/a", "#na", "<na>", "nan", "nat", "null", "none", "?"}
    text = column.astype(object).where(column.notna(), "").map(lambda cell: str(cell).strip())
    return text.map(lambda cell: "" if cell.lower() in missing else cell).astype(object)


def read_numbers(column: Any, decimal: str = ".", words: Sequence[str] = ()) -> Any:
    """Return the numbers of a Series, float64, NaN where a value is missing or one of some words.

    Text without the decimal sign that does not read as numbers may have the other one.
    """
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column.dtype):
        values = pd.Series(column.to_numpy(dtype="float64", na_value=float("nan")))
    else:
        text = read_text(column).reset_index(drop=True)
        values = parse_numbers(text, decimal)
        wrong = values.isna() & text.ne("") & ~text.isin(words)
        if wrong.any() and not text.str.contains(decimal, regex=False).any():  # written in the other way
            values = parse_numbers(text, "," if decimal == "." else ".")
            wrong = values.isna() & text.ne("") & ~text.isin(words)
        if wrong.any():
            row = int(wrong.argmax())
            raise ValueError(f"column {column.name!r} holds {text[row]!r} in row {row + 1}, which is no number")
    infinite = values.abs().eq(float("inf"))
    if infinite.any():
        raise ValueError(f"column {column.name!r} holds an infinite value in row {int(infinite.argmax()) + 1}")
    return values.to_numpy(copy=True)


def parse_numbers(text: Any, decimal: str = ".") -> Any:
    """Return the numbers in a Series of text, with a decimal point or comma, float64, NaN where there is none."""
    import pandas as pd

    group = "," if decimal == "." else "."
    values = pd.to_numeric(text, errors="coerce").astype("float64")
    others = (values.isna() & text.ne("")) | text.str.contains(group, regex=False)
    if not others.any():
        return values
    plain = text[others].str.lower().str.strip("$€£% ").replace({"true": "1", "false": "0"})
    grouped = plain.str.fullmatch(rf"[-+]?[1-9]\d{{0,2}}(\{group}\d{{3}})+(\{decimal}\d*)?")
    plain = plain.mask(grouped, plain.str.replace(group, "", regex=False))
    plain = plain.mask(plain.str.contains(group, regex=False), "").str.replace(decimal, ".", regex=False)
    return values.mask(others, pd.to_numeric(plain.astype(object), errors="coerce").reindex(values.index))


def read_dates(column: Any, form: str = "ISO8601") -> Any:
    """Return the dates of a Series, in UTC, NaT where one is missing."""
    import pandas as pd

    given = read_text(column).ne("").reset_index(drop=True)
    cells = column.map(lambda cell: cell.strip() if isinstance(cell, str) else cell).reset_index(drop=True)
    dates = pd.to_datetime(cells.where(given), format=form, utc=True, errors="coerce")
    wrong = dates.isna() & given
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(f"column {column.name!r} holds {cells[row]!r} in row {row + 1}, which is no date")
    return dates


def date_part(dates: Any, part: str = "day") -> Any:
    """Return the days of dates since 1970, or their hour, day_of_week or month, float64, NaN where one is missing."""
    import pandas as pd

    if part == "day":
        return ((dates - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)).to_numpy(dtype="float64")
    return getattr(dates.dt, part).to_numpy(dtype="float64")


def read_levels(column: Any) -> Any:
    """Return the levels of a Series of categories as text, empty where a value is missing; 1.0 is the level 1."""
    return read_text(column).str.replace(r"^(-?\d+)\.0$", r"\1", regex=True).to_numpy(dtype=object)

"""Data sets at a prompt and in a notebook: sizes in one line, and the first rows as a table."""

from collections.abc import Sequence
from typing import Any

from netgraph.html import Html, fragment, paragraph, table_html
from netgraph.reading import one_line

#: Most rows and columns of a table; chosen.
MOST_ROWS, MOST_COLUMNS = 5, 10
#: Most letters of a name.
_LETTERS = 60


def counted(count: int, noun: str) -> str:
    """Return a number with a noun, "1 row", "1,000 rows".

    Example:
        >>> counted(1, "class"), counted(1000, "row")
        ('1 class', '1,000 rows')
    """
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"


def short(name: object) -> str:
    """Return a name in one line, cut where it is long."""
    text = one_line(name)
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"


def data_html(line: str, names: Sequence[str], columns: Sequence[Sequence[Any]], *further: Html) -> Html:
    """Return the first rows of a data set as a table.

    Args:
        line: The data set in one line.
        names: Names of the columns, targets last; those before the last are cut where there are many.
        columns: Their first values, column by column.
        further: Tables below.
    """
    shown = list(zip(map(short, names), columns, strict=True))
    if len(shown) > MOST_COLUMNS:
        left_out = len(shown) - MOST_COLUMNS + 1
        shown = [*shown[: MOST_COLUMNS - 2], (f"… {left_out:,} more …", [""] * MOST_ROWS), shown[-1]]
    rows = [list(row) for row in zip(*(values[:MOST_ROWS] for _, values in shown), strict=False)]
    header = [name for name, _ in shown]
    return fragment(paragraph(line), *([table_html(header, rows, "First rows")] if shown else []), *further)

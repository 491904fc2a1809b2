"""Data sets at a prompt and in a notebook: sizes in one line, and the first rows as a table."""

from collections.abc import Sequence
from typing import Any

from netgraph.html import Html, fragment, paragraph, table_html
from netgraph.lines import short

#: Most rows and columns of a table; chosen.
MOST_ROWS, MOST_COLUMNS = 5, 10


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

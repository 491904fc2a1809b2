"""The kind of a raw column, by its dtype or its cells."""

from itertools import product

import pandas as pd
import pytest

from netgraph import NetGraphError
from netgraph.tasks.cells import parse_numbers, read_dates, read_levels, read_numbers, read_text
from netgraph.tasks.kinds import ColumnKind, column_kind

WEEK = pd.date_range("2024-01-01", periods=15, freq="D")


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([1, 2, 3], ColumnKind("number")),
        ([True, None, False], ColumnKind("number", truth=True)),
        (["1", "-2.5e3", "NA", " 7 "], ColumnKind("number")),
        (["1,5", "2", "1.000,5"], ColumnKind("number", ",", signs=True)),
        (["1,234", "12", "1,234,567.8"], ColumnKind("number", signs=True)),
        (["1", "2", "3", "low"], ColumnKind("number", words=("low",))),
        (["1", "2", "3,5", "4"], ColumnKind("number", ",")),
        (["1", "a", "b", "2"], ColumnKind("level")),
        (["1,5,2", "x", "1.2.3"], ColumnKind("level")),
        (["May", "June"], ColumnKind("level")),
        ([None, "", "NaN", "?"], ColumnKind("empty")),
        (WEEK, ColumnKind("date", parts=("day", "hour", "day_of_week"))),
        (
            WEEK.strftime("%d.%m.%Y %H:%M"),
            ColumnKind("date", form="%d.%m.%Y %H:%M", parts=("day", "hour", "day_of_week")),
        ),
        (["01/02/2024", "01/13/2024"], ColumnKind("date", form="%m/%d/%Y", parts=("day", "hour"))),
        (["01/02/2024", "13/02/2024"], ColumnKind("date", form="%d/%m/%Y", parts=("day", "hour"))),
        (["2024-01-01", "not yet"], ColumnKind("level")),
        (pd.Categorical([1, 2, 1]), ColumnKind("level")),
    ],
    ids=str,
)
def test_the_kind_is_that_of_all_cells(cells, kind):
    assert column_kind(pd.Series(cells)) == kind


def test_levels_have_no_decimals_and_a_missing_value_is_empty():
    assert read_levels(pd.Series([1.0, None, 2.5])).tolist() == ["1", "", "2.5"]
    assert read_levels(pd.Series([1, 2])).tolist() == ["1", "2"]
    assert read_text(pd.Series([" a ", "N/A", None, "none", "nano"])).tolist() == ["a", "", "", "", "nano"]


@pytest.mark.parametrize("decimal", [".", ","])
def test_signs_of_the_other_way_of_writing_are_no_numbers(decimal):
    cells = ["1.5", "1.500", "10.5e1", "0.500", "1.500.000"]
    cells = cells if decimal == "," else [cell.replace(".", ",") for cell in cells]
    found = parse_numbers(pd.Series(cells, dtype=object), decimal).tolist()
    assert [value if value == value else None for value in found] == [None, 1500, None, None, 1500000]


def test_the_row_of_a_wrong_cell_is_named():
    for read, kind in ((read_numbers, "number"), (read_dates, "date")):
        with pytest.raises(ValueError, match=f"^column 'c' holds 'x' in row 2, which is no {kind}$"):
            read(pd.Series(["2024", "x", "y"], name="c", index=[5, 5, 5]))
    with pytest.raises(NetGraphError, match=r"^column 'c' holds complex numbers$"):
        column_kind(pd.Series([1j], name="c"))


def test_a_new_file_may_have_the_other_decimal_sign():
    points, commas = pd.Series(["171.3", "2", ""], name="size"), pd.Series(["171,3", "2", ""], name="size")
    for column, decimal in product((points, commas), (".", ",")):
        assert read_numbers(column, decimal)[:2].tolist() == [171.3, 2.0]
    for decimal in (".", ","):
        with pytest.raises(ValueError, match="column 'size' holds 'x' in row 2, which is no number"):
            read_numbers(pd.Series(["1", "x"], name="size"), decimal)

"""What is in the file is what comes back, bit for bit; what cannot be fitted is refused with the place."""

import gzip
import re
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from netgraph.errors import NetGraphError
from netgraph.search.table import Table, read_table
from tests.strategies import examples

#: Ten rows of a feature a, 0 … 9, and a target y, its square.
ROWS = [f"{i},{i * i}" for i in range(10)]
#: How a table of one column is told what it lacks.
NEEDED = "a fit needs the target and at least one feature column, separated by commas, semicolons or tabs"


def text(header="a,y", rows=ROWS, end="\n") -> str:
    return end.join([header, *rows]) + end


def replaced(row: int, cells: str) -> list[str]:
    return [cells if i == row else line for i, line in enumerate(ROWS)]


@pytest.fixture
def write(tmp_path):
    def write_file(content: str | bytes, name: str = "data.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


def check_squares(table: Table) -> None:
    assert table.features == ("a",)
    assert table.target == "y"
    assert table.x.dtype == table.y.dtype == np.float64
    assert table.x.tolist() == [[float(i)] for i in range(10)]
    assert table.y.tolist() == [float(i * i) for i in range(10)]


@st.composite
def finite_arrays(draw) -> np.ndarray:
    shape = draw(st.integers(10, 25)), draw(st.integers(2, 5))
    return draw(arrays(np.float64, shape, elements=st.floats(allow_nan=False, allow_infinity=False)))


@examples(40)
@given(
    values=finite_arrays(),
    target=st.integers(0, 4),
    delimiter=st.sampled_from(",;\t"),
    suffix=st.sampled_from([".csv", ".csv.gz", ".tsv"]),
)
def test_finite_tables_come_back_bit_for_bit(tmp_path_factory, values, target, delimiter, suffix):
    target %= values.shape[1]
    assume(values[:, target].min() < values[:, target].max())
    path = tmp_path_factory.mktemp("table") / f"data{suffix}"
    names = [f"column {i}, m" for i in range(values.shape[1])]
    pd.DataFrame(values, columns=names).to_csv(path, sep=delimiter, index=False)
    table = read_table(path, names[target])
    assert table.features == tuple(name for name in names if name != names[target])
    assert table.y.tobytes() == values[:, target].tobytes()
    assert table.x.tobytes() == np.delete(values, target, axis=1).tobytes()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_delimiter_line_end_and_mark_are_found_out(write, end, delimiter, mark):
    content = text(end=end).replace(",", delimiter)
    check_squares(read_table(write(mark + content.encode()), "y"))


@pytest.mark.parametrize("name", ["data.tsv", "DATA.CSV", "a.b.csv"])
def test_the_suffix_may_be_of_any_case(write, name):
    check_squares(read_table(str(write(text(), name)), "y"))


def test_gzip_is_unpacked(write):
    check_squares(read_table(write(gzip.compress(text().encode()), "data.csv.gz"), "y"))


def test_names_may_be_quoted_and_hold_delimiters_and_line_ends(write):
    path = write(text('"size, in m";"the ""y"";\nlast"', [row.replace(",", ";") for row in ROWS]))
    table = read_table(path, 'the "y";\nlast')
    assert table.features == ("size, in m",)
    assert table.y[3] == 9


def test_a_comma_in_unquoted_names_is_no_delimiter(write):
    table = read_table(write(text("size (a, m);y", [row.replace(",", ";") for row in ROWS])), "y")
    assert table.features == ("size (a, m)",)


def test_blanks_around_cells_and_blank_lines_do_not_count(write):
    rows = ["", *(row.replace(",", " ,  ") for row in ROWS[:5]), "   ", *ROWS[5:], "", ""]
    check_squares(read_table(write(text(" a ,  y ", rows)), "y"))


def test_booleans_and_integers_of_any_width_are_numbers(write):
    wide = 10**30
    rows = [f"{i % 2 == 0},{'TRUE' if i < 5 else 'false'},{wide + i * 10**20},{i - 128},{2**63 + i}" for i in range(10)]
    table = read_table(write(text("even,first,wide,narrow,y", rows)), "narrow")
    assert table.x[:, 0].tolist() == [1.0, 0.0] * 5
    assert table.x[:, 1].tolist() == [1.0] * 5 + [0.0] * 5
    assert table.x[:, 2].tolist() == [float(wide + i * 10**20) for i in range(10)]
    assert table.x[:, 3].tolist() == [float(2**63)] * 10
    assert table.y[0] == -128


def numbered(header: str, first: list[int]) -> str:
    return text(header, [f"{i},1,{row.split(',')[1]}" for i, row in zip(first, ROWS, strict=True)])


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "index", "ID", "row_id", "#"])
@pytest.mark.parametrize("first", [range(10), range(5, 15), [3, 1, 2, 40, 5, 6, 7, 8, 9, 0]], ids=str)
def test_a_first_column_that_numbers_the_rows_is_left_out_with_a_warning(write, name, first):
    with pytest.warns(UserWarning, match="which numbers the rows") as said:
        table = read_table(write(numbered(f"{name},one,y", list(first))), "y")
    assert repr(name or "Unnamed: 0") in str(said[0].message)
    assert table.features == ("one",)
    assert table.x.tolist() == [[1.0]] * 10


def test_the_indices_of_a_table_that_was_saved_twice_are_left_out(write):
    rows = [f"{i},{10 - i},1,{row.split(',')[1]}" for i, row in enumerate(ROWS)]
    with pytest.warns(UserWarning, match=r"'Unnamed: 0\.1', 'Unnamed: 0'"):
        assert read_table(write(text("Unnamed: 0.1,Unnamed: 0,one,y", rows)), "y").features == ("one",)


@pytest.mark.parametrize(
    ("header", "first"), [("year,one,y", range(10)), ("id,one,y", [1] * 5 + [2] * 5), ("a,id,y", range(10))]
)
def test_what_may_say_something_is_a_feature(write, header, first):
    table = read_table(write(numbered(header, list(first))), "y")
    assert table.features == tuple(header.split(",")[:2])
    assert table.x[:, 1].tolist() == [1.0] * 10


def test_an_index_is_kept_where_it_is_the_target_or_all_there_is(write):
    assert read_table(write(numbered("id,one,y", list(range(10)))), "id").features == ("one", "y")
    rows = [f"{i},{row.split(',')[1]}" for i, row in enumerate(ROWS)]
    assert read_table(write(text(",y", rows)), "y").features == ("Unnamed: 0",)


def test_a_large_table(tmp_path):
    values = np.random.default_rng(0).normal(size=(2000, 21))
    path = tmp_path / "large.csv"
    pd.DataFrame(values, columns=[f"c{i}" for i in range(21)]).to_csv(path, index=False)
    table = read_table(path, "c20")
    assert np.array_equal(table.x, values[:, :20])
    assert np.array_equal(table.y, values[:, 20])


FILES = {
    "empty": (b"", "is empty"),
    "only blank lines": ("\n \n", "is empty"),
    "only a mark": (b"\xef\xbb\xbf", "is empty"),
    "too many fields": (text(rows=replaced(3, "3,9,1")), "line 5 has 3 fields where the header has 2"),
    "too few fields": (text(rows=["", *replaced(3, "3")]), "line 6 has 1 field where the header has 2"),
    "open quote": (text(rows=replaced(3, '3,"9')), "cannot be read as CSV: line 5: unexpected end of data"),
    "open quote in the header": (text('a,"y'), "cannot be read as CSV: line 1: unexpected end of data"),
    "Latin-1": (text("größe,y").encode("latin-1"), "line 1 is not UTF-8; save the table as CSV in UTF-8"),
    "UTF-16": (text().encode("utf-16"), "line 1 is not UTF-8; save the table as CSV in UTF-8"),
    "no header": (
        text("0.5,-1e3"),
        "no header: the first line must name the columns, and holds only numbers: 0.5, -1e3",
    ),
    "only a header": (text(rows=[]), "0 rows of data; a fit needs at least 10"),
    "9 rows": (text(rows=ROWS[:9]), "9 rows of data; a fit needs at least 10"),
    "no features": (text("y", [row[0] for row in ROWS]), f"the only column is 'y'; {NEEDED}"),
    "another delimiter": (text().replace(",", "|"), f"the only column is 'a|y'; {NEEDED}"),
    "target twice": (text("y,y"), "2 columns are named 'y', the target"),
    "features twice": (text("a,a,y,b,b", ["1,2,3,4,5"] * 10), "names of more than one column: 'a', 'b'"),
    "no target": (text("a,price"), "no column 'y' for the target; columns: 'a', 'price'"),
    "no target of many": (
        text("a,b,c,d,e,f,g", ["1,2,3,4,5,6,7"] * 10),
        "no column 'y' for the target; columns: 'a', 'b', 'c', 'd', 'e', … and 2 more",
    ),
    "target nearly": (text("a,Y"), "no column 'y' for the target; did you mean 'Y'?"),
    "text in the target": (
        text(rows=replaced(4, "4,high")),
        "the target is not numeric: 'y' ('high' in line 6); a fit needs a number in every row",
    ),
    "date in the target": (
        text(rows=replaced(0, "zero,2024-01-01")),
        "the target is not numeric: 'y' ('2024-01-01' in line 2); a fit needs a number in every row",
    ),
    "text columns": (
        text("a,b,c,d,e,f,g,h,y", [f"red,1,1_0,?,blue,true blue,-,0x1,{i}" for i in range(10)]),
        "feature columns that are not numeric: 'a' ('red' in line 2), 'c' ('1_0' in line 2), 'd' ('?' in line 2), "
        "'e' ('blue' in line 2), 'f' ('true blue' in line 2), … and 2 more; encode them as numbers or drop them",
    ),
    "long text": (
        text(rows=replaced(0, "x" * 99 + ",1")),
        f"feature columns that are not numeric: 'a' ('{'x' * 39}…' in line 2); encode them as numbers or drop them",
    ),
    "decimal comma": (
        text("a;y", ["1,5;2"] * 10),
        "feature columns that are not numeric: 'a' ('1,5' in line 2); "
        "write a decimal point, and nothing between thousands",
    ),
    "thousands in the target": (
        text(rows=replaced(0, '0,"1,234.5"')),
        "the target is not numeric: 'y' ('1,234.5' in line 2); write a decimal point, and nothing between thousands",
    ),
    "missing": (
        text(rows=replaced(2, ",4")),
        "missing values in columns 'a' (1, the first in line 4); fill them in or drop those rows",
    ),
    "missing by name": (
        text("a,b,c,y", ["1,NA,2,3"] * 4 + ["nan,null,5,N/A"] * 6),
        "missing values in columns 'a' (6, the first in line 6), 'b' (10, the first in line 2), "
        "'y' (6, the first in line 6); fill them in or drop those rows",
    ),
    "infinite": (
        text(rows=replaced(2, "1e999,-inf")),
        "infinite values in columns 'a' (1, the first in line 4), 'y' (1, the first in line 4); "
        "fill them in or drop those rows",
    ),
    "line ends in quotes": (
        text('"a\n\nb",y', ["", *replaced(1, '"\n1",')]),
        "missing values in columns 'y' (1, the first in line 6); fill them in or drop those rows",
    ),
    "constant target": (text(rows=["1,2.5", "2,2.50"] * 5), "the target, column 'y', is constant: 2.5 in all 10 rows"),
}


@pytest.mark.parametrize(("content", "message"), FILES.values(), ids=FILES.keys())
def test_what_cannot_be_fitted_is_named(write, content, message):
    path = write(content)
    with pytest.raises(NetGraphError) as caught:
        read_table(path, "y")
    assert str(caught.value) == f"{path}: {message}"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.csv", "no such file"),
        ("folder.csv", "is a folder, not a table"),
        ("data.xlsx", r"unknown suffix '.xlsx'; known: .csv, .tsv, .csv.gz, .tsv.gz, .parquet, .pq"),
        ("data", "unknown suffix ''"),
        ("broken.csv.gz", "not a whole gzip file: "),
        ("cut.csv.gz", "not a whole gzip file: "),
        ("empty.parquet", "is empty"),
    ],
)
def test_a_file_of_the_wrong_kind_is_named(tmp_path, write, name, message):
    (tmp_path / "folder.csv").mkdir()
    for other in ("data.xlsx", "data", "broken.csv.gz"):
        write(text(), other)
    write(gzip.compress(text().encode())[:-12], "cut.csv.gz")
    write(b"", "empty.parquet")
    with pytest.raises(NetGraphError, match=f"^{re.escape(str(tmp_path / name))}: {message}"):
        read_table(tmp_path / name, "y")


def test_parquet_without_pyarrow_names_the_extra(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(NetGraphError, match=r'parquet needs pyarrow: pip install -e "\.\[parquet\]"'):
        read_table(write(b"PAR1", "data.parquet"), "y")


@pytest.fixture
def squares() -> pd.DataFrame:
    pytest.importorskip("pyarrow")
    return pd.DataFrame({"a": np.arange(10.0), "y": np.arange(10) ** 2})


@pytest.mark.parametrize("name", ["data.parquet", "data.pq"])
def test_parquet_is_read_bit_for_bit(tmp_path, squares, name):
    squares.to_parquet(tmp_path / name)
    check_squares(read_table(tmp_path / name, "y"))


def test_the_index_of_a_parquet_file_is_no_column(tmp_path, squares):
    squares.set_index(pd.Index(range(5, 15), name="id")).to_parquet(tmp_path / "data.parquet")
    check_squares(read_table(tmp_path / "data.parquet", "y"))


def test_parquet_numbers_of_every_type_are_numbers(tmp_path, squares):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {f"u{bits}": pyarrow.array(range(10), f"uint{bits}") for bits in (8, 16, 32, 64)}
    columns |= {f"f{bits}": pyarrow.array(np.arange(10, dtype=f"f{bits // 8}")) for bits in (16, 32, 64)}
    columns["decimal"] = pyarrow.array(range(10)).cast(pyarrow.decimal128(30, 2))
    columns["flag"] = pyarrow.array([i > 4 for i in range(10)])
    columns["y"] = pyarrow.array(range(10), "int8")
    parquet.write_table(pyarrow.table(columns), tmp_path / "data.parquet")
    table = read_table(tmp_path / "data.parquet", "y")
    for name, column in zip(table.features, table.x.T, strict=True):
        assert column.tolist() == [float(i > 4 if name == "flag" else i) for i in range(10)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([None, *"abcdefghi"], r"not numeric: 'b' \('a' in row 2\)"),
        (pd.date_range("2024-01-01", periods=10), r"not numeric: 'b' \('2024-01-01 00:00:00' in row 1\)"),
        ([1.0, None, float("nan"), *range(7)], r"missing values in columns 'b' \(2, the first in row 2\)"),
        ([None, True, None, *[False] * 7], r"missing values in columns 'b' \(2, the first in row 1\)"),
        ([None] * 10, r"missing values in columns 'b' \(10, the first in row 1\)"),
        ([float("inf"), *range(9)], r"infinite values in columns 'b' \(1, the first in row 1\)"),
    ],
)
def test_what_parquet_holds_is_checked_alike(tmp_path, squares, values, message):
    path = tmp_path / "data.parquet"
    squares.assign(b=values).to_parquet(path)
    with pytest.raises(NetGraphError, match=message):
        read_table(path, "y")


def test_parquet_that_is_none_is_refused(write):
    pytest.importorskip("pyarrow")
    with pytest.raises(NetGraphError, match=r"data.pq: cannot be read as parquet: [^\n]+$"):
        read_table(write(text(), "data.pq"), "y")


def test_parquet_without_rows_is_refused(tmp_path, squares):
    squares.assign(b="text")[:0].to_parquet(tmp_path / "data.parquet")
    with pytest.raises(NetGraphError, match="0 rows of data; a fit needs at least 10"):
        read_table(tmp_path / "data.parquet", "y")


def test_parquet_of_one_column_is_refused(tmp_path, squares):
    squares[["y"]].to_parquet(tmp_path / "data.parquet")
    with pytest.raises(NetGraphError, match=r"'y'; a fit needs the target and at least one feature column$"):
        read_table(tmp_path / "data.parquet", "y")

"""What is in the file is what comes back, bit for bit; what cannot be meant is refused with the place."""

import gzip
import re
import sys
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from netgraph.errors import NetGraphError
from netgraph.tasks import Table, read_table
from netgraph.tasks.cells import read_numbers
from netgraph.tasks.kinds import column_kind
from netgraph.tasks.table import index_columns

#: Ten rows of a feature a, 0 … 9, and a target y, its square.
ROWS = [f"{i},{i * i}" for i in range(10)]
NEEDED = "a fit needs the target and a feature"
NOT_NUMERIC = "values that are not numeric in columns"


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
    assert (table.features, table.target) == (("a",), "y")
    assert table.X["a"].dtype == table.y.dtype == np.float64
    assert table.X.to_numpy().tolist() == [[float(i)] for i in range(10)]
    assert (table.task, table.notes) == ("regression", ())
    assert table.y.tolist() == [float(i * i) for i in range(10)]


@given(
    values=st.tuples(st.integers(10, 25), st.integers(2, 5)).flatmap(
        lambda shape: arrays(np.float64, shape, elements=st.floats(allow_nan=False, allow_infinity=False))
    ),
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
    table = read_table(path, names[target], task="regression")
    assert table.features == tuple(name for name in names if name != names[target])
    assert table.y.tobytes() == values[:, target].tobytes()
    assert table.X.to_numpy().tobytes() == np.delete(values, target, axis=1).tobytes()


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_delimiter_line_end_and_mark_are_found_out(write, end, delimiter, mark):
    content = mark + text(end=end).replace(",", delimiter).encode()
    for path in (write(content), write(content, "DATA.TSV"), write(gzip.compress(content), "a.b.csv.gz")):
        check_squares(read_table(path, "y"))


def test_names_may_be_quoted_and_hold_delimiters(write):
    rows = [row.replace(",", ";") for row in ROWS]
    assert read_table(write(text('"size, in m";y', rows)), "y").features == ("size, in m",)
    assert read_table(write(text("size (a, m);y", rows)), "y").features == ("size (a, m)",)
    assert read_table(write(text('"a";"the ""y"""', rows)), 'the "y"').y[3] == 9


def test_blanks_around_cells_and_blank_lines_do_not_count(write):
    check_squares(read_table(write(text(" a , y", ["", *(row.replace(",", " , ") for row in ROWS), ""])), "y"))


def test_truth_values_and_large_numbers_are_numbers(write):
    rows = [f"{i % 2 == 0},{'TRUE' if i < 5 else 'false'},{10**30 + i * 10**20},{i - 128}" for i in range(10)]
    table = read_table(write(text("even,first,wide,y", rows)), "y")
    assert column_kind(table.X["even"]).kind == column_kind(table.X["first"]).kind == "number"
    assert read_numbers(table.X["even"]).tolist() == [1.0, 0.0] * 5
    assert read_numbers(table.X["first"]).tolist() == [1.0] * 5 + [0.0] * 5
    assert table.X["wide"].tolist() == [float(10**30 + i * 10**20) for i in range(10)]


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "index", "ID", "row_id", "#"])
@pytest.mark.parametrize("first", [range(5, 15), [3, 1, 2, 40, 5, 6, 7, 8, 9, 0]], ids=str)
def test_a_first_column_that_numbers_the_rows_is_found_by_name_and_values(write, name, first):
    rows = [f"{i},1,{row.split(',')[1]}" for i, row in zip(first, ROWS, strict=True)]
    table = read_table(write(text(f"{name},one,y", rows)), "y")
    assert index_columns(table.features, table.X.to_numpy()) == [name or "Unnamed: 0"]


@pytest.mark.parametrize(("name", "first"), [("year", range(10)), ("id", [1] * 5 + [2] * 5), ("id", [0.5, *range(9)])])
def test_what_may_matter_numbers_no_rows(name, first):
    assert index_columns([name, "one"], np.column_stack([first, np.ones(10)])) == []


MIXED = {"color": ["red", "NA"] * 6, "size": ["1,5", "2,25"] * 6, "day": ["24.12.2024", "1.1.2025"] * 6}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_raw_columns_stay_as_they_are_in_every_encoding(tmp_path, encoding):
    path = tmp_path / "data.csv"
    pd.DataFrame(MIXED | {"größe": range(12)}).to_csv(path, sep=";", index=False, encoding=encoding)
    note = {"utf-16": "read as UTF-16", "cp1252": "is not UTF-8, read as Windows-1252"}.get(encoding)
    with pytest.warns(UserWarning, match=note) if note else nullcontext():
        table = read_table(path, "größe")
    assert table.y.tolist() == list(range(12))
    assert {name: table.X[name].tolist() for name in table.X} == MIXED
    assert [note in one for one in table.notes] == [True] * bool(note)


def test_missing_numbers_stay_missing_and_rows_without_a_target_are_left_out(write):
    rows = [f"{'' if i % 4 == 0 else i},{'NA' if i in (3, 5) else i * i}" for i in range(14)]
    with pytest.warns(UserWarning, match=r"data\.csv: left out 2 rows without a value of 'y'$"):
        table = read_table(write(text(rows=rows)), "y")
    assert np.isnan(table.X["a"]).tolist() == [i % 4 == 0 for i in range(14) if i not in (3, 5)]
    assert table.y.tolist() == [i * i for i in range(14) if i not in (3, 5)]
    with pytest.raises(NetGraphError, match="1 row of data; a fit needs at least 10"):
        read_table(write(text(rows=["1,2", *["3,"] * 20])), "y")


@pytest.mark.parametrize(
    ("cells", "classes"),
    [
        (["ham", " spam"] * 6, ["ham", "spam"] * 6),
        (["True", "false"] * 6, ["True", "false"] * 6),
        (["setosa", "virginica", "versicolor"] * 4, ["setosa", "virginica", "versicolor"] * 4),
    ],
)
def test_a_target_of_words_means_classes(write, cells, classes):
    table = read_table(write(text(rows=[f"{i},{cell}" for i, cell in enumerate(cells)])), "y")
    assert (table.task, table.y.tolist()) == ("classes", classes)


def test_a_target_of_two_numbers_is_regression_with_a_word_about_classes(write):
    path = write(text(rows=[f"{i},{i % 2}" for i in range(12)]))
    with pytest.warns(UserWarning, match="'y', holds 0 and 1 alone; NetGraphClassifier, or --task classes"):
        assert read_table(path, "y").task == "regression"
    assert read_table(path, "y", task="regression").y.dtype == np.float64
    table = read_table(path, "y", task="classes")
    assert (table.task, table.y.dtype, table.y.tolist()) == ("classes", np.int64, [0, 1] * 6)


def test_a_decimal_comma_in_the_target_is_read(write):
    assert read_table(write(text("a;y", [f"{i};{i},5" for i in range(10)])), "y").y.tolist() == [
        i + 0.5 for i in range(10)
    ]


FILES = {
    "empty": (b"", "is empty"),
    "only blank lines": ("\n \n", "cannot be read: No columns to parse from file"),
    "too many fields": (text(rows=replaced(3, "3,9,1")), "cannot be read: .* Expected 2 fields in line 5, saw 3"),
    "too few fields": (text(rows=["", *replaced(3, "3")]), "9 rows of data; a fit needs at least 10"),
    "open quote": (text(rows=replaced(3, '3,"9')), "cannot be read: .*EOF inside string starting at row 4"),
    "half of UTF-16": (text().encode("utf-16")[:-1], "cannot be read: 'utf-16.*' codec can't decode"),
    "UTF-16 without its mark": (text().encode("utf-16-le"), "is no text: it holds zero bytes"),
    "no header": (text("0.5,-1e3"), "no header: the first line .* holds only numbers: '0.5', '-1e3'"),
    "only a header": (text(rows=[]), "0 rows of data; a fit needs at least 10"),
    "9 rows": (text(rows=ROWS[:9]), "9 rows of data; a fit needs at least 10"),
    "no features": (text("y", [row[0] for row in ROWS]), f"the only column is 'y'; {NEEDED}"),
    "another delimiter": (text().replace(",", "|"), rf"the only column is 'a\|y'; {NEEDED}"),
    "names twice": (text("a,a,y,b,b", ["1,2,3,4,5"] * 10), "names of more than one column: 'a', 'b'"),
    "no target": (text("a,price"), "no column 'y' for the target; columns: 'a', 'price'"),
    "no target of many": (text("a,b,c,d,e,f,g", ["1,2,3,4,5,6,7"] * 10), "no column 'y' .*'e', … and 2 more"),
    "target nearly": (text("a,Y"), r"no column 'y' for the target; did you mean 'Y'\?"),
    "text in the target": (text(rows=replaced(4, "4,high")), rf"{NOT_NUMERIC} 'y' \('high' in row 5\); correct"),
    "long text": (text(rows=replaced(0, "1," + "x" * 99)), rf"{NOT_NUMERIC} 'y' \('{'x' * 39}…' in row 1\)"),
    "as many classes as rows": (
        text(rows=[f"1,name {i}" for i in range(10)]),
        "the target, .* has 10 classes in 10 rows, such as '.*'; is it another column",
    ),
    "dates": (text(rows=[f"1,2024-01-{i + 10}" for i in range(10)]), "the target, column 'y', holds dates"),
    "infinite": (text(rows=replaced(2, "1e999,3")), "column 'a' holds an infinite value in row 3"),
    "infinite target": (text(rows=replaced(2, "1,-inf")), "column 'y' holds an infinite value in row 3"),
    "one class": (text(rows=["1,red"] * 10), "the target, column 'y', is constant: 'red' in all 10 rows"),
    "constant target": (text(rows=["1,2.5", "2,2.50"] * 5), "the target, column 'y', is constant: 2.5 in all 10 rows"),
}


@pytest.mark.parametrize(("content", "message"), FILES.values(), ids=FILES.keys())
def test_what_cannot_be_fitted_is_named_in_one_line(write, content, message):
    path = write(content)
    with pytest.raises(NetGraphError) as caught:
        read_table(path, "y")
    assert re.match(rf"{re.escape(str(path))}: {message}", str(caught.value))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.csv", "no such file"),
        ("folder.csv", "is a folder, not a table"),
        ("data.xlsx", r"unknown suffix '.xlsx'; known: .csv, .tsv, .csv.gz, .tsv.gz, .parquet, .pq"),
        ("data", "unknown suffix ''"),
        ("broken.csv.gz", "cannot be read: "),
        ("cut.csv.gz", "cannot be read: "),
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
def test_parquet_is_read_bit_for_bit_without_its_index(tmp_path, squares, name):
    squares.set_index(pd.Index(range(5, 15), name="id")).to_parquet(tmp_path / name)
    check_squares(read_table(tmp_path / name, "y"))


def test_parquet_numbers_of_every_type_are_numbers(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {f"u{bits}": pyarrow.array(range(10), f"uint{bits}") for bits in (8, 64)}
    columns |= {f"f{bits}": pyarrow.array(np.arange(10, dtype=f"f{bits // 8}")) for bits in (16, 32)}
    columns["decimal"] = pyarrow.array(range(10)).cast(pyarrow.decimal128(30, 2))
    columns["flag"] = pyarrow.array([i > 4 for i in range(10)])
    columns["y"] = pyarrow.array(range(10), "int8")
    parquet.write_table(pyarrow.table(columns), tmp_path / "data.parquet")
    table = read_table(tmp_path / "data.parquet", "y")
    for name in table.features:
        assert read_numbers(table.X[name]).tolist() == [float(i > 4 if name == "flag" else i) for i in range(10)]


@pytest.mark.parametrize(
    "values",
    [[None, *"abcdefghi"], pd.date_range("2024-01-01", periods=10), [None, True, None, *[False] * 7], list("ab" * 5)],
)
def test_parquet_keeps_its_types(tmp_path, squares, values):
    squares.assign(b=values).to_parquet(tmp_path / "data.parquet")
    table = read_table(tmp_path / "data.parquet", "y")
    pd.testing.assert_series_equal(table.X["b"], pd.read_parquet(tmp_path / "data.parquet")["b"])


def test_parquet_is_refused_alike(tmp_path, write, squares):
    squares.assign(b=[float("inf"), *range(9)]).to_parquet(tmp_path / "data.parquet")
    with pytest.raises(NetGraphError, match=r"column 'b' holds an infinite value in row 1$"):
        read_table(tmp_path / "data.parquet", "y")
    with pytest.raises(NetGraphError, match=r"none.pq: cannot be read: [^\n]+$"):
        read_table(write(text(), "none.pq"), "y")
    squares[["y"]].to_parquet(tmp_path / "one.parquet")
    with pytest.raises(NetGraphError, match=rf"'y'; {NEEDED}$"):
        read_table(tmp_path / "one.parquet", "y")


def test_numbers_of_parquet_are_read_as_they_are(tmp_path):
    values = np.random.default_rng(0).normal(size=(12, 2)).astype(np.float32)
    frame = pd.DataFrame({"a": values[:, 0], "b": np.arange(12) % 3 == 0, "y": values[:, 1]})
    frame.to_parquet(tmp_path / "data.parquet")
    table = read_table(tmp_path / "data.parquet", "y")
    assert table.X["a"].tolist() == values[:, 0].astype(np.float64).tolist()
    assert table.X["b"].tolist() == frame["b"].tolist()
    assert table.y.tolist() == values[:, 1].astype(np.float64).tolist()

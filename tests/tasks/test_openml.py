"""Data sets come from a server that speaks as OpenML does, and are cached, checked and read without it."""

import json

import numpy as np
import pandas as pd
import pytest

from netgraph.errors import NetGraphError, StoreError
from netgraph.tasks import install_real, load_real, real_task
from netgraph.tasks.dataset import Entry, cache_path, data_folder, find_entry, read_catalog
from netgraph.tasks.openml import OfflineError, encode, fetch_entry
from tests.tasks.openml_server import CONSTANTS, ROWS, serving

CLOSED = "http://127.0.0.1:9"  # no server listens there


def point_at(monkeypatch, address):
    monkeypatch.setattr("sklearn.datasets._openml.time.sleep", lambda _: None)
    for name, path in CONSTANTS.items():
        monkeypatch.setattr(f"sklearn.datasets._openml.{name}", address + path)


@pytest.fixture
def openml(monkeypatch):
    with serving() as server:
        point_at(monkeypatch, server.address)
        yield server


@pytest.fixture
def offline(monkeypatch):
    point_at(monkeypatch, CLOSED)


def test_a_table_is_coded_as_documented(openml, tmp_path):
    data = load_real("openml:9001", tmp_path)
    assert data.name == "openml:9001"
    assert data.feature_names == ("size", "color=blue", "color=green", "color=red", "color=?", "old=yes", "town")
    assert data.x.shape == (ROWS - 1, 7)  # row 1 has no target
    kept = [i for i in range(ROWS) if i != 1]
    np.testing.assert_array_equal(data.y, [i % 7 + i for i in kept])
    sizes = [i * 0.5 for i in kept if i != 3]
    np.testing.assert_array_equal(data.x[:, 0], [np.median(sizes) if i == 3 else i * 0.5 for i in kept])
    np.testing.assert_array_equal(data.x[:, 1:5].argmax(axis=1), [3 if i == 5 else 2 - i % 3 for i in kept])
    assert (data.x[:, 1:5].sum(axis=1) == 1).all()
    np.testing.assert_array_equal(data.x[:, 5], [float(i % 4 > 0) for i in kept])
    np.testing.assert_array_equal(data.x[:, 6], [i % 12 for i in kept])


def test_what_was_fetched_is_read_from_the_cache_without_a_network(openml, monkeypatch, tmp_path):
    monkeypatch.setenv("NETGRAPH_DATA", str(tmp_path / "data"))
    fetched = load_real("openml:9001")
    point_at(monkeypatch, CLOSED)
    cached = load_real("openml:9001")
    np.testing.assert_array_equal(fetched.x, cached.x)
    np.testing.assert_array_equal(fetched.y, cached.y)
    assert fetched.feature_names == cached.feature_names
    record = json.loads((tmp_path / "data" / "openml-9001.json").read_text())
    assert record["left_out"] == ["note", "same"]
    assert (record["target"], record["openml"], record["source"]["version"]) == ("price", 9001, "1")
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
        "openml-9001.json",
        "openml-9001.safetensors",
    ]


def test_a_damaged_file_is_an_error_and_is_fetched_again_by_install(openml, tmp_path):
    original = load_real("openml:9001", tmp_path)
    path = cache_path(9001, tmp_path)
    payload = bytearray(path.read_bytes())
    payload[-5] ^= 1
    path.write_bytes(payload)
    with pytest.raises(StoreError, match="damaged, its sha256"):
        load_real("openml:9001", tmp_path)
    said = []
    assert install_real(["openml:9001"], tmp_path, said.append) == ["openml:9001"]
    assert "damaged" in said[0]
    assert said[0].endswith("it is fetched again")
    assert said[1] == f"openml:9001: {ROWS - 1} rows, 7 columns, fetched; without note, same"
    np.testing.assert_array_equal(load_real("openml:9001", tmp_path).x, original.x)


def test_a_record_that_is_no_record_is_replaced(openml, tmp_path):
    install_real(["openml:9001"], tmp_path, lambda _: None)
    (tmp_path / "openml-9001.json").write_text("{")
    with pytest.raises(StoreError, match="not a JSON record"):
        load_real("openml:9001", tmp_path)
    assert install_real(["openml:9001"], tmp_path, lambda _: None) == ["openml:9001"]
    assert load_real("openml:9001", tmp_path).x.shape == (ROWS - 1, 7)


def test_a_record_of_something_else_is_kept(openml, tmp_path):
    other = tmp_path / "openml-9001.json"
    other.write_text('{"mine": 1}')
    with pytest.raises(StoreError, match=r"openml-9001\.json: not a netgraph-data record"):
        install_real(["openml:9001"], tmp_path, lambda _: None)
    assert other.read_text() == '{"mine": 1}'


def test_install_says_what_is_there_and_leaves_out_what_cannot_be_used(openml, tmp_path):
    said = []
    names = ["openml:9002", "openml:9001", "openml:77"]
    assert install_real(names, tmp_path, said.append) == ["openml:9001"]
    assert said[0] == "left out: openml:9002: the target, column 'price', holds values that are not numbers"
    assert said[1].startswith("openml:9001: 39 rows, 7 columns, fetched")
    assert said[2] == "left out: openml:77: Dataset with data_id 77 not found."
    again = []
    install_real(["openml:9001"], tmp_path, again.append)
    assert again == ["openml:9001: 39 rows, 7 columns, there"]


def test_install_goes_on_offline_with_what_is_there(openml, monkeypatch, tmp_path):
    install_real(["openml:9001"], tmp_path, lambda _: None)
    point_at(monkeypatch, CLOSED)
    said = []
    names = ["abalone", "openml:9001", "cars"]
    assert install_real(names, tmp_path, said.append) == ["openml:9001"]
    assert said == [
        "openml:9001: 39 rows, 7 columns, there",
        f"offline: OpenML cannot be reached; 1 of 3 data sets are in {tmp_path}: openml:9001",
    ]


def test_a_data_set_that_is_not_there_offline_is_a_one_line_error(offline, tmp_path):
    with pytest.raises(OfflineError) as caught:
        load_real("abalone", tmp_path)
    assert str(caught.value).startswith("abalone: OpenML cannot be reached (")
    assert str(caught.value).endswith(f"and the data set is not in {tmp_path}")
    assert "\n" not in str(caught.value)


def test_a_file_with_a_wrong_md5_is_refused(openml, tmp_path):
    openml.broken = True
    with pytest.raises(NetGraphError, match=r"^openml:9001: The md5 checksum of the file"):
        load_real("openml:9001", tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_server_error_is_a_one_line_error(openml, tmp_path):
    openml.status = 500
    with pytest.raises(NetGraphError, match=r"^openml:9001: OpenML answered 500 for data set 9001$"):
        load_real("openml:9001", tmp_path)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (Entry("houses", 9001, "price", 41, 6), "houses: OpenML sent 40 rows, expected 41"),
        (Entry("houses", 9001, "price", 40, 5), "houses: OpenML sent 6 columns, expected 5"),
        (Entry("houses", 9001, "cost"), "houses: no column 'cost' for the target; columns: size, color, old, "),
        (Entry("houses", 9001, "note"), "houses: the target, column 'note', holds values that are not numbers"),
    ],
)
def test_what_differs_from_the_list_is_refused(openml, entry, message):
    with pytest.raises(NetGraphError) as caught:
        fetch_entry(entry)
    assert str(caught.value).startswith(message)


def test_a_task_is_drawn_from_what_is_cached(openml, tmp_path):
    task = real_task("openml:9001", 20, 3, 0, tmp_path)
    assert task.x.shape == (20, 3)
    assert task.family == "openml:9001"
    assert len(task.description["columns"].split(";")) == 3


def test_the_list_holds_the_suite():
    catalog = read_catalog()
    assert len(catalog) == 35
    assert len({entry.openml for entry in catalog.values()}) == 35
    assert all(entry.target and entry.rows >= 500 and entry.features >= 5 for entry in catalog.values())
    assert find_entry("openml:44956") == catalog["abalone"]
    assert find_entry("openml:1") == Entry("openml:1", 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]", "must be a mapping of names to data sets"),
        ("a: {target: y}", "a: must have the key openml"),
        ("a: {openml: 3, colour: red}", r"a: must have the key openml, OpenML's data id, and may have \["),
        ("a: {openml: ", "not YAML"),
    ],
)
def test_a_bad_list_is_refused_by_file_and_entry(text, message, tmp_path):
    path = tmp_path / "real.yaml"
    path.write_text(text)
    with pytest.raises(NetGraphError, match=f"real.yaml: {message}"):
        read_catalog(path)


def test_a_missing_list_is_an_error(tmp_path):
    with pytest.raises(NetGraphError, match=r"real\.yaml: No such file"):
        read_catalog(tmp_path / "real.yaml")


@pytest.mark.parametrize("name", ["openml:", "openml:abalone", "openml:-3", "openml:0", "openml:²"])
def test_a_wrong_data_id_is_refused(name):
    with pytest.raises(NetGraphError, match="must be a data id of OpenML"):
        load_real(name)


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("NETGRAPH_DATA", str(tmp_path))
    assert data_folder() == tmp_path
    monkeypatch.delenv("NETGRAPH_DATA")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_folder() == tmp_path / ".cache" / "netgraph"


@pytest.mark.parametrize("name", ["abalon", "iris"])
def test_install_refuses_names_that_are_not_on_the_list(name, tmp_path):
    with pytest.raises(NetGraphError, match=name):
        install_real([name], tmp_path)


def test_a_folder_that_cannot_be_written_to_is_an_error(openml, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="file"):
        install_real(["openml:9001"], tmp_path / "file", lambda _: None)


def test_encoding_copes_with_what_tables_hold():
    table = pd.DataFrame(
        {
            "flag": [True, False, True, False],
            "hole": [np.nan] * 4,
            "wild": [1.0, np.inf, 2.0, np.nan],
            "when": pd.to_datetime(["2020-01-01"] * 3 + ["2021-01-01"]),
            "level": pd.Categorical(["b", "a", "b", None], categories=["b", "a", "unused"]),
            "grade": pd.Categorical(["1", "2", "3.5", "2"]),
        }
    )
    x, y, names, left_out = encode(table, "grade")
    assert names == ("flag", "wild", "level=b", "level=a", "level=?")
    assert left_out == ("hole", "when")
    np.testing.assert_array_equal(y, [1, 2, 3.5, 2])
    np.testing.assert_array_equal(x[:, 0], [1, 0, 1, 0])
    np.testing.assert_array_equal(x[:, 1], [1, 1.5, 2, 1.5])
    np.testing.assert_array_equal(x[:, 2:].argmax(axis=1), [0, 1, 0, 2])


def test_a_table_with_nothing_to_predict_from_is_refused():
    with pytest.raises(NetGraphError, match="nothing is left to predict 'y' from"):
        encode(pd.DataFrame({"y": [1.0, 2.0], "same": [1, 1]}), "y")
    with pytest.raises(NetGraphError, match="nothing is left to predict 'y' from"):
        encode(pd.DataFrame({"y": [np.nan, np.nan], "x": [1, 2]}), "y")

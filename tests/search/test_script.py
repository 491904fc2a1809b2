"""The Python file beside the weights: raw columns by name, classes, several targets, and the command."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_iris
from torch import nn

from netgraph import NetGraph, NetGraphClassifier, NetGraphError, NetGraphRegressor, from_module
from netgraph.search.columns import ColumnEncoder
from netgraph.search.export import export_network
from netgraph.search.extras.random_features import RandomFeatures
from netgraph.search.preprocess import Preprocessing
from tests.search.test_export import MAPS, RNG, ROWS, check_style, imported, network
from tests.strategies import examples, random_graph


def of_columns(frame, path, **options) -> tuple[ColumnEncoder, NetGraph, Preprocessing, Path]:
    """Write a network that reads the raw columns of a frame."""
    encoder = ColumnEncoder().fit(frame)
    encoded = encoder.transform(frame)
    maps = Preprocessing.fit(encoded, np.linspace(10, 20, len(frame)))
    module = nn.Sequential(nn.Linear(encoded.shape[1], 3), nn.Tanh(), nn.Linear(3, 1)).eval()
    graph = random_graph(from_module(module).architecture)
    return encoder, graph, maps, export_network(graph, maps, path / "network", encoder, **options)[1]


DAYS = pd.date_range("2019-12-24 18:00", periods=40, freq="20D")
#: Columns of every kind, 40 rows of each.
COLUMNS = {
    "number": list(RNG.normal(size=40)),
    "price, in €": [f"{i},{i % 4}5" for i in range(40)],
    "grouped": [f"{i},000.5" for i in range(1, 41)],
    "flag": [True, False] * 20,
    "day": list(DAYS),
    "written": list(DAYS.strftime("%d.%m.%Y")),
    'the "level"': [*"ab" * 15, *"cdefghijkl"],
    "nullable": pd.array([*range(39), None], dtype="Int64"),
    "mixed": [*map(str, range(38)), "low", "low"],
    "constant": ["same"] * 40,
}


@examples(15)
@given(
    names=st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, unique=True),
    missing=st.integers(0, 2**20),
    share=st.sampled_from([0.0, 0.2]),
)
def test_the_written_network_reads_raw_columns_like_the_encoder(tmp_path_factory, names, missing, share):
    rng = np.random.default_rng(missing)
    frame = pd.DataFrame({"age": RNG.normal(size=40)} | {name: COLUMNS[name] for name in names})
    frame = frame.mask(rng.random(frame.shape) < share)
    encoder, graph, maps, script = of_columns(frame, tmp_path_factory.mktemp("columns"))
    module = imported(script)
    rows = frame.sample(60, replace=True, random_state=missing)
    rows = rows.mask(rng.random(rows.shape) < share)
    expected = encoder.transform(rows)
    for table in (rows, rows[rows.columns[::-1]].assign(more=1), rows.to_numpy(dtype=object)):
        assert module.encode(None, (table,)).numpy().tobytes() == expected.tobytes()
    np.testing.assert_allclose(module.load()(rows).detach(), maps.predict(graph, expected), rtol=1e-9)
    with pytest.raises(
        ValueError, match=rf"^the table has no column .*{re.escape(encoder._name(encoder.raw_column_[0]))}"
    ):
        module.load()(rows.drop(columns=rows.columns[encoder.raw_column_[0]]))


def run(script: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_as_a_command_it_predicts_the_rows_of_a_file(tmp_path, encoding):
    frame = pd.DataFrame({"id": range(40)} | COLUMNS)
    with pytest.warns(UserWarning, match="column 'id' is left out"):
        encoder, graph, maps, script = of_columns(frame, tmp_path, target="größe")
    new, out = tmp_path / "new.csv", tmp_path / "predictions.csv"
    frame[frame.columns[::-1]].to_csv(new, index=False, encoding=encoding, sep=";", date_format="%Y-%m-%d %H:%M")
    done = run(script, new, "--out", out)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    check_style(script)
    found = pd.read_csv(out)
    assert found["id"].tolist() == list(range(40))
    np.testing.assert_allclose(found["größe"], maps.predict(graph, encoder.transform(frame)), rtol=1e-9)


def test_as_a_command_it_names_what_is_wrong_in_one_line(tmp_path):
    _, script = export_network(network(), MAPS, tmp_path / "network", target="y", features=["a", "b"])
    for name, content in (("good", "b,a\n1,2\n3,\n"), ("lacks", "a\n1\n"), ("text", "a,b\n1,high\n"), ("empty", "")):
        (tmp_path / f"{name}.csv").write_text(content)
    expected = imported(script).load()(pd.DataFrame({"a": [2.0, np.nan], "b": [1.0, 3.0]})).tolist()
    assert run(script, tmp_path / "good.csv").stdout == "y\n{}\n{}\n".format(*expected)
    for name, message in (
        ("lacks", "no column b"),
        ("text", "'high'"),
        ("empty", "No columns"),
        ("none", "No such file"),
    ):
        done = run(script, tmp_path / f"{name}.csv")
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
        assert message in done.stderr


def test_numbers_that_are_left_out_are_skipped_in_arrays_too(tmp_path):
    X = np.column_stack([RNG.normal(size=40), np.ones(40), RNG.normal(size=40)])
    _, graph, maps, script = of_columns(pd.DataFrame(X, columns=["a", "b", "c"]), tmp_path)
    found = imported(script).load()
    for table in (X, torch.from_numpy(X), pd.DataFrame({"c": X[:, 2], "a": X[:, 0]})):
        np.testing.assert_allclose(found(table).detach(), maps.predict(graph, X[:, [0, 2]]), rtol=1e-9)


def test_an_encoder_of_other_columns_is_refused(tmp_path):
    encoder = ColumnEncoder().fit(pd.DataFrame({"a": [1, 2, 3]}))
    with pytest.raises(NetGraphError, match=r"network\.py: 1 encoded columns for 2 inputs"):
        export_network(network(), MAPS, tmp_path / "network", encoder)


def test_classes_are_written_with_their_probabilities(tmp_path):
    iris = load_iris(as_frame=True)
    X, y = iris.data.assign(site=["a", "b", "c"] * 50), iris.target_names[iris.target].astype(object)
    model = NetGraphClassifier(max_seconds=None, candidates=[RandomFeatures(None)], n_candidates=2).fit(X, y)
    script = model.export(tmp_path / "network", target="species")[1]
    found = imported(script)
    assert found.CLASSES == ["setosa", "versicolor", "virginica"]
    np.testing.assert_allclose(found.load()(X).detach(), model.predict_proba(X), atol=1e-12)
    X.to_csv(tmp_path / "new.csv", index=False)
    run(script, tmp_path / "new.csv", "--out", tmp_path / "out.csv")
    written = pd.read_csv(tmp_path / "out.csv")
    assert list(written) == ["species", "P(setosa)", "P(versicolor)", "P(virginica)"]
    assert written["species"].tolist() == model.predict(X).tolist()
    check_style(script)


def test_several_targets_are_written(tmp_path):
    X, y = ROWS, ROWS @ [[1.0, 2.0], [0.1, -3.0]] + [5.0, 1.0]
    with pytest.warns(UserWarning, match="better than a linear fit"):
        model = NetGraphRegressor(max_seconds=None, candidates=[RandomFeatures(None)], n_candidates=2).fit(X, y)
    script = model.export(tmp_path / "network", features=["a", "b"], target=["up", "down"])[1]
    np.testing.assert_allclose(imported(script).load()(X).detach(), model.predict(X), rtol=1e-9)
    pd.DataFrame(X, columns=["a", "b"]).to_csv(tmp_path / "new.csv")
    assert run(script, tmp_path / "new.csv").stdout.startswith("up,down\n")
    with pytest.raises(NetGraphError, match="1 names for 2 targets"):
        model.export(tmp_path / "network", target="y")

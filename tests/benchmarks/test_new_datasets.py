"""New data sets: the split, the methods, the figures of the report, and a tiny grid from end to end."""

import runpy
import sys

import numpy as np
import pandas as pd
import pytest
from scipy.stats import uniform

from benchmarks import methods, new_datasets
from benchmarks.harness import PROVENANCE, load_runs, measure_runs
from benchmarks.methods import MLP, OURS, TIMED, UNTIMED, Problem
from benchmarks.new_datasets import MATCHED, METHODS, N_FITS, TIMED_FIT
from netgraph.tasks import load_real, split


def test_rows_are_standardized_by_the_training_rows_alone():
    problem, real = Problem.load("wine", 3, "zoo"), load_real("wine")
    parts = split(len(real.y), 3, test_share=0.25)
    assert (len(problem.y), len(problem.y_test)) == (len(parts.train), len(parts.test))
    assert problem.x.mean(axis=0) == pytest.approx(np.zeros(12), abs=1e-9)
    assert problem.y.std() == pytest.approx(1)
    assert np.corrcoef(problem.y_test, real.y[parts.test])[0, 1] == pytest.approx(1)


def test_the_grid_has_every_method_of_every_split_and_budget():
    runs = new_datasets.grid(budgets=[1.0, 5.0], splits=2)
    pairs = 14 * 2
    assert len(runs) == pairs * (2 * len(TIMED) + len(UNTIMED) + 1) + N_FITS
    assert [run["budget"] for run in runs[: pairs * len(TIMED)]] == [1.0] * pairs * len(TIMED)
    assert {run["budget"] for run in new_datasets.grid()} == {5.0, None}
    assert len(METHODS) == 10


def test_r2_of_predictions_that_are_not_finite_is_minus_infinity():
    problem = Problem(*np.ones((2, 4, 1)), np.ones((4, 1)), np.arange(4.0), 0, "zoo")
    for prediction, r2 in ((np.arange(4.0), 1), (np.full(4, 1.5), 0), (np.array([0, np.nan, 2, 3]), -np.inf)):
        assert new_datasets.fit(lambda problem, seconds, y=prediction: lambda x: y, problem, 0.0)["r2"] == r2


def test_the_random_search_of_mlps_keeps_the_settings_of_least_error(monkeypatch):
    problem, fits = Problem.load("iris", 0, "zoo"), []

    class Constant:
        """Predicts what its setting says; the clock goes on by a second a fit."""

        def __init__(self, rows, settings):
            fits.append((rows, settings))
            self.value = settings.get("value", 0.0)

        def predict(self, x):
            return np.full(len(x), self.value)

    monkeypatch.setattr(methods.time, "perf_counter", lambda: float(len(fits)))
    monkeypatch.setattr(methods, "fitted_mlp", lambda x, y, seed, settings: Constant(len(y), settings))
    monkeypatch.setattr(methods, "SETTINGS", {"value": uniform(5, 3)})
    methods.search_mlp(problem, 40.0)
    *tried, (rows, settings) = fits
    assert rows == len(problem.y)
    assert len(tried) == 39  # the last second and a quarter are kept for the fit on all rows
    assert {count for count, _ in tried} == {len(problem.y) - round(0.2 * len(problem.y) + 0.4)}
    assert settings["value"] == min(settings["value"] for _, settings in tried)


def test_an_mlp_that_diverges_predicts_the_mean():
    x = np.random.default_rng(0).normal(size=(20, 2))
    y = 1e200 * x[:, 0]
    settings = {"learning_rate_init": 1e200, "solver": "sgd", "activation": "relu"}
    prediction = methods.fitted_mlp(x, y, 0, settings).predict(x)
    assert prediction == pytest.approx(np.full(20, y.mean()))


def made_runs(scores, seconds=1.0):
    """Runs of R² by data set, [data sets, methods], the same in two splits."""
    rows = [
        {"dataset": name, "split": number, "method": method, "r2": r2, "seconds": seconds}
        | {"budget": 5.0 if method in TIMED else np.nan}
        for name, values in scores.items()
        for method, r2 in zip(METHODS, values, strict=True)
        for number in range(2)
    ]
    return pd.DataFrame(rows)


def test_ranks_are_of_means_over_splits_and_ties_share_theirs():
    falling = [1.0 - 0.1 * i for i in range(10)]
    runs = made_runs({"a": falling, "b": falling[::-1], "c": [0.5] * 10})
    ranks = new_datasets.mean_ranks(runs, 5.0)
    assert list(ranks.index) == list(METHODS)
    assert ranks[OURS] == pytest.approx((1 + 10 + 5.5) / 3)
    assert ranks.sum() == pytest.approx(55)


def test_splits_without_all_methods_are_left_out():
    runs = made_runs({"a": np.arange(10.0), "b": np.arange(10.0)})
    runs = runs[~((runs["dataset"] == "b") & (runs["split"] == 1) & (runs["method"] == MLP))]
    assert new_datasets.at_budget(runs, 5.0).index.tolist() == [("a", 0), ("a", 1), ("b", 0)]
    assert new_datasets.at_budget(runs, 1.0).empty


def test_the_critical_difference_is_that_of_the_table():
    assert new_datasets.critical_difference(5, 30) == pytest.approx(2.728 * (5 * 6 / (6 * 30)) ** 0.5, rel=1e-3)
    assert new_datasets.critical_difference(10, 14) == pytest.approx(3.164 * (110 / 84) ** 0.5, rel=1e-3)


def matched_runs():
    rows = [("a", 0.9, 1.0), ("a", 0.7, 1.0), ("b", 0.9, 3.0), ("c", 0.4, 1.0)]
    named = [
        {"dataset": name, "split": i, "method": MATCHED, "budget": np.nan, "r2": r2, "seconds": seconds}
        | {f"{MLP}: r2": 0.75, f"{MLP}: seconds": 2.0}
        for i, (name, r2, seconds) in enumerate(rows)
    ]
    return pd.DataFrame(named)


def test_better_in_no_more_time_is_counted_on_means_over_splits():
    assert new_datasets.in_mlp_time(matched_runs())["better"].to_dict() == {"a": True, "b": False, "c": False}


def test_the_report_has_a_part_for_each_budget_and_reads_incomplete_runs():
    fits = pd.DataFrame({"dataset": TIMED_FIT, "split": [0, 1, 2], "method": OURS, "seconds": [1.0, 2.0, 4.0]})
    runs = pd.concat([made_runs({"a": np.arange(10.0), "b": np.arange(10.0)}), matched_runs(), fits])
    parts = new_datasets.report(runs)
    text = "\n".join(part if isinstance(part, str) else part.caption for part in parts)
    assert "**5 s**: 2 data sets, 4 splits." in text
    assert "better on 1 of 3 data sets" in text
    assert "2.00 s in the median (1.00, 2.00, 4.00 s)" in text
    assert "| netgraph | 10.000 | 0.000 | 1.000 | 0 | 0 |" in text
    assert "Mean ranks at 5 s" in text
    few = new_datasets.report(fits.assign(budget=np.nan, r2=np.nan))
    assert "better on 0 of 0 data sets" in few[0]


def test_a_tiny_grid_from_end_to_end(tiny_zoo, tmp_path, monkeypatch):
    runs = new_datasets.grid(budgets=[0.01], splits=1, datasets=["linnerud"], zoo=str(tiny_zoo.folder))[:-N_FITS]
    measure_runs(new_datasets, "new_datasets", runs, tmp_path)
    table = load_runs("new_datasets", tmp_path)
    assert len(table) == len(runs) == 11
    assert np.isfinite(table["r2"]).all()
    assert (table["seconds"] > 0).all()
    parts = new_datasets.report(table)
    assert parts[0].startswith("**0.01 s**: 1 data sets, 1 splits.")
    assert set(PROVENANCE) <= set(table.columns)
    monkeypatch.setattr("sys.argv", ["report", "--runs", str(tmp_path), "--out", str(tmp_path / "RESULTS.md")])
    monkeypatch.delitem(sys.modules, "benchmarks.report")
    runpy.run_module("benchmarks.report", run_name="__main__")
    assert "![Mean ranks at 0.01 s; " in (tmp_path / "RESULTS.md").read_text()
    assert (tmp_path / "pictures" / "new_datasets_ranks_0.01.png").exists()

"""Other methods on the same rows, and the figures of predictions."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.metrics import log_loss, r2_score

from netgraph.figures import LEVELS, TABLE
from netgraph.search.baselines import baseline_figures, interval_figures, prediction_figures


def test_figures_of_numbers_and_of_classes():
    y, prediction = np.array([1.0, 2, 4]), np.array([1.5, 2, 3])
    assert prediction_figures(y, prediction, None) == {
        "r2": pytest.approx(r2_score(y, prediction)),
        "rmse": pytest.approx((1.25 / 3) ** 0.5),
        "mae": 0.5,
    }
    classes, labels = np.array(["a", "b"]), np.array(["a", "b", "b"])
    shares = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    expected = {"accuracy": 2 / 3, "log_loss": pytest.approx(log_loss(labels, shares))}
    assert prediction_figures(labels, shares, classes) == expected


def test_a_class_that_was_never_seen_is_wrong_and_costs_a_finite_loss():
    figures = prediction_figures(np.array(["c", "a"]), np.array([[1.0, 0.0], [1.0, 0.0]]), np.array(["a", "b"]))
    assert figures["accuracy"] == 0.5
    assert 1 < figures["log_loss"] < 100


@pytest.mark.parametrize(
    ("load", "linear", "constant", "name", "least"),
    [
        (load_diabetes, "ridge", "the_mean", "r2", 0.3),
        (load_iris, "logistic_regression", "the_most_frequent", "accuracy", 0.9),
    ],
)
def test_lines_and_boosting_are_better_than_a_constant(load, linear, constant, name, least):
    X, y = load(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    train, test = order[:100], order[100:]
    figures = baseline_figures(X[train], y[train], X[test], y[test], load is load_iris, seed=0)
    assert list(figures) == [linear, "boosting", constant]
    assert figures[linear][name] > least > figures[constant][name]
    assert figures["boosting"][name] > figures[constant][name]
    assert baseline_figures(X[train], y[train], X[test], y[test], load is load_iris, seed=0) == figures


def test_intervals_cover_what_normal_residuals_say_and_every_figure_has_a_meaning():
    y = np.random.default_rng(0).normal(size=200)
    figures = interval_figures(y, np.zeros(200), np.ones(200))
    assert figures == {f"coverage_{level}": pytest.approx(level / 100, abs=0.07) for level in LEVELS}
    assert interval_figures(3 * y, np.zeros(200), np.full(200, 3.0)) == figures
    tested = ("r2", "rmse", "mae", "accuracy", "log_loss")
    assert all(TABLE[name].meaning for name in (*figures, *(f"test_{name}" for name in tested)))

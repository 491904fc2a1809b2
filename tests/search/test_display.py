"""Estimators and what a search returns, at a prompt and in a notebook."""

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from netgraph import NetGraphClassifier, NetGraphRegressor
from netgraph.search import Candidate, CrossValidation, LatentObjective, Random, TabularData
from netgraph.search.candidates import shared_model
from netgraph.search.data import TimeBudget
from netgraph.search.network_search import NetworkSearch
from tests.shown import cells

FAST = {"candidates": [Random()], "n_candidates": 4, "max_seconds": None}


def frame():
    X = np.random.default_rng(0).normal(size=(40, 3))
    return pd.DataFrame(X, columns=["<b>size", "width", "height"])


@pytest.fixture(scope="module")
def fitted():
    X = frame()
    return NetGraphRegressor(**FAST).fit(X, X["width"] ** 2 + X["height"])


def found(html):
    """Return the part behind scikit-learn's own display."""
    return html[html.rindex('<div class="netgraph"><style>') :] if '<div class="netgraph">' in html else ""


def part(estimator):
    """Return that part whole: it holds the network's own part."""
    html = estimator._repr_html_()
    return html[html.index('<div class="netgraph"><style>') :]


def test_an_unfitted_estimator_is_shown_as_scikit_learn_does():
    model = NetGraphRegressor(max_seconds=5)
    assert repr(model) == "NetGraphRegressor(max_seconds=5)"
    assert "NetGraphRegressor" in model._repr_html_()
    assert found(model._repr_html_()) == ""


def test_a_fitted_one_shows_what_was_found_below(fitted):
    rows = {row[0]: row[1:] for row in cells(part(fitted))}
    chosen = fitted.candidates_.loc[fitted.chosen_]
    assert rows["network"] == [repr(fitted.graph_.architecture)]
    assert rows["parameters"] == [f"{fitted.graph_.state.numel():,}"]
    assert rows["out-of-fold error"] == [
        f"{chosen['error']:.4g} of the target's variance, R² {1 - chosen['error']:.4g}"
    ]
    assert rows["source"] == [chosen["source"]]
    assert rows["reason"] == [fitted.reason_]
    assert [part(fitted).count(f"{name}</text>") for name in ("b&gt;size", "width", "height")] == [1, 1, 1]
    assert float(rows["width"][0]) == pytest.approx(fitted.feature_importances_[1], rel=1e-3)
    assert "<b>" not in part(fitted)
    front = [row for row in cells(part(fitted)) if row[-1] == "chosen"]
    assert len(front) == 1
    bundle = fitted._repr_mimebundle_()
    assert bundle["text/plain"] == repr(fitted)
    assert found(bundle["text/html"]) == found(fitted._repr_html_()) != ""


def test_scikit_learn_settings_clones_and_pipelines_work_as_ever(fitted):
    with sklearn.config_context(display="text"):
        assert not hasattr(fitted, "_repr_html_")
        assert fitted._repr_mimebundle_() == {"text/plain": repr(fitted)}
    assert found(clone(fitted)._repr_html_()) == ""
    assert "NetGraphRegressor" in make_pipeline(StandardScaler(), fitted)._repr_html_()


@pytest.mark.filterwarnings("ignore:none of")
def test_a_classifier_shows_its_log_loss():
    X = frame().to_numpy()
    model = NetGraphClassifier(objectives="error", **FAST).fit(X, X[:, 0] > 0)
    rows = {row[0]: row[1:] for row in cells(part(model))}
    assert rows["out-of-fold error"][0].endswith(" log loss")
    assert {"x0", "x1", "x2"} <= rows.keys()
    assert [part(model).count(f">{name}</text>") for name in ("x0", "x2", "True", "False")] == [1, 1, 1, 1]


def test_what_a_search_holds_and_returns_is_one_line():
    X = torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    data = TabularData(X, X[:, :1] ** 2)
    search = NetworkSearch(data, seed=0).run([Random()], 3)
    objective = LatentObjective(shared_model(None), data, ["error", "parameters"])
    lines = [
        (data, "TabularData(X=[20, 2], y=[20, 1], sample_weight=None, loss='squared_error')"),
        (CrossValidation(data), "CrossValidation(20 rows, 5 folds)"),
        (objective, "LatentObjective(error, parameters, 20 rows)"),
        (TimeBudget(3, clock=lambda: 1.0), "TimeBudget(0.0 of 3 s)"),
        (search, "SearchResult(data=TabularData(X=[20, 2], y=[20, 1], sample_weight=None, loss='squared_error'), cand"),
    ]
    for held, line in lines:
        assert repr(held).startswith(line)
    candidate = Candidate(search.candidates[0].graph, torch.zeros(20, 1), 0.123456789, "source")
    assert repr(candidate).startswith("Candidate(graph=NetGraph(Input(2) > ")
    assert ", prediction=[20, 1], score=0.1235, source='source', trainable=True, refits=0 items)" in repr(candidate)
    assert not any("\n" in repr(one) or len(repr(one)) > 600 for one in (search, *search.candidates))

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV

from netgraph import NetGraphError
from netgraph.search import NetGraphRegressor
from tests.search.small import untrained


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    """Makes estimators of a small model."""
    path = tmp_path_factory.mktemp("model") / "vae.safetensors"
    untrained().save(path)
    return lambda **options: NetGraphRegressor(**({"checkpoint": str(path), "n_candidates": 24} | options))


def rows(n: int = 120) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).normal(size=(n, 3)) * [1, 100, 0.01]
    return x, 1000 + 50 * x[:, 0]


def test_it_is_seeded_keeps_units_and_gives_a_plain_module(make):
    x, y = rows()
    estimator = make().fit(x, y)
    assert estimator.score(x, y) > 0.9
    assert np.array_equal(estimator.predict(x), make().fit(x, y).predict(x))
    assert np.allclose(estimator.predict(x)[::-1], estimator.predict(x[::-1]), atol=1e-9)
    assert estimator.module_(torch.zeros(2, 3)).shape == (2, 1)
    assert list(estimator.history_) == ["stage", "networks", "error", "seconds"]
    assert list(estimator.pareto_) == ["error"]
    assert len(estimator.pareto_graphs_) == len(estimator.pareto_) == 1


def test_with_several_objectives_the_network_is_small_and_nearly_as_good(make):
    x, y = rows()
    best = make().fit(x, y)
    small = make(objectives=("error", "parameters")).fit(x, y)
    assert small.graph_.architecture.state_size <= best.graph_.architecture.state_size
    assert list(small.pareto_) == ["error", "parameters"]
    assert small.pareto_["error"].is_monotonic_increasing
    assert small.pareto_["parameters"].is_monotonic_decreasing
    assert [g.architecture.state_size for g in small.pareto_graphs_] == small.pareto_["parameters"].tolist()
    assert small.score(x, y) > 0.8


def test_it_works_where_scikit_learn_puts_it(make):
    x, y = rows(60)
    search = GridSearchCV(make(), {"n_candidates": [4, 24]}, cv=2).fit(x, y)
    assert search.best_score_ > 0.5


def test_more_than_sixteen_columns_are_projected(make):
    x = np.random.default_rng(0).normal(size=(80, 25))
    with pytest.warns(UserWarning, match="X has 25 columns"):
        estimator = make().fit(x, x[:, 3])
    assert estimator.graph_.architecture.n_inputs == 16
    assert estimator.score(x, x[:, 3]) > 0.8


def test_bad_input_is_named(make):
    x, y = rows(20)
    with pytest.raises(ValueError, match="NaN"):
        make().fit(np.full((10, 3), np.nan), np.zeros(10))
    with pytest.raises(ValueError, match="minimum of 10"):
        make().fit(x[:9], y[:9])
    with pytest.raises(NetGraphError, match="unknown objective 'speed'"):
        make(objectives=("error", "speed")).fit(x, y)
    with pytest.raises(NetGraphError, match="no such file"):
        make(checkpoint="absent.safetensors").fit(x, y)

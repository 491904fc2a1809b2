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
    known = {"checkpoint": str(path), "n_candidates": 24, "max_seconds": None}
    return lambda **options: NetGraphRegressor(**(known | options))


def rows(n: int = 120) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).normal(size=(n, 3)) * [1, 100, 0.01]
    return x, 1000 + 50 * x[:, 0]


@pytest.fixture(scope="module")
def fitted(make):
    """An estimator of those rows, which tests only read."""
    return make().fit(*rows())


def test_it_is_seeded_keeps_units_and_gives_a_plain_module(make, fitted):
    (x, y), estimator = rows(), fitted
    assert estimator.score(x, y) > 0.9
    assert np.array_equal(estimator.predict(x), make().fit(x, y).predict(x))
    assert np.allclose(estimator.predict(x)[::-1], estimator.predict(x[::-1]), atol=1e-9)
    assert estimator.module_(torch.zeros(2, 3)).shape == (2, 1)
    assert list(estimator.history_) == ["stage", "networks", "error", "seconds"]
    assert list(estimator.pareto_) == ["error"]
    assert len(estimator.pareto_graphs_) == len(estimator.pareto_) == 1


def test_with_several_objectives_the_network_is_small_and_nearly_as_good(make, fitted):
    x, y = rows()
    small = make(objectives=("error", "parameters")).fit(x, y)
    assert small.graph_.architecture.state_size <= fitted.graph_.architecture.state_size
    assert list(small.pareto_) == ["error", "parameters"]
    assert small.pareto_["error"].is_monotonic_increasing
    assert small.pareto_["parameters"].is_monotonic_decreasing
    assert [g.architecture.state_size for g in small.pareto_graphs_] == small.pareto_["parameters"].tolist()
    assert small.score(x, y) > 0.8


def test_far_from_all_rows_it_says_nothing_extreme_and_neither_does_what_is_exported(fitted, tmp_path):
    (x, y), estimator = rows(), fitted
    far = np.concatenate([x, 1e3 * x, -1e9 * x])
    predicted = estimator.predict(far)
    margin = 0.051 * np.ptp(y)
    assert y.min() - margin <= predicted.min() < y.min()
    assert y.max() < predicted.max() <= y.max() + margin
    weights, script = estimator.export(tmp_path / "found")
    scope = {"__file__": str(script), "__name__": "found"}
    exec(compile(script.read_text(), script, "exec"), scope)  # noqa: S102 - the file under test
    exported = scope["load"](weights)(torch.from_numpy(far)).detach()
    assert np.allclose(exported, predicted, rtol=1e-9)


def test_it_works_where_scikit_learn_puts_it(make):
    x, y = rows(60)
    search = GridSearchCV(make(), {"n_candidates": [4, 24]}, cv=2).fit(x, y)
    assert search.best_score_ > 0.5


@pytest.mark.parametrize("strategy", ["prior", "genetic", "gradient"])
def test_more_than_sixteen_columns_are_projected(make, strategy):
    x = np.random.default_rng(0).normal(size=(80, 25))
    with pytest.warns(UserWarning, match="X has 25 columns") as said:
        estimator = make(strategy=strategy).fit(x, x[:, 3])
    assert said[0].filename == __file__
    assert estimator.graph_.architecture.n_inputs == 25
    assert estimator.score(x, x[:, 3]) > 0.8


@pytest.mark.filterwarnings("ignore:no network of .* is better than the mean:UserWarning")
def test_the_errors_of_projected_columns_know_nothing_of_the_rows_they_are_measured_on(make):
    rng = np.random.default_rng(0)
    with pytest.warns(UserWarning, match="X has 200 columns"):
        estimator = make().fit(rng.normal(size=(80, 200)), rng.normal(size=80))
    assert estimator.tuned_["error"].min() > 0.5


def test_the_unit_of_a_column_does_not_matter(make):
    x, y = rows(60)
    for unit in (1e-14, 1e200):
        assert make().fit(x * unit, y).score(x * unit, y) > 0.9


def test_a_fit_that_fails_leaves_the_earlier_one_as_it_was(make):
    x, y = rows(60)
    estimator = make().fit(x, y)
    before = estimator.predict(x)
    with pytest.raises(NetGraphError, match="unknown strategy 'luck'"):
        estimator.set_params(strategy="luck").fit(x * 100 + 7, y * 3 + 50)
    assert np.array_equal(estimator.predict(x), before)


def test_a_checkpoint_that_has_changed_is_read_again(tmp_path):
    x, y = rows(40)
    path = tmp_path / "vae.safetensors"
    model = untrained()
    model.save(path)
    first = NetGraphRegressor(str(path), n_candidates=8).fit(x, y)
    with torch.no_grad():
        model.structure.move.weight.neg_()
    model.save(path)
    second = NetGraphRegressor(str(path), n_candidates=8).fit(x, y)
    assert not np.array_equal(first.predict(x), second.predict(x))


def test_bad_parameters_are_named(make):
    x, y = rows(20)
    for options, message in (
        ({"n_candidates": 0}, "n_candidates is 0"),
        ({"n_candidates": 8.0}, "n_candidates is 8.0"),
        ({"max_seconds": float("nan")}, "max_seconds is nan"),
        ({"max_seconds": -1}, "max_seconds is -1"),
        ({"objectives": "speed"}, "unknown objective 'speed'"),
        ({"device": "gpu"}, "unknown device 'gpu'"),
        ({"random_state": 5_000_000_000}, "random_state 5000000000"),
    ):
        with pytest.raises(NetGraphError, match=message):
            make(**options).fit(x, y)


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

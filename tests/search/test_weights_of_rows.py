"""Weights of rows: in the estimator, its preprocessing, last layers, errors, folds and committees."""

import numpy as np
import pytest
import torch

from netgraph import NetGraphError
from netgraph.search import NetGraphRegressor
from netgraph.search.baselines import baselines
from netgraph.search.committee import weights_of
from netgraph.search.data import Data
from netgraph.search.folds import Folds
from netgraph.search.preprocess import Preprocessing
from netgraph.search.running import Judged, predict, refit, solve
from netgraph.zoo import FitConfig
from tests.search.small import SHORTEST, untrained

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 2))
#: In the second half of the rows the target is another one.
Y = np.where(np.arange(60) < 30, 1.0, -1.0) * X[:, 0] + 0.1 * RNG.normal(size=60)
FIRST = np.where(np.arange(60) < 30, 1.0, 1e-6)


@pytest.fixture
def make(tmp_path, monkeypatch):
    monkeypatch.setattr("netgraph.search.estimator.SearchConfig", SHORTEST)
    untrained().save(tmp_path / "vae.safetensors")
    return lambda: NetGraphRegressor(str(tmp_path / "vae.safetensors"), max_seconds=None, n_candidates=2)


def data(weight: np.ndarray | None = None) -> Data:
    share = None if weight is None else torch.from_numpy(weight / weight.mean())
    return Data(torch.from_numpy(X).float(), torch.from_numpy(Y).float(), share)


def test_equal_weights_are_none_and_a_row_of_weight_0_is_left_out(make):
    y = np.sin(X[:, 0])
    plain = make().fit(X, y).predict(X)
    for weight in (np.full(60, 0.3), [7] * 60):
        assert np.array_equal(make().fit(X, y, sample_weight=weight).predict(X), plain)
    some = np.where(np.arange(60) < 40, 1.0, 0.0)
    left_out = make().fit(X, y, sample_weight=some)
    assert np.array_equal(left_out.predict(X), make().fit(X[:40], y[:40]).predict(X))
    uneven = some * np.random.default_rng(1).uniform(0.5, 2, size=60)
    found = make().fit(X, y, uneven)
    assert np.allclose(found.predict(X), make().fit(X[:40], y[:40], uneven[:40]).predict(X))


def test_a_weight_is_how_often_a_row_is_given_and_the_order_of_rows_does_not_matter(make):
    weight, y = np.arange(60) % 3 + 1, np.sin(X[:, 0])
    order = np.random.default_rng(2).permutation(60)
    expected = make().fit(X, y, weight).predict(X)
    assert np.array_equal(make().fit(X[order], y[order], weight[order]).predict(X), expected)
    assert np.array_equal(make().fit(X.repeat(weight, axis=0), y.repeat(weight)).predict(X), expected)


def test_rows_that_weigh_most_are_learned(make):
    x = X[:30]
    with_first, with_second = (make().fit(X, Y, weight) for weight in (FIRST, FIRST[::-1]))
    assert np.corrcoef(with_first.predict(x), x[:, 0])[0, 1] > 0.9
    assert np.corrcoef(with_second.predict(x), x[:, 0])[0, 1] < -0.9
    assert with_first.score(X, Y, sample_weight=FIRST) > 0.8 > with_first.score(X, Y)
    assert np.array_equal(make().fit(X, Y, 100 * FIRST).predict(x), with_first.predict(x))


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (-np.ones(60), "Negative"),
        (np.full(60, np.nan), "NaN"),
        (np.zeros(60), "non-zero"),
        (np.ones(5), "shape"),
        (np.where(np.arange(60) < 4, 1.0, 0.0), "sample_weight is above 0 in 4 rows; a fit needs at least 5"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_weights_are_named(make, weight, message):
    with pytest.raises(ValueError, match=message):
        make().fit(X, Y, sample_weight=weight)


def test_too_few_rows_of_a_weight_are_an_error_of_netgraph(make):
    with pytest.raises(NetGraphError):
        make().fit(X, Y, np.eye(60)[0])


def test_units_are_those_of_rows_repeated():
    times = np.random.default_rng(0).integers(1, 4, size=60)
    weighted, repeated = Preprocessing.fit(X, Y, times), Preprocessing.fit(X.repeat(times, 0), Y.repeat(times))
    for name in ("shift", "scale", "center", "spread", "least", "most"):
        assert np.allclose(getattr(weighted, name), getattr(repeated, name)), name


def test_a_last_layer_is_that_of_rows_repeated_where_the_penalty_is():
    times = np.random.default_rng(0).integers(1, 4, size=60)
    graphs = baselines(2, 0)[:1]  # linear: penalties are tiny beside its rows
    (weighted,) = solve(graphs, data(times))
    ((repeated, _),) = refit(graphs, *(torch.from_numpy(v.repeat(times, 0)).float() for v in (X, Y)))
    assert torch.allclose(weighted.graph.state, repeated.state, atol=1e-3)


@pytest.mark.parametrize("weight", [None, np.random.default_rng(2).uniform(0.1, 3, size=60)])
def test_what_is_left_out_is_what_a_fit_without_the_row_predicts(weight):
    rows, graphs = data(weight), baselines(2, 0)
    linear = solve(graphs, rows)[0]
    for left in (0, 17, 59):
        others = [i for i in range(60) if i != left]
        (without,) = solve(graphs[:1], rows.rows(others))
        assert float(predict(without.graph, rows.x[[left]])[0]) == pytest.approx(float(linear.left_out[left]), abs=1e-3)


def test_equal_weights_change_no_last_layer_and_no_error():
    for plain, weighted in zip(solve(baselines(2, 0), data()), solve(baselines(2, 0), data(np.ones(60))), strict=True):
        assert torch.allclose(plain.graph.state, weighted.graph.state, atol=1e-5)
        assert weighted.error == pytest.approx(plain.error)


def test_errors_are_weighted_means():
    rows = data(FIRST)
    squared = (torch.zeros(60, dtype=torch.float64) - rows.y).square()
    judged = Judged.of(baselines(2, 0)[0], torch.zeros(60, dtype=torch.float64), rows)
    assert judged.error == pytest.approx(np.average(squared, weights=FIRST))
    assert rows.standard_error(torch.ones(60)) == 0
    assert data(np.ones(60)).standard_error(squared) == pytest.approx(data().standard_error(squared))


@pytest.mark.parametrize("weight", [None, np.random.default_rng(2).uniform(0.1, 3, size=60)])
def test_the_error_of_the_mean_is_that_of_the_others(weight):
    share, errors = np.ones(60) if weight is None else weight, []
    for left in range(60):
        others = np.arange(60) != left
        errors.append((Y[left] - np.average(Y[others], weights=share[others])) ** 2)
    assert data(weight).error_of_the_mean() == pytest.approx(np.average(errors, weights=share), rel=1e-5)


def test_a_row_is_tuned_on_as_often_as_it_weighs():
    weight = np.where(np.arange(60) < 30, 3.0, 1.0)
    order = Folds(data(weight), 5, 0).order
    counts = torch.bincount(order[-1], minlength=60)
    assert counts.sum() == 60
    assert abs(int(counts[:30].sum()) - 45) <= 1
    assert torch.equal(Folds(data(np.ones(60)), 5, 0).order, Folds(data(), 5, 0).order)
    for fold, own in enumerate(order[:-1]):
        assert not (Folds(data(weight), 5, 0).fold[own] == fold).any()


def test_tuning_learns_the_rows_that_weigh_most():
    folds = Folds(data(FIRST), 2, 0)
    graphs = baselines(2, 0)[:1]
    copies = folds.copy(solve(graphs, data(FIRST)))
    config = FitConfig.uniform(len(copies), steps=60, batch_rows=64, learning_rate=0.1)
    tuned = folds.tune(copies, config, 0)[-1]
    assert float(tuned.state[0]) == pytest.approx(1, abs=0.2)


def test_members_of_a_committee_are_weighed_on_rows_that_weigh_most():
    left_out = torch.stack([data().x[:, 0], -data().x[:, 0]]).double()
    first = weights_of(left_out, data().y, torch.from_numpy(FIRST / FIRST.mean()))
    assert first[0] > 0.8 > 0.2 > first[1]
    equal = torch.ones(60, dtype=torch.float64)
    assert torch.allclose(weights_of(left_out, data().y, equal), weights_of(left_out, data().y))

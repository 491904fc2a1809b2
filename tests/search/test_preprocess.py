"""From columns to what a network reads, and from its output to the target; weights and repeated rows."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from netgraph import NetGraphError
from netgraph.search.network_search import linear_network
from netgraph.search.preprocess import Preprocessing, merge_rows
from netgraph.tasks import TAIL

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 2)), RNG.normal(size=60)


@given(arrays(np.float64, (12, 3), elements=st.floats(-1e6, 1e6)), st.floats(1e-3, 1e3), st.floats(-1e3, 1e3))
def test_columns_and_target_are_standardized_and_the_target_comes_back(x, scale, shift):
    y = x[:, 0] * scale + shift
    maps = Preprocessing.fit(x, y)
    data = maps.data(x, y)
    read = data.X.double()
    inputs = torch.where(read.abs() > TAIL, read.sign() * (TAIL + (read.abs() - TAIL).expm1()), read).numpy()
    assert np.allclose(inputs.mean(axis=0), 0, atol=1e-4)
    varied = x.std(axis=0) > 1e-6 * (1 + np.abs(x).max(axis=0))
    assert np.allclose(inputs.std(axis=0)[varied], 1, atol=1e-4)
    restored = maps.rescale(data.y.double())
    assert np.allclose(restored, y, rtol=1e-5, atol=1e-5 * (1 + np.abs(y).max()))


@given(
    st.integers(0, 2**20),
    st.sampled_from([1e-280, 1e-14, 1.0, 1e200, 1.7e308]),
    st.sampled_from([1e-14, 1.0, 1e200, 1e308]),
)
def test_no_unit_overflows(seed, unit, target_unit):
    values = np.random.default_rng(seed).uniform(-1, 1, size=(20, 3))
    maps, plain = Preprocessing.fit(values * unit, values[:, 0] * target_unit), Preprocessing.fit(values, values[:, 0])
    data, expected = maps.data(values * unit, values[:, 0] * target_unit), plain.data(values, values[:, 0])
    assert torch.allclose(data.X, expected.X, atol=1e-5)
    assert torch.allclose(data.y, expected.y, atol=1e-5)
    graph = linear_network(3)
    graph = graph.replace(state=torch.tensor([1.0, 0.0, 0.0, 0.0]))
    predicted = maps.predict(graph, values * unit)
    assert np.isfinite(maps.predict(graph, np.full((2, 3), 1.7e308))).all()
    assert np.allclose(predicted / target_unit, values[:, 0], atol=1e-5)


def test_a_constant_column_and_a_constant_target_become_zeros():
    x = np.column_stack([np.full(10, 1e9), np.arange(10.0)])
    data = Preprocessing.fit(x, np.full(10, 3.0)).data(x, np.full(10, 3.0))
    assert not data.X[:, 0].any()
    assert not data.y.any()


def test_predictions_stay_where_targets_were_seen_but_for_a_margin():
    maps = Preprocessing.fit(np.zeros((10, 1)), np.arange(10.0))
    restored = maps.rescale(torch.tensor([[-1e9], [-0.5], [0.0], [1e9]], dtype=torch.float64))
    assert np.allclose(restored[[0, 3]], [-0.45, 9.45])
    assert np.allclose(restored[1:3], 4.5 + np.array([-0.5, 0.0]) * float(maps.rescale.spread))


def test_many_rows_are_predicted_in_blocks_bit_for_bit(monkeypatch):
    maps, graph = Preprocessing.fit(X, Y), linear_network(2).replace(state=torch.tensor([0.3, -0.7, 0.1]))
    whole = maps.predict(graph, X)
    monkeypatch.setattr("netgraph.search.preprocess.BLOCK", 25)
    assert np.array_equal(maps.predict(graph, X), whole)
    assert maps.predict(graph, X[:0]).shape == (0,)


def test_maps_of_weighted_rows_are_those_of_rows_repeated():
    times = RNG.integers(1, 4, size=60)
    weighted, repeated = Preprocessing.fit(X, Y, times), Preprocessing.fit(X.repeat(times, 0), Y.repeat(times))
    for one, other in ((weighted.standardize, repeated.standardize), (weighted.rescale, repeated.rescale)):
        for name, value in one.state_dict().items():
            assert torch.allclose(value, other.state_dict()[name]), name


def test_equal_rows_are_merged_whatever_their_order_and_rows_of_weight_0_left_out():
    times = RNG.integers(1, 4, size=60)
    order = RNG.permutation(times.sum())
    merged = merge_rows(X, Y, times)
    repeated = merge_rows(X.repeat(times, 0)[order], Y.repeat(times)[order])
    assert all(np.array_equal(a, b) for a, b in zip(merged, repeated, strict=True))
    assert len(merged[1]) == 60
    assert merge_rows(X, Y)[2] is None
    assert merge_rows(X, Y, np.full(60, 0.3))[2] is None
    some = merge_rows(X, Y, np.arange(60) < 40)
    assert all(np.array_equal(a, b) for a, b in zip(some[:2], merge_rows(X[:40], Y[:40])[:2], strict=True))
    with pytest.raises(NetGraphError, match="sample_weight is above 0 in 4 rows; a fit needs at least 5"):
        merge_rows(X, Y, np.arange(60) < 4)
    alike = merge_rows(np.ones((20, 1)), np.arange(20) % 2)  # fewer different rows than folds are not merged
    assert len(alike[1]) == 20

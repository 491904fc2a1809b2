"""Random features: what multiplies the columns, and that it finds those that matter."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from netgraph import NetGraph, NetGraphError
from netgraph.search import Random, RandomFeatures, ScaledRandom
from netgraph.search.data import TabularData, TimeBudget
from netgraph.search.extras.random_features import ACTIVATIONS, SHRINKAGE, agop, ard_length_scales, scaled
from netgraph.search.network_search import linear_network
from netgraph.search.scoring import CrossValidation
from netgraph.stack import first_outputs
from tests.strategies import examples


def sine(rows: int = 200, columns: int = 5) -> TabularData:
    """A target that is a sine of the third column alone."""
    X = torch.randn(rows, columns, generator=Generator().manual_seed(0))
    y = torch.sin(2 * X[:, 2]) + 0.1 * torch.randn(rows, generator=Generator().manual_seed(1))
    return TabularData(X, ((y - y.mean()) / y.std())[:, None])


def output(graph: NetGraph, X: Tensor) -> Tensor:
    return first_outputs([graph.architecture], [graph.state], X)[0]


@pytest.mark.parametrize("scaling", [None, "agop", "ard"])
def test_there_are_at_most_four_networks_the_same_for_a_seed(scaling):
    data, source = sine(60), RandomFeatures(scaling)
    one, same, other = (source.sample(9, data.X, data.y, seed) for seed in (3, 3, 4))
    assert [graph.architecture.layers[2].type for graph in one] == list(ACTIVATIONS)
    assert all(torch.equal(a.state, b.state) for a, b in zip(one, same, strict=True))
    assert not any(torch.equal(a.state, b.state) for a, b in zip(one, other, strict=True))
    (first,) = source.sample(1, data.X, data.y, 3)
    assert torch.equal(first.state, one[0].state) == (scaling != "agop")  # whose gradients are those of one network
    moved = source.sample(4, data.X, data.y.flip(0), 3)
    assert all(torch.equal(a.state, b.state) for a, b in zip(one, moved, strict=True)) == (not source.uses_targets)
    assert source.uses_targets == (scaling is not None)
    assert not source.trainable


@pytest.mark.parametrize("scaling", ["gradient", "AGOP", 3])
def test_an_unknown_scaling_is_named(scaling):
    with pytest.raises(NetGraphError, match=rf"^scaling is {scaling!r}; agop, ard or None$"):
        RandomFeatures(scaling)


def test_scaled_features_err_less_on_the_sine_of_one_of_many_columns():
    folds, errors = CrossValidation(sine(200, 10)), {}
    for scaling in (None, "agop", "ard"):
        found = folds.sample(RandomFeatures(scaling), 4, 0, TimeBudget())
        errors[scaling] = min(one.score for one in found)
    assert errors["agop"] < 0.8 * errors[None]
    assert errors["ard"] < 0.5 * errors[None]


def test_agop_finds_the_column_along_which_the_target_changes():
    data = sine()
    product = agop(RandomFeatures(None).sample(4, data.X, data.y, 0), data.X, data.y)
    assert product.diagonal().mean() == pytest.approx(1, abs=0.05)
    assert product[2, 2] > 4 * product.diagonal()[[0, 1, 3, 4]].max()
    weights = [
        graph.state[: 192 * 5].view(192, 5).abs().mean(dim=0)
        for graph in RandomFeatures("agop").sample(4, data.X, data.y, 0)
    ]
    assert all(own.argmax() == 2 and own.min() > SHRINKAGE * own.max() / 10 for own in weights)


@given(st.integers(1, 6), st.integers(0, 1000))
def test_the_agop_of_a_linear_network_is_the_outer_product_of_its_weights(columns, seed):
    generator = Generator().manual_seed(seed)
    weights, X = torch.randn(columns, generator=generator), torch.randn(60, columns, generator=generator)
    product = agop([linear_network(columns)], X, X @ weights[:, None])
    expected = weights.double().outer(weights.double()) * columns / weights.double().square().sum()
    torch.testing.assert_close(product, expected, rtol=1e-2, atol=1e-2)


def test_what_does_not_vary_or_change_does_not_count():
    data = sine(60)
    X = data.X.clone()
    X[:, 1] = 0.5
    graphs = RandomFeatures(None).sample(4, X, data.y, 0)
    product = agop(graphs, X, data.y)
    assert product.isfinite().all()
    assert not product[1].any()
    assert not agop([linear_network(5)], X, torch.zeros(60, 1)).any()
    broken = graphs[0].replace(state=torch.full_like(graphs[0].state, torch.nan))
    assert agop([broken, *graphs[1:]], X, data.y).isfinite().all()
    assert float(ard_length_scales(X, data.y)[1]) == 1e3


@examples(5)
@given(st.integers(0, 2**20))
def test_a_scaled_network_reads_the_columns_times_the_matrix(seed):
    generator = Generator().manual_seed(seed)
    X, matrix = torch.randn(20, 3, generator=generator), torch.randn(3, 3, generator=generator).double()
    matrix = matrix + matrix.T
    for graph in RandomFeatures(None).sample(4, X, X[:, [0]], seed):
        read = (X.double() @ matrix).float()
        torch.testing.assert_close(output(scaled(graph, matrix), X), output(graph, read), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("columns", [5, 40])
def test_length_scales_are_short_where_the_target_bends_and_long_where_it_does_not(columns):
    data = sine(200, columns)
    scales = ard_length_scales(data.X, (data.y + data.X[:, [0]]) / 1.5)  # a line along the first column
    others = [i for i in range(columns) if i != 2]
    assert scales.shape == (columns,)
    assert 0.1 <= float(scales[2]) < float(scales[others].median()) / 3
    assert ((scales >= 0.1) & (scales <= 1e3 * (1 + 1e-9))).all()
    assert torch.equal(scales, ard_length_scales(data.X, (data.y + data.X[:, [0]]) / 1.5))


def test_random_networks_are_scaled_by_the_columns_that_matter():
    data = sine()
    graphs, plain = ScaledRandom().sample(20, data.X, data.y, 4), Random().sample(20, data.X, data.y, 4)
    assert [graph.architecture for graph in graphs] == [graph.architecture for graph in plain]
    scales = []
    for graph, before in zip(graphs, plain, strict=True):
        first = graph.architecture.tensors[0]
        ratio = graph.state[: first.size].view(first.shape) / before.state[: first.size].view(first.shape)
        scales.append(ratio.median(dim=0).values)
    assert torch.stack(scales).median(dim=0).values.argmax() == 2

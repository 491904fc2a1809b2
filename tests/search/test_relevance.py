"""Where a target changes, as the gradients of networks that fit it say."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator

from netgraph.graph import to_module
from netgraph.graph.netgraph import NetGraph
from netgraph.search.baselines import baselines
from netgraph.search.data import Data
from netgraph.search.relevance import focused, relevance
from netgraph.search.running import predict, solve
from tests.search.small import random_networks


def _data(rows: int, columns: int) -> Data:
    """Rows whose target changes along the first column alone."""
    x = torch.randn(rows, columns, generator=Generator().manual_seed(0))
    return Data(x, (2 * x[:, 0]).sin())


def _linear(weights: torch.Tensor) -> NetGraph:
    graph = baselines(len(weights), 0)[0]
    return graph.replace(state=torch.cat([weights, torch.ones(1)]))


@given(st.integers(1, 6), st.integers(0, 1000))
def test_of_a_linear_network_it_is_the_outer_product_of_its_weights(columns, seed):
    weights = torch.randn(columns, generator=Generator().manual_seed(seed))
    found = relevance([_linear(weights)], torch.randn(20, columns))
    expected = weights.double().outer(weights.double()) * columns / weights.double().square().sum()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_it_is_the_mean_product_of_gradients_as_autograd_gives_them():
    graph, x = random_networks(1, seed=1, n_inputs=3)[0], torch.randn(40, 3, generator=Generator().manual_seed(2))
    rows = x.clone().requires_grad_()
    (gradients,) = torch.autograd.grad(to_module(graph)(rows).sum(), rows)
    product = (gradients.mT @ gradients).double()
    torch.testing.assert_close(relevance([graph], x), product * 3 / product.trace(), rtol=1e-4, atol=1e-5)


def test_networks_count_the_same_whatever_their_size():
    x = torch.randn(10, 2)
    both = relevance([_linear(torch.tensor([1.0, 0.0])), _linear(torch.tensor([0.0, 1e-3]))], x)
    torch.testing.assert_close(both, torch.eye(2, dtype=torch.float64))


@pytest.mark.parametrize("weights", [[0.0, 0.0], [torch.inf, 1.0], [torch.nan, 1.0]])
def test_what_a_constant_or_broken_network_says_does_not_count(weights):
    found = relevance([_linear(torch.tensor(weights)), _linear(torch.tensor([1.0, 0.0]))], torch.randn(10, 2))
    torch.testing.assert_close(found, torch.tensor([[1.0, 0.0], [0.0, 0.0]], dtype=torch.float64))


def test_a_focused_network_reads_the_columns_times_the_matrix():
    _, graph, *_ = baselines(3, 0)
    x = torch.randn(20, 3, generator=Generator().manual_seed(1))
    matrix = torch.diag(torch.tensor([3.0, 0.0, 0.0], dtype=torch.float64))
    seen = x * torch.tensor([2.8, 0.1, 0.1])
    torch.testing.assert_close(predict(focused(graph, matrix), x), predict(graph, seen), rtol=1e-4, atol=1e-5)


def test_focused_features_fit_better_what_changes_along_few_columns():
    data, unseen = _data(200, 12), _data(1000, 12)
    graphs = baselines(12, 0)[1:]
    before = solve(graphs, data)
    matrix = relevance([one.graph for one in before], data.x)
    assert matrix[0, 0] > 0.5 * matrix.trace()
    after = solve([focused(graph, matrix) for graph in graphs], data)
    for one, other in zip(before, after, strict=True):
        error, focused_error = ((predict(j.graph, unseen.x) - unseen.y).square().mean() for j in (one, other))
        assert focused_error < 0.5 * error

"""An ensemble is one network that adds up its members with weights, chosen by out-of-fold predictions."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor, nn

from netgraph import NetGraph, NetGraphError, canonicalize, detokenize, from_module, to_module, tokenize
from netgraph.graph.edit import weighted_sum
from netgraph.search.data import TabularData
from netgraph.search.ensemble import FEW_ROWS, SHRINKAGE, ensembles, stacking_weights
from netgraph.search.network_search import linear_network
from netgraph.search.scoring import Candidate, CrossValidation
from netgraph.stack import first_outputs
from netgraph.zoo import ArchitectureRecipe
from tests.search.small import random_networks, rows
from tests.strategies import examples, random_graph

#: Networks of all normalizations and skips.
RECIPE = ArchitectureRecipe(
    normalizations={"none": 1.0, "LayerNorm": 1.0, "BatchNorm1d": 1.0},
    skips={"none": 1.0, "Add": 1.0, "Concat": 1.0, "residual": 1.0, "dense": 1.0},
    dropout=0.3,
    bias=0.5,
)
#: One that ends in an activation, one without a bias, and one with two outputs.
OTHER_ENDS = ([nn.Linear(3, 1), nn.Tanh()], [nn.Linear(3, 1, bias=False)], [nn.Linear(3, 2)])


def outputs(graphs: list[NetGraph], x: Tensor) -> Tensor:
    return first_outputs([g.architecture for g in graphs], [g.state for g in graphs], x).double()


def stacked(predictions: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the weights of predictions, [n, rows], of one target, [rows]."""
    return stacking_weights(predictions[..., None], TabularData(torch.zeros(len(y), 1), y[:, None], weight))


@st.composite
def members(draw: st.DrawFn) -> list[NetGraph]:
    """Draw random networks, at times the linear one among them or one of them twice."""
    drawn = random_networks(draw(st.integers(1, 4)), draw(st.integers(0, 2**20)), 4, RECIPE)
    graphs = [random_graph(graph.architecture, draw(st.integers(0, 2**20))) for graph in drawn]
    if draw(st.booleans()):
        graphs.insert(draw(st.integers(0, len(graphs))), random_graph(linear_network(4).architecture))
    return [*graphs, graphs[0]] if draw(st.booleans()) else graphs


@examples(10)
@given(members(), st.integers(0, 99))
def test_the_joined_network_is_the_weighted_sum_and_a_network_like_any_other(graphs, seed):
    weights = torch.rand(len(graphs), generator=Generator().manual_seed(seed), dtype=torch.float64)
    x, graph = rows(9).X, weighted_sum(graphs, (weights / weights.sum()).tolist())
    expected = weights / weights.sum() @ outputs(graphs, x)
    assert graph.validate()
    module = to_module(graph).eval()
    torch.testing.assert_close(module(x)[:, 0].double(), expected, rtol=1e-4, atol=1e-5)
    assert from_module(module).architecture.digest == graph.architecture.digest
    (again,) = detokenize(tokenize([graph]))
    assert torch.equal(again.state, graph.state)
    outer = weighted_sum([canonicalize(graph), graphs[-1]], [0.25, 0.75])
    nested = 0.25 * expected + 0.75 * outputs(graphs, x)[-1]
    torch.testing.assert_close(outputs([outer], x)[0], nested, rtol=1e-4, atol=1e-5)


def test_an_ensemble_of_one_is_its_member():
    graph = random_graph(random_networks(1, 0, 4, RECIPE)[0].architecture)
    one = weighted_sum([graph], [1.0])
    assert one.architecture.key == graph.architecture.key
    assert torch.equal(one.state, graph.state)


@pytest.mark.parametrize(("end", "kind"), [*zip(OTHER_ENDS, ("Tanh", "Linear", "Linear"), strict=True)])
def test_what_does_not_end_in_one_linear_unit_with_a_bias_cannot_join(end, kind):
    other = from_module(nn.Sequential(nn.Linear(4, 3), *end))
    with pytest.raises(NetGraphError, match=f"^a network that ends in {kind} cannot join an ensemble$"):
        weighted_sum([random_networks(1, 0)[0], other], [0.5, 0.5])


@given(st.integers(1, 8), st.integers(3, 40), st.integers(0, 2**20))
def test_weights_are_not_negative_and_sum_to_one(n, count, seed):
    drawn = torch.randn(n + 1, count, generator=Generator().manual_seed(seed), dtype=torch.float64)
    weights = stacked(drawn[:-1] + drawn[-1], drawn[-1])
    assert weights.dtype == torch.float64
    assert (weights >= 0).all()
    assert float(weights.sum()) == pytest.approx(1)


def test_networks_that_err_apart_share_the_weight_and_one_that_is_exact_has_all_of_it():
    y, *noise = torch.randn(4, 2000, generator=Generator().manual_seed(0), dtype=torch.float64)
    even = stacked(torch.stack([y + own for own in noise]), y)
    assert torch.allclose(even, torch.full((3,), 1 / 3, dtype=torch.float64), atol=0.03)
    exact = stacked(torch.stack([y + noise[0], y, y + noise[1]]), y)
    assert torch.allclose(exact, torch.tensor([0.0, 1.0, 0.0]).double(), atol=1e-6)
    assert stacked(-1e9 * torch.stack([y, y]).abs(), y.abs()).tolist() == [0.5, 0.5]


def test_weights_are_those_of_stacked_regressions_shrunk_towards_equal_ones():
    y, *noise = torch.randn(4, 300, generator=Generator().manual_seed(2), dtype=torch.float64)
    predictions = torch.stack([y + (i + 1) * own for i, own in enumerate(noise)])
    found, least = stacked(predictions, y), (predictions - y).square().mean(dim=1).min()

    def loss(weights: Tensor) -> Tensor:
        penalty = (SHRINKAGE + (FEW_ROWS / len(y)) ** 2) * least
        return (weights @ predictions - y).square().mean() + penalty * weights.square().sum()

    for noise in torch.randn(200, 3, generator=Generator().manual_seed(3), dtype=torch.float64):
        other = (found + 0.05 * noise).clamp(min=0)
        assert loss(other / other.sum()) > loss(found) * (1 - 1e-3)


def test_members_are_weighted_by_the_rows_that_weigh_most():
    data, weight = rows(60, noise=0.0), torch.where(torch.arange(60) < 30, 2.0, 1e-6).double()
    y = data.y[:, 0]
    first_half = torch.where(torch.arange(60) < 30, y, -y)
    first = stacked(torch.stack([first_half, -first_half]), y, weight)
    assert first[0] > 0.8 > 0.2 > first[1]
    predictions = torch.stack([y + 1, data.X[:, 0]])
    equal = torch.ones(60, dtype=torch.float64)
    assert torch.allclose(stacked(predictions, y, equal), stacked(predictions, y))


@examples(10)
@given(st.integers(2, 20), st.integers(0, 2**20))
def test_ensembles_predict_what_their_members_predict_together(n, seed):
    data = rows()
    graphs = [linear_network(4), *random_networks(n, seed, 4, RECIPE)]
    fitted = [one.graph for one in CrossValidation(data).leave_one_out(graphs)]
    candidates = [Candidate.of(*pair, data) for pair in zip(fitted, outputs(fitted, data.X)[..., None], strict=True)]
    for one in (result := ensembles(candidates, data)):
        assert one.score == pytest.approx(float((one.prediction - data.y).square().mean()))
        torch.testing.assert_close(one.prediction[:, 0], outputs([one.graph], data.X)[0], rtol=1e-4, atol=1e-4)
    assert 1 <= len(result) <= 4
    assert result[-1].score <= min(one.score for one in candidates) * (1 + SHRINKAGE + (FEW_ROWS / 60) ** 2)


def test_what_cannot_join_or_is_not_finite_is_left_out():
    data = rows()
    usable = CrossValidation(data).leave_one_out(random_networks(6, 1))
    ends = [from_module(nn.Sequential(nn.Linear(4, 3), *end)) for end in OTHER_ENDS[:2]]
    others = [Candidate.of(graph, data.y.double(), data) for graph in ends]
    others += [Candidate.of(usable[0].graph, usable[0].prediction * value, data) for value in (torch.inf, torch.nan)]
    expected, found = ensembles(usable, data), ensembles([*others, *usable], data)
    assert [one.score for one in found] == [one.score for one in expected] != []
    assert ensembles(others, data) == ensembles(usable[:1], data) == []

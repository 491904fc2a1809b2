"""A committee is one network that computes the weighted sum of its members, and is chosen by left-out rows."""

import runpy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor, nn

from netgraph import NetGraph, NetGraphError, canonicalize, detokenize, from_module, to_module, tokenize
from netgraph.graph.io import load_graphs, save_graphs
from netgraph.search.baselines import linear_network
from netgraph.search.committee import MEMBERS, SIZES, committees, join, shrinkage, weights_of
from netgraph.search.data import Data
from netgraph.search.export import export_network
from netgraph.search.running import Judged, outputs, predict, solve
from netgraph.stack import last_vertex
from netgraph.zoo import ArchitectureRecipe
from tests.search.small import random_networks
from tests.strategies import examples, random_graph

#: Networks of all normalizations and skips.
RECIPE = ArchitectureRecipe(
    normalizations={"none": 1.0, "LayerNorm": 1.0, "BatchNorm1d": 1.0},
    skips={"none": 1.0, "Add": 1.0, "Concat": 1.0, "residual": 1.0, "dense": 1.0},
    dropout=0.3,
    bias=0.5,
)
N_INPUTS = 4


def task(rows: int = 60) -> Data:
    x = torch.randn(rows, N_INPUTS, generator=Generator().manual_seed(0))
    noise = 0.3 * torch.randn(rows, generator=Generator().manual_seed(1))
    return Data(x, torch.tanh(2 * x[:, 0]) - x[:, 1] + noise)


def ends_otherwise() -> list[NetGraph]:
    """A network that ends in an activation, one that ends without a bias, and one with two outputs."""
    ends = ([nn.Linear(3, 1), nn.Tanh()], [nn.Linear(3, 1, bias=False)], [nn.Linear(3, 2)])
    return [from_module(nn.Sequential(nn.Linear(N_INPUTS, 3), *end)) for end in ends]


@st.composite
def members(draw: st.DrawFn) -> list[NetGraph]:
    """Draw random networks, at times the linear one among them or one of them twice."""
    drawn = random_networks(draw(st.integers(1, 4)), draw(st.integers(0, 2**20)), N_INPUTS, RECIPE)
    graphs = [random_graph(graph.architecture, draw(st.integers(0, 2**20))) for graph in drawn]
    if draw(st.booleans()):
        graphs.insert(draw(st.integers(0, len(graphs))), random_graph(linear_network(N_INPUTS).architecture))
    return [*graphs, graphs[0]] if draw(st.booleans()) else graphs


@st.composite
def joined(draw: st.DrawFn) -> tuple[NetGraph, Tensor, Tensor]:
    """Draw a committee, rows, and what it is to give, [rows] float64."""
    graphs = draw(members())
    weights = torch.rand(len(graphs), generator=Generator().manual_seed(draw(st.integers(0, 99))), dtype=torch.float64)
    weights /= weights.sum()
    x = task(9).x
    return join(graphs, weights.tolist()), x, weights @ outputs(graphs, x)


def check(graph: NetGraph, x: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(predict(graph, x).double(), expected, rtol=1e-4, atol=1e-5)


@given(joined())
def test_it_computes_the_weighted_sum_of_its_members(drawn):
    graph, x, expected = drawn
    check(graph, x, expected)
    assert graph.validate()
    module = to_module(graph).eval()
    torch.testing.assert_close(module(x)[:, 0].double(), expected, rtol=1e-4, atol=1e-5)
    assert from_module(module).architecture.digest == graph.architecture.digest


@examples(30)
@given(joined())
def test_it_survives_what_every_network_survives(tmp_path_factory, drawn):
    graph, x, expected = drawn
    folder = tmp_path_factory.mktemp("committee")
    check(canonicalize(graph), x, expected)
    save_graphs([graph], folder / "graph.safetensors")
    for again in (detokenize(tokenize([graph]))[0], load_graphs(folder / "graph.safetensors")[0]):
        assert again.architecture.key == graph.architecture.key
        assert torch.equal(again.state, graph.state)
    _, script = export_network(graph, folder / "network", shift=torch.zeros(N_INPUTS), scale=torch.ones(N_INPUTS))
    found = runpy.run_path(str(script))["load"]()(x.double())
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@given(members())
def test_a_committee_of_committees_is_one(graphs):
    x = task(9).x
    inner = join(graphs, [1 / len(graphs)] * len(graphs))
    outer = join([inner, graphs[-1]], [0.25, 0.75])
    said = outputs(graphs, x)
    check(outer, x, 0.25 * said.mean(dim=0) + 0.75 * said[-1])


def test_a_committee_of_one_is_its_member():
    graph = random_graph(random_networks(1, 0, N_INPUTS, RECIPE)[0].architecture)
    one = join([graph], [1.0])
    assert one.architecture.key == graph.architecture.key
    assert torch.equal(one.state, graph.state)


def test_what_does_not_end_in_a_linear_vertex_with_a_bias_cannot_join():
    fine = random_networks(1, 0, N_INPUTS)[0]
    for other, kind in zip(ends_otherwise(), ("Tanh", "Linear", "Linear"), strict=True):
        with pytest.raises(NetGraphError, match=f"^a network that ends in {kind} cannot join a committee$"):
            join([fine, other], [0.5, 0.5])


@given(st.integers(1, 8), st.integers(3, 40), st.integers(0, 2**20))
def test_weights_are_not_negative_and_sum_to_one(n, rows, seed):
    drawn = torch.randn(n + 1, rows, generator=Generator().manual_seed(seed), dtype=torch.float64)
    weights = weights_of(drawn[:-1] + drawn[-1], drawn[-1])
    assert weights.dtype == torch.float64
    assert (weights >= 0).all()
    assert float(weights.sum()) == pytest.approx(1)


def test_networks_that_err_apart_share_the_weight_and_one_that_knows_has_all_of_it():
    y, *noise = torch.randn(4, 2000, generator=Generator().manual_seed(0), dtype=torch.float64)
    even = weights_of(torch.stack([y + own for own in noise]), y)
    assert torch.allclose(even, torch.full((3,), 1 / 3, dtype=torch.float64), atol=0.03)
    assert torch.allclose(
        weights_of(torch.stack([y + noise[0], y, y + noise[1]]), y), torch.tensor([0.0, 1.0, 0.0]).double()
    )


def test_they_are_those_of_stacked_regressions_shrunk_towards_equal_ones():
    y, *noise = torch.randn(4, 300, generator=Generator().manual_seed(2), dtype=torch.float64)
    said = torch.stack([y + (i + 1) * own for i, own in enumerate(noise)])
    found = weights_of(said, y)
    least = (said - y).square().mean(dim=1).min()

    def loss(weights: torch.Tensor) -> torch.Tensor:
        return (weights @ said - y).square().mean() + shrinkage(len(y)) * least * weights.square().sum()

    generator = Generator().manual_seed(3)
    for _ in range(200):
        other = (found + 0.05 * torch.randn(3, generator=generator, dtype=torch.float64)).clamp(min=0)
        assert loss(other / other.sum()) > loss(found) * (1 - 1e-3)


@examples(20)
@given(st.integers(2, 20), st.integers(0, 2**20))
def test_committees_are_networks_that_say_what_their_members_say_together(n, seed):
    data = task()
    judged = solve([linear_network(N_INPUTS), *random_networks(n, seed, N_INPUTS, RECIPE)], data)
    for one in (found := committees(judged, data)):
        assert last_vertex(one.graph.architecture) is not None
        assert one.error == pytest.approx(float((one.left_out - data.y).square().mean()))
        assert one.graph.architecture.layers[-2].type == "Concat"
        assert 2 <= len(one.graph.architecture.layers[-2].inputs) <= MEMBERS
    assert len(found) <= 1 + len(SIZES)
    if found:
        assert found[-1].error <= min(one.error for one in judged) * (1 + shrinkage(len(data.y))) * (1 + 1e-3)


def test_what_is_said_of_left_out_rows_is_weighed_as_the_networks_are():
    data = task()
    graphs = [one.graph for one in solve(random_networks(30, 0, N_INPUTS), data)]
    said = [Judged.of(graph, own, data) for graph, own in zip(graphs, outputs(graphs, data.x), strict=True)]
    found = committees(said, data)
    assert len(found) > 1
    for one in found:
        torch.testing.assert_close(one.left_out, predict(one.graph, data.x).double(), rtol=1e-4, atol=1e-4)


def test_a_committee_of_two_that_err_apart_is_better_than_each():
    data = task()
    graphs = random_networks(2, 0, N_INPUTS)
    noise = torch.randn(2, 60, generator=Generator().manual_seed(5), dtype=torch.float64)
    judged = [Judged.of(graph, data.y + own, data) for graph, own in zip(graphs, noise, strict=True)]
    (found,) = committees(judged, data)
    assert found.error < 0.8 * min(one.error for one in judged)


def test_what_cannot_be_a_summand_or_is_not_finite_never_joins():
    data = task()
    able = solve(random_networks(6, 1, N_INPUTS), data)
    perfect = [Judged.of(graph, data.y.double(), data) for graph in ends_otherwise()]
    broken = [
        Judged.of(one.graph.replace(state=torch.full_like(one.graph.state, value)), one.left_out * value, data)
        for one in able[:2]
        for value in (torch.inf, torch.nan)
    ]
    wanted, found = committees(able, data), committees([*perfect, *broken, *able], data)
    assert wanted
    assert [one.error for one in found] == [one.error for one in wanted]
    assert all(torch.equal(a.graph.state, b.graph.state) for a, b in zip(found, wanted, strict=True))
    assert committees([*perfect, *broken], data) == []
    assert committees(able[:1], data) == []
    assert committees([], data) == []


def test_weights_are_equal_where_the_regression_finds_none():
    y = torch.randn(50, generator=Generator().manual_seed(0), dtype=torch.float64)
    assert weights_of(-1e9 * torch.stack([y, y]).abs(), y.abs()).tolist() == [0.5, 0.5]

"""Networks on the rows of a data set: each is judged by what it says of rows that it was not fitted to."""

from dataclasses import replace

import pytest
import torch
from torch import Generator, Tensor, nn

from netgraph import NetGraph, from_module, to_module
from netgraph.search.baselines import linear_network
from netgraph.search.data import Data
from netgraph.search.running import (
    Judged,
    errors_of,
    judged_rows,
    outputs,
    predict,
    solve,
)
from tests.search.small import random_networks


def task(rows: int = 60) -> Data:
    x = torch.randn(rows, 4, generator=Generator().manual_seed(0))
    noise = 0.1 * torch.randn(rows, generator=Generator().manual_seed(1))
    return Data(x, torch.tanh(2 * x[:, 0]) - x[:, 1] + noise)


def not_finite(graph: NetGraph, value: float) -> NetGraph:
    return graph.replace(state=torch.full_like(graph.state, value))


def other_ends() -> list[NetGraph]:
    """Networks that do not end in a linear vertex with a bias."""
    modules = (nn.Sequential(nn.Linear(4, 1), nn.Tanh()), nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 1, bias=False)))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return [from_module(nn.Sequential(nn.Linear(4, 4), *module)) for module in modules]


def refitted(graph: NetGraph, data: Data) -> Tensor:
    """What is said of each row by the network whose last layer is fitted to the others, [rows]."""
    said = torch.zeros(len(data.y), dtype=torch.float64)
    for row in range(len(data.y)):
        others = data.rows([i for i in range(len(data.y)) if i != row])
        said[row] = predict(solve([graph], others)[0].graph, data.x[row : row + 1])[0]
    return said


def test_solving_keeps_the_order_and_the_architectures():
    graphs, data = random_networks(40, 3), task()
    judged = solve(graphs, data)
    assert [one.graph.architecture for one in judged] == [graph.architecture for graph in graphs]
    for graph, one in zip(graphs, judged, strict=True):
        alone = solve([graph], data)[0]
        assert torch.allclose(alone.left_out, one.left_out, atol=1e-4)
        assert torch.allclose(predict(alone.graph, data.x), predict(one.graph, data.x), atol=1e-3)


def test_only_last_layers_change():
    for graph, one in zip(graphs := random_networks(20, 5), solve(graphs, task()), strict=True):
        changed = (one.graph.state != graph.state).nonzero()[:, 0]
        assert len(changed) > 0
        assert int(changed.min()) >= graph.architecture.state_size - graph.architecture.layers[-2].size - 1


def test_errors_are_those_of_left_out_rows_and_no_less_than_those_of_fitted_ones():
    data = task()
    judged = solve(random_networks(40, 3), data)
    fitted = torch.stack([(predict(one.graph, data.x) - data.y).square().mean() for one in judged])
    errors = errors_of(judged)
    assert errors.dtype == torch.float64
    assert (errors >= fitted * 0.999).all()
    assert errors.median() < data.y.var()
    for one in judged:
        assert one.error == pytest.approx(float((one.left_out - data.y).square().mean()))


def test_what_is_said_of_a_left_out_row_is_what_a_fit_to_the_others_says(monkeypatch):
    monkeypatch.setattr("netgraph.stack.output_layer.PENALTIES", (1e-6,))
    data = task(30)
    for one, graph in zip(solve(graphs := random_networks(6, 2), data), graphs, strict=True):
        torch.testing.assert_close(one.left_out, refitted(graph, data), rtol=0, atol=0.05)


def test_a_target_has_no_say_in_what_is_said_of_its_row(monkeypatch):
    monkeypatch.setattr("netgraph.stack.output_layer.PENALTIES", (1e-3,))
    graphs, data = random_networks(12, 4), task()
    moved = replace(data, y=data.y.clone().index_fill_(0, torch.tensor([7]), 50.0))
    for one, other in zip(solve(graphs, data), solve(graphs, moved), strict=True):
        assert torch.isclose(one.left_out[7], other.left_out[7], atol=1e-5)
        assert not torch.allclose(one.left_out[8:], other.left_out[8:], atol=1e-2)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_what_is_not_finite_has_an_infinite_error_and_harms_no_other(value):
    graphs, data = random_networks(6, 1), task()
    alone = errors_of(solve(graphs[:3], data))
    errors = errors_of(solve([*graphs[:3], *(not_finite(graph, value) for graph in graphs[3:])], data))
    assert torch.allclose(errors[:3], alone)
    assert torch.equal(errors[3:], torch.full((3,), torch.inf, dtype=torch.float64))
    assert Judged.of(graphs[0], data.y.double() * value, data).error == torch.inf


def test_other_ends_stay_as_they_are():
    data = task()
    for graph, one in zip(graphs := other_ends(), solve(graphs, data), strict=True):
        assert torch.equal(one.graph.state, graph.state)
        assert torch.allclose(one.left_out.float(), predict(graph, data.x))


def test_outputs_are_those_of_the_modules_in_order():
    graphs, data = [*random_networks(20, 9), *other_ends(), linear_network(4)], task(11)
    found = outputs(graphs, data.x)
    assert found.shape == (23, 11)
    assert found.dtype == torch.float64
    for graph, own in zip(graphs, found, strict=True):
        torch.testing.assert_close(own.float(), to_module(graph)(data.x)[:, 0].detach(), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(own.float(), predict(graph, data.x), rtol=1e-4, atol=1e-5)


def test_the_linear_network_becomes_a_ridge_regression():
    graph, data = linear_network(4), task()
    assert predict(graph, data.x).eq(0).all()
    linear = replace(data, y=2 * data.x[:, 1] - data.x[:, 3] + 0.5)
    judged = solve([graph], linear)[0]
    assert judged.error < 1e-8
    assert torch.allclose(judged.graph.state, torch.tensor([0.0, 2.0, 0.0, -1.0, 0.5]), atol=1e-4)


def test_of_many_rows_some_judge_in_their_order(monkeypatch):
    monkeypatch.setattr("netgraph.search.running.MOST_ROWS", 20)
    data = Data(torch.arange(60.0)[:, None], torch.arange(60.0))
    chosen = judged_rows(data, 3)
    assert len(chosen.y) == len(chosen.y.unique()) == 20
    assert torch.equal(chosen.x[:, 0], chosen.y)
    assert chosen.y.tolist() == sorted(chosen.y.tolist())
    assert torch.equal(judged_rows(data, 3).y, chosen.y)
    assert not torch.equal(judged_rows(data, 4).y, chosen.y)
    assert torch.equal(judged_rows(data.rows(range(20)), 3).y, data.y[:20])


def test_the_standard_error_is_that_of_a_mean():
    squared = torch.tensor([1.0, 2.0, 3.0, 6.0])
    data = Data(torch.zeros(4, 1), squared)
    assert data.standard_error(squared) == pytest.approx((14 / 4) ** 0.5 / 2)


def test_a_network_without_weights_predicts_its_bias():
    data = task()
    predicted = predict(linear_network(4), data.x)
    assert torch.equal((predicted - data.y).square(), data.y.square())

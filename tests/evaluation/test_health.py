import pytest
import torch
from torch import nn

from netgraph import NetGraphError, canonicalize, from_module
from netgraph.evaluation.health import health
from tests.strategies import randomize


def network(activation: nn.Module, width: int = 4, seed: int = 0, bias: float = 0.0):
    """3-width-1, its hidden biases all the same."""
    module = randomize(nn.Sequential(nn.Linear(3, width), activation, nn.Linear(width, 1)), seed)
    nn.init.constant_(module[0].bias, bias)
    return from_module(module)


def test_a_relu_that_is_never_active_is_dead():
    assert health(network(nn.ReLU(), bias=-100.0)).dead == 1
    assert health(network(nn.ReLU())).dead == 0
    assert health([network(nn.ReLU(), 6, bias=-100.0), network(nn.ReLU(), 2)]).dead == 0.75


def test_a_neuron_that_only_adds_a_constant_is_dead():
    module = randomize(nn.Sequential(nn.Linear(3, 4), nn.SiLU(), nn.Linear(4, 1)), 0)
    nn.init.zeros_(module[0].weight)
    found = health(from_module(module))
    assert (found.dead, found.working) == (1, 0)
    assert found.output_deviation == pytest.approx(0)


@pytest.mark.parametrize("activation", [nn.Tanh(), nn.Sigmoid()])
def test_bounded_neurons_at_their_bounds_are_saturated(activation):
    assert health(network(activation, bias=50.0)).saturated == 1
    assert health(network(activation)).saturated == 0
    module = randomize(nn.Sequential(nn.Linear(3, 8), activation, nn.Linear(8, 1)), 0)
    with torch.no_grad():
        module[0].weight *= 1e4  # at one bound or the other, seldom between
    found = health(from_module(module))
    assert (found.saturated, found.dead, found.dead_or_saturated) == (1, 0, 1)


def test_unbounded_neurons_do_not_count_among_the_saturated():
    found = health([network(nn.Tanh(), 2, bias=50.0), network(nn.ReLU(), 6)])
    assert (found.saturated, found.dead_or_saturated) == (1, 0.25)


def test_networks_that_are_not_finite_work_no_more_than_constant_ones():
    good = network(nn.Tanh())
    broken = good.replace(state=torch.full_like(good.state, float("nan")))
    huge = good.replace(state=torch.full_like(good.state, 1e300, dtype=torch.float64))
    constant = good.replace(state=torch.zeros_like(good.state))
    found = health([good, broken, constant, huge])
    assert (found.finite, found.working) == (0.5, 0.25)
    assert health([broken]).finite == 0
    assert health([broken]).output_deviation != health([broken]).output_deviation


def test_health_is_that_of_the_function_whatever_the_units_order_and_scale():
    graphs = [network(nn.ReLU(), 8, seed, -1.0) for seed in range(4)] + [network(nn.Tanh(), 8, 9, 3.0)]
    scaled, plain = health([canonicalize(graph) for graph in graphs]), health(graphs)
    assert (scaled.dead, scaled.saturated, scaled.working) == (plain.dead, plain.saturated, plain.working)
    assert scaled.output_deviation == pytest.approx(plain.output_deviation, rel=1e-4)


def test_dropout_is_no_neuron():
    hidden = [nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2), nn.ReLU(), nn.Dropout(0.5)]
    module = randomize(nn.Sequential(*hidden, nn.Linear(2, 1)), 0).eval()
    nn.init.constant_(module[2].bias, -100.0)
    assert health(from_module(module)).dead == pytest.approx(2 / 6)


def test_no_network_is_an_error():
    with pytest.raises(NetGraphError, match="health: no graphs"):
        health([])

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from netgraph import canonicalize, from_module, sensitivity, to_module
from tests.strategies import examples, graphs, randomize


def network(activation: type[nn.Module], seed: int) -> nn.Module:
    module = nn.Sequential(nn.Linear(3, 5), activation(), nn.Linear(5, 4), activation(), nn.Linear(4, 2))
    return randomize(module.double(), seed)


def transformed(module: nn.Module, order: torch.Tensor, factor: torch.Tensor) -> nn.Module:
    """Exchange the units of the first hidden layer and scale them by factors."""
    out = copy.deepcopy(module)
    with torch.no_grad():
        out[0].weight.copy_((module[0].weight * factor[:, None])[order])
        out[0].bias.copy_((module[0].bias * factor)[order])
        out[2].weight.copy_((module[2].weight / factor)[:, order])
    return out


@examples(30)
@given(
    st.sampled_from([nn.ReLU, nn.Tanh, nn.Sigmoid, nn.LeakyReLU]),
    st.permutations(range(5)),
    st.lists(st.floats(0.2, 5.0), min_size=5, max_size=5),
    st.lists(st.sampled_from([-1.0, 1.0]), min_size=5, max_size=5),
    st.integers(0, 1000),
)
def test_symmetries_change_neither_behavior_nor_canonical_form(activation, order, scales, signs, seed):
    module = network(activation, seed)
    scale = {nn.ReLU: scales, nn.LeakyReLU: scales, nn.Tanh: signs}.get(activation, [1.0] * 5)
    other = transformed(module, torch.tensor(order), torch.tensor(scale, dtype=torch.float64))
    x = torch.randn(7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    assert torch.allclose(module(x), other(x), atol=1e-9)
    one, two = canonicalize(from_module(module)), canonicalize(from_module(other))
    assert torch.allclose(one.state, two.state, atol=1e-8)
    assert torch.allclose(to_module(one)(x), module(x), atol=1e-9)


@examples(40)
@given(graphs())
def test_canonical_form_is_stable_and_keeps_the_function(graph):
    graph = graph.replace(state=graph.state.double(), sensitivity=graph.sensitivity.double())
    once = canonicalize(graph)
    assert torch.allclose(canonicalize(once).state, once.state, atol=1e-9)
    x = torch.randn(6, graph.architecture.n_inputs, dtype=torch.float64)
    assert torch.allclose(to_module(once)(x), to_module(graph)(x), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh])
def test_sensitivity_moves_with_its_nodes(activation):
    graph = from_module(network(activation, 3))
    x = torch.randn(9, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    canonical = canonicalize(graph.replace(sensitivity=sensitivity(graph, x)))
    assert torch.allclose(canonical.sensitivity, sensitivity(canonical, x), atol=1e-9)


def test_units_have_unit_norm_positive_sum_and_are_sorted():
    relu = canonicalize(from_module(network(nn.ReLU, 1)))
    weight, bias = relu.tensor(relu.architecture.tensors[0]), relu.tensor(relu.architecture.tensors[1])
    assert torch.allclose((weight.square().sum(1) + bias.square()).sqrt(), torch.ones(5, dtype=torch.float64))
    tanh = canonicalize(from_module(network(nn.Tanh, 1)))
    weight, bias = tanh.tensor(tanh.architecture.tensors[0]), tanh.tensor(tanh.architecture.tensors[1])
    assert (weight.sum(1) + bias > 0).all()
    following = tanh.tensor(tanh.architecture.tensors[2])
    rank = (weight.square().sum(1) + bias.square()).sqrt() * following.norm(dim=0)
    assert (rank.diff() <= 1e-12).all()

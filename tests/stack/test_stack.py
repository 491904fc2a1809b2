import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call

from netgraph import NetGraphError, from_module, to_module
from netgraph.stack import Stack
from tests.strategies import examples, graphs, modules, randomize, rows

lists = st.lists(graphs(), min_size=1, max_size=5)


def doubled(graph):
    return graph.replace(state=graph.state.double(), sensitivity=graph.sensitivity.double())


def inputs(stack: Stack, n: int = 6) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randn(n, stack.max_inputs, generator=generator, dtype=torch.float64)


@examples(40)
@given(lists)
def test_agrees_with_the_modules(found):
    found = [doubled(graph) for graph in found]
    stack = Stack([graph.architecture for graph in found])
    x = inputs(stack)
    out = stack(stack.flatten([graph.state for graph in found]), x)
    for graph, one in zip(found, out, strict=True):
        expected = to_module(graph)(x[:, : graph.architecture.n_inputs])
        assert torch.allclose(one[:, : expected.shape[1]], expected, atol=1e-5)
        assert not one[:, expected.shape[1] :].any()


@examples(20)
@given(modules())
def test_gradients_agree_with_autograd(module):
    module = module.double()
    x, graph = rows(module), from_module(module)
    stack = Stack([graph.architecture])
    state = graph.state.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(stack(state, x).square().sum(), state)
    parameters = {k: v.detach().clone().requires_grad_() for k, v in module.named_parameters()}
    functional_call(module, parameters, (x,)).square().sum().backward()
    for tensor in graph.architecture.tensors:
        name = f"{graph.architecture.layers[tensor.layer].name}.{tensor.name}"
        if name in parameters and parameters[name].grad is not None:
            ours = gradient[tensor.offset : tensor.offset + tensor.size].view(tensor.shape)
            assert torch.allclose(ours, parameters[name].grad, atol=1e-8)


@examples(20)
@given(st.lists(graphs(), min_size=2, max_size=5))
def test_networks_do_not_touch_each_other(found):
    found = [doubled(graph) for graph in found]
    stack = Stack([graph.architecture for graph in found])
    x = inputs(stack)
    states = [graph.state for graph in found]
    before = stack(stack.flatten(states), x)
    broken = [torch.full_like(states[0], float("nan")), *states[1:]]
    after = stack(stack.flatten(broken), x)
    assert torch.equal(before[1:], after[1:])
    alone = Stack([found[1].architecture])
    one = alone(states[1], x[:, : alone.max_inputs])[0]
    assert torch.allclose(before[1][:, : one.shape[1]], one, atol=1e-12)


def test_training_mode_uses_and_writes_batch_statistics():
    module = randomize(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 1)).double(), 5)
    graph = from_module(module)
    stack = Stack([graph.architecture])
    x = torch.randn(10, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    module[1].momentum = 1.0
    expected = module.train()(x)
    assert torch.allclose(stack(graph.state, x, training=True)[0], expected)
    updated = graph.replace(state=stack.with_batch_statistics(graph.state, x))
    assert torch.allclose(to_module(updated)(x), module.eval()(x))


def test_dropout_drops_only_in_training():
    graph = from_module(nn.Sequential(nn.Linear(50, 50), nn.Dropout(0.5), nn.Identity(), nn.Linear(50, 50)))
    stack = Stack([graph.architecture])
    x = torch.ones(4, 50)
    generator = torch.Generator().manual_seed(0)
    dropped = stack(graph.state, x, training=True, generator=generator)
    assert not torch.allclose(dropped, stack(graph.state, x))


def test_bad_input_is_named():
    graph = from_module(nn.Linear(3, 1))
    stack = Stack([graph.architecture])
    with pytest.raises(NetGraphError, match="at least 3 inputs"):
        stack(graph.state, torch.zeros(4, 2))
    with pytest.raises(NetGraphError, match="states have shape"):
        stack(torch.zeros(2), torch.zeros(4, 3))
    with pytest.raises(NetGraphError, match="at least one architecture"):
        Stack([])

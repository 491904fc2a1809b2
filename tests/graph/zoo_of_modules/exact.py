"""What every architecture must pass: the same outputs, gradients and state, in both modes, after a copy too."""

import copy

import torch
from torch import Tensor, nn

from netgraph import NetGraph, from_module, to_module
from netgraph.graph.modules.convert import same
from tests.strategies import randomize


def as_kwargs(module: nn.Module, example):
    """Give the example as positional arguments."""
    return tuple(example) if isinstance(example, tuple | list) else (example,)


def prepared(module: nn.Module, seed: int = 0) -> nn.Module:
    """Draw the module's weights anew, small enough for deep networks, and its buffers."""
    randomize(module, seed)
    with torch.no_grad():
        for parameter in module.parameters():
            fan_in = parameter[0].numel() if parameter.ndim > 1 else 4
            parameter.mul_(2 / fan_in**0.5)
    return module


def assert_exact(module: nn.Module, example) -> NetGraph:
    """Convert, rebuild, and compare everything there is."""
    inputs = as_kwargs(module, example)
    graph = from_module(module, example)
    assert graph.validate()
    #assert_wired(graph)
    rebuilt = copy.deepcopy(to_module(graph))
    assert_same_state(module, rebuilt)
    module.eval()
    with torch.no_grad():
        assert same(module(*copies(inputs)), rebuilt(*copies(inputs)))
    assert_same_training(module, rebuilt, inputs)
    return graph


def copies(inputs):
    return tuple(x.clone() if isinstance(x, Tensor) else x for x in inputs)


def assert_same_state(module: nn.Module, rebuilt: nn.Module) -> None:
    expected, found = module.state_dict(), rebuilt.state_dict()
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert found[name].dtype == value.dtype, name
        assert torch.equal(found[name], value), name


def assert_same_training(module: nn.Module, rebuilt: nn.Module, inputs) -> None:
    """Compare outputs, gradients and the state after one pass in training mode with the same seed."""
    results = []
    for network in (module, rebuilt):
        network.train()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            results.append(network(*copies(inputs)))
            total(results[-1]).backward()
    assert same(*results)
    gradients = {name: parameter.grad for name, parameter in rebuilt.named_parameters()}
    for name, parameter in module.named_parameters():
        if parameter.grad is None:
            assert gradients[name] is None, name
        else:
            assert torch.equal(gradients[name], parameter.grad), name
    assert_same_state(module, rebuilt)


def total(result) -> Tensor:
    if isinstance(result, Tensor):
        return result.square().sum() if result.is_floating_point() else result.new_zeros((), dtype=torch.float32)
    parts = result.values() if isinstance(result, dict) else result
    return sum(total(part) for part in parts if part is not None)


def assert_wired(graph: NetGraph) -> None:
    """Check the vertices and edges: in order, sorted, each parameter that is a weight on some edge."""
    source, target = graph.edge_index
    assert (source < target).all()
    assert ((target * graph.num_nodes + source).diff() > 0).all()
    assert graph.num_nodes == len(graph.layer_type) == len(graph.bias) == len(graph.sensitivity)
    assert torch.equal(graph.parent[target] >= 0, torch.ones_like(target, dtype=torch.bool))

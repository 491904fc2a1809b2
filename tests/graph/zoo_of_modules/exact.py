"""What every architecture must pass: the same outputs, gradients and state, in both modes, after a copy too."""

import copy

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from netgraph import NetGraph, detokenize, from_module, to_module, tokenize
from netgraph.graph.modules.values import same
from netgraph.graph.modules.wiring import wire
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


def assert_exact(module: nn.Module, example, follow: bool = True) -> NetGraph:
    """Convert, rebuild, and compare everything there is.

    Args:
        module: The network.
        example: Its inputs.
        follow: Ask for a path of edges wherever an output depends on an input; a normalization's statistics are none.
    """
    inputs = as_kwargs(module, example)
    graph = from_module(module, example)
    assert graph.validate()
    assert_wired(graph, inputs if follow else None)
    rebuilt = copy.deepcopy(to_module(graph))
    assert_same_state(module, rebuilt)
    module.eval()
    with torch.no_grad():
        assert same(module(*copies(inputs)), rebuilt(*copies(inputs)))
    assert_same_training(module, rebuilt, inputs)
    assert_survives_as_tokens(graph)
    return graph


def assert_survives_as_tokens(graph: NetGraph, chunk: int = 16) -> None:
    """Turn a network into tokens and back, and compare all that it holds."""
    generator = torch.Generator().manual_seed(0)
    graph = graph.replace(sensitivity=torch.rand(graph.num_nodes, generator=generator).to(graph.state))
    tokens = tokenize([graph], chunk)
    (again,) = detokenize(tokens)
    assert again.architecture == graph.architecture
    for key in ("state", "sensitivity", "other_state"):
        assert torch.equal(again[key], graph[key])
        assert again[key].dtype == graph[key].dtype
    # A chunk of each node that is not full, and a further operand of an Add in a feed-forward network.
    assert int(tokens.mask.sum()) <= 2 * graph.num_nodes + 3 + graph.state.numel() // chunk


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


def assert_wired(graph: NetGraph, inputs) -> None:
    """Check the vertices and edges: in order, sorted, and a path wherever an output depends on an input."""
    source, target = graph.edge_index
    assert (source < target).all()
    assert ((target * graph.num_nodes + source).diff() > 0).all()
    assert graph.num_nodes == len(graph.layer_type) == len(graph.bias) == len(graph.sensitivity)
    assert ((graph.parent >= 0).nonzero().flatten() == target.unique()).all()
    if graph.program is not None and inputs is not None:
        missing, _ = dependencies(graph, inputs)
        assert not missing


def dependencies(graph: NetGraph, inputs, most: int = 4) -> tuple[set, set]:
    """Compare the true derivatives of outputs by inputs with the paths along edges.

    Returns:
        (input vertex, output vertex) pairs that depend on each other without a path, and with a path for nothing.
    """
    module, inputs = to_module(graph), copies(inputs)
    leaves = [x.requires_grad_() if isinstance(x, Tensor) and x.is_floating_point() else x for x in inputs]
    given = dict(zip(graph.program.inputs, leaves, strict=True))
    outputs = tree_leaves(module(*(x.clone() if isinstance(x, Tensor) else x for x in leaves)))
    wiring = wire(graph.program)
    readers = [
        (given[row.target], wiring.values[i].labels) for i, row in enumerate(graph.program.nodes) if row.op == "input"
    ]
    missing, extra = set(), set()
    for output, known in zip(outputs, tree_leaves(wiring.output), strict=True):
        if not (isinstance(output, Tensor) and output.requires_grad):
            continue
        for vertex in known.nodes.tolist()[:most]:
            part = output[known.labels.expand(output.shape) == vertex + 1]
            reached = ancestors(graph, vertex)
            for x, labels in readers:
                if labels is not None and x.requires_grad:
                    found = influences(part, x, labels)
                    expected = {v for v in (labels[labels > 0] - 1).tolist() if v in reached}
                    missing |= {(v, vertex) for v in found - expected}
                    extra |= {(v, vertex) for v in expected - found}
    return missing, extra


def influences(part: Tensor, x: Tensor, labels: Tensor) -> set[int]:
    """List the input vertices by which some element of a part of the output has a derivative."""
    generator = torch.Generator().manual_seed(0)
    seen = torch.zeros_like(x)
    for _ in range(2):
        factor = torch.randn(part.shape, generator=generator, dtype=part.dtype)
        (gradient,) = torch.autograd.grad((part * factor).sum(), x, retain_graph=True, allow_unused=True)
        seen += 0 if gradient is None else gradient.abs()
    return set((labels.expand(x.shape)[seen > 0] - 1).tolist())


def ancestors(graph: NetGraph, vertex: int) -> set[int]:
    """List the vertices from which a path of edges leads to one."""
    feeding = {}
    for source, target in graph.edge_index.t().tolist():
        feeding.setdefault(target, []).append(source)
    reached, waiting = {vertex}, [vertex]
    while waiting:
        new = set(feeding.get(waiting.pop(), ())) - reached
        reached |= new
        waiting += new
    return reached

"""Sensitivity against its definition, computed one network, one row and one output at a time."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from netgraph import NetGraph, NetGraphError, from_module, sensitivity, to_module
from netgraph.graph.architecture import Architecture, Layer, make_layer
from netgraph.graph.layers import LAYER_TYPES
from netgraph.stack import Stack, sensitivities
from netgraph.stack.sensitivity import stack_sensitivity
from tests.strategies import examples, graphs, random_graph, randomize

lists = st.lists(graphs(), min_size=1, max_size=5)


def run_layer(layer: Layer, operands: list[Tensor], held: dict[str, Tensor]) -> Tensor:
    """Run one layer by torch's own functions, in evaluation mode."""
    first, hyper = operands[0], layer.hyper_parameters
    weight, bias = held.get("weight"), held.get("bias")
    match layer.type:
        case "Linear":
            return F.linear(first, weight, bias)
        case "LayerNorm":
            return F.layer_norm(first, (layer.size,), weight, bias, hyper["eps"])
        case "BatchNorm1d":
            return F.batch_norm(first, held["running_mean"], held["running_var"], weight, bias, eps=hyper["eps"])
        case "Add":
            return torch.stack(operands).sum(0)
        case "Concat":
            return torch.cat(operands, dim=-1)
    return layer.kind.module(**hyper).eval()(first.clone())  # Identity and Dropout give what they take


def run_layers(graph: NetGraph, x: Tensor) -> list[Tensor]:
    """Give the values of every layer, each [rows, size]."""
    values = [x.requires_grad_()]
    for position, layer in enumerate(graph.architecture.layers[1:], 1):
        own = [tensor for tensor in graph.architecture.tensors if tensor.layer == position]
        held = {tensor.name: graph.tensor(tensor) for tensor in own}
        values.append(run_layer(layer, [values[i] for i in layer.inputs], held))
    return values


def reference(graph: NetGraph, x: Tensor) -> Tensor:
    """SeReNe's definition in float64, [num_nodes]."""
    graph = graph.replace(state=graph.state.double(), sensitivity=graph.sensitivity.double())
    x = x.double()
    layers = graph.architecture.layers
    torch.testing.assert_close(run_layers(graph, x.clone())[-1], to_module(graph)(x), rtol=1e-9, atol=1e-9)
    found = []
    for row in x.split(1):
        values = run_layers(graph, row.clone())
        for output in values[-1][0]:
            slopes = torch.autograd.grad(output, values, retain_graph=True, materialize_grads=True)
            read = [layer.inputs[0] if layer.kind.kind == "elementwise" else i for i, layer in enumerate(layers)]
            found.append(torch.cat([slopes[i][0] for i in read]).abs())
    return torch.stack(found).mean(dim=0)


def assert_exact(found: Tensor, graph: NetGraph, x: Tensor) -> None:
    expected = reference(graph, x)
    assert found.dtype == graph.state.dtype
    assert found.shape == (graph.num_nodes,)
    assert ((found.double() - expected).abs() <= 2e-7 * (1 + expected)).all()


def draw_rows(n_inputs: int, dtype: torch.dtype = torch.float64, n: int = 4) -> Tensor:
    return torch.randn(n, n_inputs, generator=torch.Generator().manual_seed(2)).to(dtype)


@examples(200)
@given(graphs(), st.sampled_from([torch.float32, torch.float64]))
def test_agrees_with_the_definition(graph, dtype):
    graph = graph.replace(state=graph.state.to(dtype), sensitivity=graph.sensitivity.to(dtype))
    x = draw_rows(graph.architecture.n_inputs, dtype)
    assert_exact(sensitivity(graph, x), graph, x)


def network(*rows: tuple) -> Architecture:
    """Three inputs, then layers given by type, operands and size."""
    return Architecture((make_layer("Input", (), 3), *(make_layer(kind, *rest) for kind, *rest in rows)))


def around(kind: str) -> Architecture:
    """A layer of this type between two linear ones; a join reads one operand twice."""
    operands = {"join": (1, 0, 1)}.get(LAYER_TYPES[kind].kind, (1,))
    size = 9 if kind == "Concat" else 3
    return network(("Linear", (0,), 3), (kind, operands, size), ("Linear", (2,), 2))


SHAPES = {kind: around(kind) for kind in LAYER_TYPES if kind != "Input"} | {
    "one linear layer": network(("Linear", (0,), 2)),
    "an activation alone": network(("Tanh", (0,), 3)),
    "a norm alone": network(("LayerNorm", (0,), 3)),
    "an output activation": network(("Linear", (0,), 4), ("Sigmoid", (1,), 4)),
    "an output activation of a chain": network(("Linear", (0,), 2), ("Dropout", (1,), 2), ("ELU", (2,), 2)),
    "a chain of activations": network(
        ("Linear", (0,), 5), ("Dropout", (1,), 5), ("Tanh", (2,), 5), ("ReLU", (3,), 5), ("Linear", (4,), 1)
    ),
    "a dropout beside what feeds it": network(
        ("Linear", (0,), 3), ("Dropout", (1,), 3), ("Identity", (2,), 3), ("Sigmoid", (3,), 3), ("Concat", (1, 4, 3), 9)
    ),
    "a layer that three read": network(
        ("Linear", (0,), 4), ("ReLU", (1,), 4), ("SiLU", (1,), 4), ("Add", (1, 2, 3), 4), ("Linear", (4,), 2)
    ),
    "an output join of inputs": network(("Linear", (0,), 3), ("Add", (0, 1, 0), 3)),
    "an output join of widths": network(("Linear", (0,), 2), ("GELU", (1,), 2), ("Concat", (2, 0, 1, 2), 9)),
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_layer_type_and_place_agrees(name, dtype):
    graph = random_graph(SHAPES[name], 3)
    graph = graph.replace(state=graph.state.to(dtype), sensitivity=graph.sensitivity.to(dtype))
    x = draw_rows(3, dtype)
    assert_exact(sensitivity(graph, x), graph, x)


def deep(width: int, depth: int, activation: str) -> NetGraph:
    """A network with a residual and a norm at every second layer, of unit gain."""
    rows, last = [("Linear", (0,), width)], 1
    for level in range(depth):
        rows += [("LayerNorm", (last,), width), (activation, (last + 1,), width), ("Linear", (last + 2,), width)]
        rows += [("Add", (last, last + 3), width)] if level % 2 else []
        last = len(rows)
    graph = random_graph(network(*rows, ("Linear", (last,), 2)), depth)
    fan_in = torch.tensor(graph.architecture.element_kind == 0)
    return graph.replace(state=torch.where(fan_in, graph.state * 2 / math.sqrt(width), graph.state))


@pytest.mark.parametrize(("width", "depth", "activation"), [(256, 8, "ReLU"), (64, 8, "Tanh"), (2, 8, "GELU")])
def test_wide_and_deep_networks_agree(width, depth, activation):
    graph = deep(width, depth, activation)
    x = draw_rows(3, torch.float32)
    assert_exact(sensitivity(graph, x), graph, x)


def test_a_network_beside_others_has_the_sensitivity_it_has_alone():
    found = [random_graph(shape, i) for i, shape in enumerate(SHAPES.values())] + [deep(16, 3, "ReLU")]
    x = torch.stack([draw_rows(3, torch.float32) * (i + 1) for i in range(len(found))])
    architectures, states = [graph.architecture for graph in found], [graph.state for graph in found]
    stack = Stack(architectures)
    together = stack_sensitivity(stack, stack.flatten(states), x)
    chunked = sensitivities(architectures, states, x)
    for graph, rows, *many in zip(found, x, together, chunked, strict=True):
        alone = sensitivity(graph, rows)
        for one in many:
            torch.testing.assert_close(one, alone, rtol=1e-6, atol=1e-6)


@examples(25)
@given(lists)
def test_sensitivity_of_many_is_that_of_each(found):
    found = [graph.replace(state=graph.state.double(), sensitivity=graph.sensitivity.double()) for graph in found]
    stack = Stack([graph.architecture for graph in found])
    x = draw_rows(stack.max_inputs)
    many = stack_sensitivity(stack, stack.flatten([graph.state for graph in found]), x)
    for graph, one in zip(found, many, strict=True):
        torch.testing.assert_close(one, sensitivity(graph, x[:, : graph.architecture.n_inputs]), rtol=1e-9, atol=1e-9)
        assert (one >= 0).all()


def test_sensitivity_is_the_mean_absolute_derivative():
    module = randomize(nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2)).double(), 0)
    x = draw_rows(2)
    slope = 1 - torch.tanh(module[0](x)) ** 2
    derivative = (module[2].weight[None] * slope[:, None, :]).abs().mean(dim=(0, 1))
    found = sensitivity(from_module(module), x)
    torch.testing.assert_close(found[2:5], derivative)
    torch.testing.assert_close(found[5:8], derivative)
    torch.testing.assert_close(found[8:], torch.full((2,), 0.5, dtype=torch.float64))


def test_networks_of_different_numbers_of_outputs_are_measured_side_by_side():
    sizes = [3, 1, 10]
    modules = [
        randomize(nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, size)).double(), size) for size in sizes
    ]
    graphs = [from_module(module) for module in modules]
    x = draw_rows(2)
    together = sensitivities(
        [graph.architecture for graph in graphs], [graph.state for graph in graphs], x.expand(len(sizes), -1, -1)
    )
    for module, size, measured in zip(modules, sizes, together, strict=True):
        slope = 1 - torch.tanh(module[0](x)) ** 2
        derivative = (module[2].weight[None] * slope[:, None, :]).abs().mean(dim=(0, 1))  # over rows and outputs
        torch.testing.assert_close(measured[2:6], derivative)
        torch.testing.assert_close(measured[10:], torch.full((size,), 1 / size, dtype=torch.float64))


def test_a_dead_unit_has_none_and_its_neighbor_has():
    module = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    with torch.no_grad():
        module[0].bias.copy_(torch.tensor([-100.0, 100.0]))
    found = sensitivity(from_module(module), draw_rows(2, torch.float32))
    weight = module[2].weight[0, 1].abs().item()
    assert found[2:6].tolist() == pytest.approx([0, weight, 0, weight])


def test_a_broken_network_leaves_its_neighbors_alone():
    found = [random_graph(shape, 1) for shape in SHAPES.values()]
    stack, x = Stack([graph.architecture for graph in found]), draw_rows(3, torch.float32)
    states = [graph.state for graph in found]
    before = stack_sensitivity(stack, stack.flatten(states), x)
    after = stack_sensitivity(stack, stack.flatten([states[0] * float("nan"), *states[1:]]), x)
    assert after[0].isnan().any()
    assert all(torch.equal(one, other) for one, other in zip(before[1:], after[1:], strict=True))


def test_it_is_measured_where_gradients_are_off_and_alters_nothing():
    graph, x = deep(4, 2, "Tanh"), draw_rows(3, torch.float32)
    state, rows = graph.state.clone(), x.clone()
    with torch.no_grad():
        found = sensitivity(graph, x)
    assert torch.equal(found, sensitivity(graph, x))
    assert not any(tensor.requires_grad for tensor in (found, x, graph.state))
    assert torch.equal(graph.state, state)
    assert torch.equal(x, rows)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(4, 2), r"reads \[rows, 3\]"),
        (torch.zeros(0, 3), r"reads \[rows, 3\]"),
        (torch.zeros(3), r"reads \[rows, 3\]"),
        (torch.tensor([[0.0, float("nan"), 0.0]]), "column 1 of x"),
    ],
)
def test_bad_rows_are_named(x, message):
    with pytest.raises(NetGraphError, match=message):
        sensitivity(random_graph(SHAPES["one linear layer"]), x)

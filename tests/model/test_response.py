import pytest
import torch
from torch import nn

from netgraph import NetGraph, from_module
from netgraph.model.response import SMALLEST, calibrate, respond
from netgraph.stack import Stack
from netgraph.zoo.architectures import initialize


def networks() -> list[NetGraph]:
    """Networks of one output whose last layer is linear, and one with two outputs and one without a bias."""
    modules = [
        nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1)),
        nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 1)),
        nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)),
        nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1, bias=False)),
    ]
    generator = torch.Generator().manual_seed(0)
    graphs = [from_module(module) for module in modules]
    return [NetGraph(g.architecture, initialize(g.architecture, generator)) for g in graphs]


def test_a_response_is_mean_and_deviation_on_common_rows():
    graphs = networks()
    stack = Stack([g.architecture for g in graphs])
    state = torch.cat([g.state for g in graphs])
    response = respond(stack, state)
    alone = respond(Stack([graphs[1].architecture]), graphs[1].state)
    assert torch.allclose(response[1], alone[0], atol=1e-6)
    shifted = graphs[0].state.clone()
    shifted[-1] += 2.0  # the bias of the output
    moved = respond(Stack([graphs[0].architecture]), shifted)
    assert moved[0, 0] - response[0, 0] == pytest.approx(2.0, abs=1e-5)
    assert moved[0, 1] == pytest.approx(float(response[0, 1]), abs=1e-5)


def test_calibrated_networks_respond_as_asked_and_keep_the_shape_of_their_function():
    graphs = networks()
    stack = Stack([g.architecture for g in graphs])
    state = torch.cat([g.state for g in graphs])
    asked = torch.tensor([[0.3, -0.2], [-1.0, 0.5], [0.0, 0.0], [0.0, 0.0]])
    new = calibrate(stack, state, asked)
    assert torch.allclose(respond(stack, new)[:2], asked[:2], atol=1e-4)
    start = int(stack.state_ptr[2])
    assert torch.equal(new[start:], state[start:])
    x = torch.randn(4, 20, 3, generator=torch.Generator().manual_seed(1))
    before, after = stack(state, x)[0, :, 0], stack(new, x)[0, :, 0]
    assert torch.corrcoef(torch.stack([before, after]))[0, 1] > 0.9999
    assert torch.allclose(calibrate(stack, state, respond(stack, state)), state, atol=1e-5)


def test_what_hardly_varies_is_not_blown_up():
    graph = networks()[0]
    stack = Stack([graph.architecture])
    flat = torch.where(torch.from_numpy(graph.architecture.slot_kind) == 0, graph.state * 1e-4, graph.state)
    new = calibrate(stack, flat, torch.tensor([[0.0, 0.0]]))
    assert new[-9:-1].norm() == pytest.approx(100 * float(flat[-9:-1].norm()), rel=1e-4)


def test_constant_and_broken_networks_are_the_smallest():
    graph = networks()[0]
    stack = Stack([graph.architecture] * 2)
    broken = torch.full_like(graph.state, torch.inf)
    found = respond(stack, torch.cat([torch.zeros_like(graph.state), broken]))
    assert found[:, 1].exp().tolist() == pytest.approx([SMALLEST, SMALLEST])
    assert found.isfinite().all()

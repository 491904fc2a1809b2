"""Lowering: what an architecture can hold is one, however it was converted; anything else is named."""

import pytest
import torch
from hypothesis import given
from torch import nn

from netgraph import NetGraphError, from_module
from netgraph.graph.from_module import generalize
from netgraph.graph.lower import lower
from tests.graph.zoo_of_modules.exact import prepared
from tests.strategies import examples, modules


@examples(40)
@given(modules())
def test_a_general_program_of_a_feed_forward_network_lowers_to_its_architecture(module):
    graph = from_module(module)
    program = generalize(graph).program
    for shape in (None, (5, graph.architecture.n_inputs), (2, 3, graph.architecture.n_inputs)):
        if shape is None or len(shape) == 2 or "BatchNorm1d" not in repr(graph.architecture):
            assert lower(program, shape).key == graph.architecture.key


def test_a_second_input_is_named():
    class Sum(nn.Module):
        def forward(self, x, y):
            return x + y

    with pytest.raises(NetGraphError, match=r"^y: a second input"):
        lower(from_module(Sum(), (torch.zeros(2, 3), torch.zeros(2, 3))).program, (2, 3))


def test_what_nothing_reads_is_left_out_but_in_place():
    class Network(nn.Module):
        def __init__(self, idle):
            super().__init__()
            self.idle, self.linear = idle, nn.Linear(3, 2)

        def forward(self, x):
            h = self.linear(x)
            self.idle(h)
            return torch.tanh(h)

    network = prepared(Network(nn.Softplus()))
    assert [layer.type for layer in from_module(network).architecture.layers] == ["Input", "Linear", "Tanh"]
    with pytest.raises(NetGraphError, match=r"^idle: in place, while its input is used again"):
        from_module(prepared(Network(nn.ReLU(inplace=True))))
    graph = from_module(prepared(Network(nn.ReLU(inplace=True))), torch.zeros(2, 3))
    with pytest.raises(NetGraphError, match="in place"):
        lower(graph.program, (2, 3))


def test_notes_on_a_layer_are_no_part_of_it():
    module = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
    module[0].note = "the first"
    assert from_module(module).program is None
    module = nn.Sequential(nn.Conv1d(3, 2, 1), nn.Tanh())
    module[0].note = "the first"
    assert from_module(module, torch.zeros(1, 3, 4)).num_nodes == 7

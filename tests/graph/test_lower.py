"""Lowering: what an architecture can hold is one, however it was converted; anything else is named."""

import pytest
import torch
from hypothesis import given
from torch import nn
from torch.nn import functional as F

from netgraph import NetGraphError, from_module, to_module
from netgraph.graph.lower import lower
from netgraph.graph.read_module import generalize
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


class Functional(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.linear, self.function = nn.Linear(4, 4), function

    def forward(self, x):
        return self.function(self, self.linear(x))


def test_a_function_is_the_layer_that_does_the_same():
    module = Functional(lambda self, h: F.leaky_relu(F.dropout(h, 0.3, self.training), 0.2))
    layers = from_module(module).architecture.layers[2:]
    assert [(layer.type, layer.hyper) for layer in layers] == [
        ("Dropout", (("p", 0.3),)), ("LeakyReLU", (("negative_slope", 0.2),))
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda self, h: F.layer_norm(h, (4,)), "layer_norm: layer_norm is not supported"),
        (lambda self, h: F.linear(h, self.linear.weight), "linear_weight: weight is not supported"),
        (lambda self, h: F.dropout(h, 0.3, False), "gradient|output|draws"),
        (lambda self, h: h.chunk(2, -1)[0], "chunk: chunk is not supported"),
    ],
    ids=["norm", "linear", "dropout", "chunk"],
)
def test_a_function_that_is_none_is_named_and_general_with_an_example(function, reason):
    module = prepared(Functional(function)).eval()
    with pytest.raises(NetGraphError, match=reason):
        from_module(module)
    x = torch.linspace(-1, 1, 12).view(3, 4)
    graph = from_module(module, x)
    assert graph.program is not None
    assert torch.equal(to_module(graph)(x), module(x))


def test_a_layer_whose_sizes_do_not_fit_is_named_with_an_example_too():
    module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(5, 2))
    with pytest.raises(NetGraphError, match=r"^2: Linear reads 5 values, but is fed 4"):
        from_module(module, torch.zeros(2, 3))
    with pytest.raises(NetGraphError, match=r"flatten: flatten is not supported"):
        from_module(Functional(lambda self, h: torch.tanh(h.flatten(0))))

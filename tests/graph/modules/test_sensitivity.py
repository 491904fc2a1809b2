import itertools

import pytest
import torch
from hypothesis import given
from torch import nn
from torch.nn import functional as F

from netgraph import NetGraphError, from_module, sensitivity, to_module, with_sensitivity
from netgraph.graph import load_graphs, module_sensitivity, save_graphs
from netgraph.graph.modules.stepwise import decompose
from netgraph.graph.modules.wiring import wire
from netgraph.graph.read_module import generalize
from tests.graph.zoo_of_modules.exact import prepared, tree_leaves
from tests.graph.zoo_of_modules.test_attention import Bert, Decoder, Perceiver
from tests.graph.zoo_of_modules.test_sequences import Tagger, Translator, ids, numbers
from tests.strategies import examples, modules, rows


@examples(25)
@given(modules())
def test_a_feed_forward_network_has_the_sensitivity_of_the_stack(module):
    graph = from_module(module)
    if any(layer.type == "Concat" for layer in graph.architecture.layers):
        return  # a concatenation has vertices in one form only
    x = rows(module)
    expected = sensitivity(graph, x)
    found = module_sensitivity(generalize(graph), x)
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-5)


def test_a_channel_s_sensitivity_is_the_sum_over_its_places():
    conv = nn.Conv1d(2, 3, 3)
    module = nn.Sequential(conv, nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(12, 2))
    (x,) = numbers((5, 2, 6))
    found = module_sensitivity(from_module(module, x), x)
    before = conv(x)
    weight = module[3].weight.view(2, 3, 4)
    active = (before > 0).to(x)  # [rows, channels, places]
    expected = torch.einsum("rcp,ocp->rcop", active, weight.abs()).sum(3).mean((0, 2))
    assert torch.allclose(found[2:5], expected, atol=1e-6)
    assert torch.allclose(found[5:8], expected, atol=1e-6)


DEEP = [
    (Bert, (ids(20, 2, 6), torch.tensor([[0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1]]).bool())),
    (Decoder, numbers((5, 2, 16), (7, 2, 16))),
    (Perceiver, numbers((2, 5, 6))),
    (Tagger, (ids(30, 2, 7),)),
    (Translator, numbers((5, 2, 4), (3, 2, 4))),
    (lambda: nn.RNN(3, 4, 2, bidirectional=True, batch_first=True), numbers((2, 5, 3))),
    (lambda: nn.LSTM(3, 4, proj_size=2), numbers((5, 3))),
    (lambda: nn.MultiheadAttention(8, 2, add_bias_kv=True, add_zero_attn=True), numbers((4, 8), (5, 8), (5, 8))),
    (lambda: nn.TransformerEncoderLayer(8, 2, 16, norm_first=True), numbers((4, 2, 8))),
]


@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True", "ignore:LSTM with projections")
@pytest.mark.parametrize(("build", "example"), DEEP)
def test_every_inner_unit_of_composite_layers_is_measured(build, example):
    module = prepared(build())
    graph = from_module(module, example)
    decomposed = to_module(graph)
    decompose(graph.program, decomposed, lambda name, value: value)
    for a, b in zip(tree_leaves(decomposed(*example)), tree_leaves(to_module(graph)(*example)), strict=True):
        assert torch.allclose(a, b, atol=1e-5)
    found = module_sensitivity(graph, *example)
    assert torch.isfinite(found).all()
    for group in wire(graph.program).groups:
        fed = (graph.edge_index[0] >= group.start) & (graph.edge_index[0] < group.start + group.size)
        if group.type not in ("Input", "ReLU", "Earlier") and fed.any() and group.name != "cross.weights":
            assert found[group.start : group.start + group.size].max() > 0, group.name


def test_it_is_stored_on_the_graph_and_in_files(tmp_path):
    (x,) = numbers((2, 2, 6))
    module = nn.Sequential(nn.Conv1d(2, 3, 3), nn.Tanh())
    graph = from_module(module, x)
    assert graph.sensitivity.isnan().all()
    measured = with_sensitivity(graph, x)
    save_graphs([measured], tmp_path / "g.safetensors")
    (loaded,) = load_graphs(tmp_path / "g.safetensors")
    assert torch.equal(loaded.sensitivity, sensitivity(graph, x))
    feed_forward = from_module(nn.Linear(3, 2))
    assert torch.equal(with_sensitivity(feed_forward, x[0, :, :3]).sensitivity, sensitivity(feed_forward, x[0, :, :3]))


class Attending(nn.Module):
    """Attention over the places of a convolution, with a value added before the activation."""

    def __init__(self):
        super().__init__()
        self.conv, self.attention = nn.Conv1d(2, 4, 3), nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x, shift=0.0):
        x = F.gelu(self.conv(x) + shift).transpose(1, 2)
        return self.attention(x, x, x, need_weights=False)[0].mean(1)


def test_it_is_what_finite_differences_give():
    module = prepared(Attending()).double()
    (x,) = (value.double() for value in numbers((3, 2, 6)))
    found = sensitivity(from_module(module, x), x)
    step, expected = 1e-5, torch.zeros(4, dtype=torch.double)
    for channel, place in itertools.product(range(4), range(4)):
        shift = torch.zeros(1, 4, 4, dtype=torch.double)
        shift[0, channel, place] = step
        with torch.no_grad():
            change = (module(x, shift) - module(x, -shift)) / (2 * step)
        expected[channel] += change.abs().mean()
    assert torch.allclose(found[2:6], expected, rtol=1e-6)
    assert torch.allclose(found[6:10], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ((torch.zeros(2, 3, 6),), r"does not run on input \(2, 3, 6\)"),
        ((torch.full((2, 2, 6), float("nan")),), "input holds NaN"),
        ((torch.zeros(0, 2, 6),), "nothing to measure on"),
        ((), r"the network takes \(input\)"),
    ],
)
def test_inputs_must_be_those_of_the_network(inputs, message):
    graph = from_module(nn.Sequential(nn.Conv1d(2, 3, 3), nn.Tanh()), torch.zeros(1, 2, 6))
    with pytest.raises(NetGraphError, match=message) as caught:
        sensitivity(graph, *inputs)
    assert "\n" not in str(caught.value)


def test_a_feed_forward_network_reads_one_input():
    with pytest.raises(NetGraphError, match="given 2 inputs"):
        sensitivity(from_module(nn.Linear(3, 2)), torch.zeros(1, 3), torch.zeros(1, 3))

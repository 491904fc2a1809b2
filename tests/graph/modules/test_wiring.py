"""Vertices and edges against what is known of each kind of layer."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch_geometric.loader import DataLoader

from netgraph import NetGraphError, from_module
from netgraph.graph.modules.wiring import wire
from netgraph.graph.read_module import generalize
from tests.graph.zoo_of_modules.exact import dependencies, prepared
from tests.strategies import examples, modules


def edges_between(graph, name, of=None):
    """Give the edges into a layer as {(source within its layer, target within the layer): kernel}."""
    group = next(group for group in wire(graph.program).groups if group.name == name)
    source, target = graph.edge_index
    weight = graph.edge_weight.reshape(graph.num_edges, -1)
    first = min(
        s for s, t in zip(source.tolist(), target.tolist(), strict=True) if group.start <= t < group.start + group.size
    )
    return {
        (s - first, t - group.start): weight[i]
        for i, (s, t) in enumerate(zip(source.tolist(), target.tolist(), strict=True))
        if group.start <= t < group.start + group.size
    }


@examples(30)
@given(modules())
def test_a_feed_forward_network_has_the_same_vertices_and_edges_in_both_forms(module):
    graph = from_module(module)
    general = generalize(graph)
    if any(layer.type == "Concat" for layer in graph.architecture.layers):
        return  # a concatenation has vertices in one form only
    assert torch.equal(general.edge_index, graph.edge_index)
    assert torch.equal(general.layer_type, graph.layer_type)
    assert torch.equal(general.parent, graph.parent)
    assert torch.equal(general.structural, graph.structural)
    assert torch.equal(general.edge_weight, graph.edge_weight)
    assert torch.equal(general.bias, graph.bias)


@examples(20)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.sampled_from([1, 2]), st.booleans())
def test_a_convolution_s_edges_carry_its_kernels(groups, inputs, outputs, kernel, transposed):
    conv = (nn.ConvTranspose1d if transposed else nn.Conv1d)(groups * inputs, groups * outputs, kernel, groups=groups)
    graph = from_module(nn.Sequential(conv, nn.Softsign()), torch.zeros(1, groups * inputs, 5))
    found = edges_between(graph, "0")
    assert len(found) == groups * inputs * outputs
    for (source, target), weight in found.items():
        group = target // outputs
        assert source // inputs == group
        own = conv.weight[source, target % outputs] if transposed else conv.weight[target, source % inputs]
        assert torch.equal(weight[:kernel], own)
    assert torch.equal(graph.bias[groups * inputs : groups * (inputs + outputs)], conv.bias)


def test_a_linear_layer_behind_a_flatten_has_a_block_an_edge():
    linear = nn.Linear(3 * 4 * 4, 5)
    graph = from_module(nn.Sequential(nn.Softsign(), nn.Flatten(), linear), torch.zeros(2, 3, 4, 4))
    found = edges_between(graph, "2")
    assert len(found) == 3 * 5
    assert all(torch.equal(weight, linear.weight[t].view(3, 16)[s]) for (s, t), weight in found.items())


class Shuffled(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 4)

    def forward(self, x):
        b, c = x.shape
        return self.linear(torch.tanh(x.view(b, 2, 3).transpose(1, 2).reshape(b, c)))


def test_reshapes_and_transposes_are_followed_to_the_unit():
    module = Shuffled()
    found = edges_between(from_module(module, torch.zeros(2, 6)), "linear")
    order = torch.arange(6).view(2, 3).t().reshape(-1).tolist()  # feature i of the layer is unit order[i]
    for feature, _unit in enumerate(order):
        for target in range(4):
            assert (feature, target) in found or (order[feature], target) in found
    every = torch.stack([found[source, 0][0] for source in range(6)])
    assert torch.equal(every.sort().values, module.linear.weight[0].sort().values)


class Heads(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.out = nn.Linear(4, 12), nn.Linear(4, 4)

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = (part.view(b, t, 2, c // 2).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, t, c))


def test_heads_do_not_mix():
    graph = from_module(Heads(), torch.zeros(1, 3, 4))
    found = edges_between(graph, "scaled_dot_product_attention")
    for source, target in found:
        kind, unit = divmod(source, 4)
        assert unit // 2 == target // 2
        assert kind < 2 or unit == target
    assert len(found) == 4 * (2 + 2 + 1)


class Split(nn.Module):
    """Two halves of the channels that never meet, behind a shuffle, a pad and an index."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv1d(2, 2, 3), nn.Conv1d(2, 3, 1)
        self.scale = nn.Parameter(torch.ones(1, 3, 1))

    def forward(self, x):
        first, second = torch.stack(x.chunk(2, 1), 2).flatten(1, 2)[:, ::2], x[:, 2:]
        return torch.tanh(self.a(F.pad(first, (1, 1)))), self.b(second) * self.scale


def test_no_edge_stands_for_nothing():
    x = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(0))
    module = prepared(Split())
    with torch.no_grad():
        module.scale.fill_(2)
    missing, extra = dependencies(from_module(module, x), (x,))
    assert not missing
    assert not extra


def test_a_parameter_used_directly_is_the_weight_of_what_reads_it():
    module = Split()
    graph = from_module(module, torch.zeros(2, 4, 6))
    group = next(group for group in wire(graph.program).groups if group.type == "Mul")
    into = (graph.edge_index[1] >= group.start) & (graph.edge_index[1] < group.start + group.size)
    assert torch.equal(graph.edge_weight[into][:, 0], module.scale.flatten())
    assert not graph.structural[into].any()


class InPlace(nn.Module):
    """Alters what an identity and a dropout share with their operand, and reads it again."""

    def __init__(self):
        super().__init__()
        self.linear, self.same, self.out = nn.Linear(3, 4), nn.Sequential(nn.Identity(), nn.Dropout()), nn.Linear(4, 2)

    def forward(self, x):
        h = self.linear(x)
        self.same(h).tanh_()
        return self.out(h)


def test_a_call_in_place_alters_what_shares_its_memory():
    graph = from_module(InPlace(), torch.zeros(2, 3))
    groups = {group.type: i for i, group in enumerate(wire(graph.program).groups)}
    last = len(wire(graph.program).groups) - 1
    assert (groups["Tanh"], last) in wire(graph.program).feeds
    assert [pair for pair in wire(graph.program).feeds if pair[1] == last] == [(groups["Tanh"], last)]


def test_dense_connectivity_is_held_once_and_batches_work():
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 36, 500))
    graph = from_module(module, torch.zeros(1, 3, 8, 8))
    assert graph.state.numel() == sum(parameter.numel() for parameter in module.parameters())
    assert "edges" not in vars(wire(graph.program))
    (batch,) = DataLoader([graph, graph], batch_size=2)
    assert batch.edge_index.shape[1] == 2 * graph.num_edges
    again = batch.get_example(1)
    assert torch.equal(again.edge_weight, graph.edge_weight)
    assert again.program == graph.program
    clone = graph.clone()
    clone.state += 1
    assert not torch.equal(clone.edge_weight, graph.edge_weight)


def test_weights_are_differentiated_and_of_any_type():
    module = nn.Sequential(nn.Conv1d(2, 3, 2), nn.Softsign())
    graph = from_module(module, torch.zeros(1, 2, 5))
    graph.state.requires_grad_()
    graph.edge_weight.sum().backward()
    assert torch.equal(graph.state.grad, torch.cat([torch.ones(12), torch.zeros(3)]))
    half = from_module(module.bfloat16(), torch.zeros(1, 2, 5, dtype=torch.bfloat16))
    assert half.edge_weight.dtype == torch.bfloat16


def test_kernels_too_long_to_lie_side_by_side_leave_the_edges_readable():
    module = nn.Sequential(
        nn.Flatten(), nn.Linear(2 * 300 * 300, 20), nn.Softsign(), nn.Linear(20, 900), nn.Softmin(dim=1)
    )
    graph = from_module(module, torch.zeros(1, 2, 300, 300))
    assert graph.num_edges == 2 * 20 + 20 + 20 * 900 + 900 * 900
    with pytest.raises(NetGraphError, match="do not fit side by side"):
        _ = graph.edge_weight


class Table(nn.Module):
    """Rows of a parameter read by index, and of a sequence gathered by index."""

    def __init__(self):
        super().__init__()
        self.table, self.linear = nn.Parameter(torch.randn(9, 4)), nn.Linear(4, 2)
        self.register_buffer("places", torch.tensor([2, 0, 1]))

    def forward(self, ids, x):
        return self.linear(self.table[ids] + x[:, self.places])


def test_a_parameter_read_by_index_is_an_embedding():
    module = Table()
    graph = from_module(module, (torch.tensor([[8, 1, 2]]), torch.zeros(1, 3, 4)))
    found = edges_between(graph, "getitem")
    assert set(found) == {(0, unit) for unit in range(4)}
    assert all(torch.equal(weight[:9], module.table[:, unit]) for (_, unit), weight in found.items())
    assert {source for source, _ in edges_between(graph, "add")} == set(range(8))


class Called(nn.Module):
    """Calls functions of ``torch``, whose parameters stand in another order, or of ``torch.nn.functional``."""

    def __init__(self, functional):
        super().__init__()
        draw = lambda *sizes: nn.Parameter(torch.rand(sizes, generator=torch.Generator().manual_seed(len(sizes))))  # noqa: E731
        self.functional, self.table, self.scale, self.shift = functional, draw(7, 4), draw(4), draw(4)
        self.products, self.bias = draw(3, 4, 4), draw(3)

    def forward(self, i):
        zeros, ones = self.scale * 0, self.scale * 0 + 1
        if self.functional:
            x = F.batch_norm(F.embedding(i, self.table), zeros, ones, self.scale, self.shift)
        else:
            x = torch.embedding(self.table, i)
            x = torch.batch_norm(x, self.scale, self.shift, zeros, ones, False, 0.1, 1e-5, False)
        return F.bilinear(x, torch.tanh(x), self.products, self.bias)


def test_parameters_are_found_in_the_order_of_either_function():
    indices = torch.tensor([1, 2, 6])
    first, second = (from_module(Called(functional), indices) for functional in (True, False))
    assert torch.equal(first.edge_index, second.edge_index)
    assert torch.equal(first.edge_weight, second.edge_weight)
    assert torch.equal(first.bias, second.bias)
    assert wire(first.program).groups[-1].type == "Bilinear"
    assert not first.structural[first.edge_index[1] >= first.num_nodes - 3].any()
    assert torch.equal(first.bias[-3:], Called(True).bias)


@pytest.mark.parametrize(("layer", "shape"), [(nn.BatchNorm1d(4), (3, 4)), (nn.LPPool1d(2, 2), (2, 4, 6))])
def test_the_channels_of_an_input_are_found_by_the_layer_that_reads_it_first(layer, shape):
    graph = from_module(nn.Sequential(layer, nn.Softsign()).eval(), torch.ones(shape))
    assert [group.size for group in wire(graph.program).groups] == [4, 4, 4]

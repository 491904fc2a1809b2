"""Networks at a prompt and in a notebook: one line, a picture and a table, of any network and of what is none."""

import pytest
import torch
from hypothesis import given
from torch import nn
from torch_geometric.data import Batch

from netgraph import NetGraph, from_module
from netgraph.graph.architecture import Architecture, make_layer
from netgraph.graph.display import network_html
from netgraph.graph.modules.wiring import wire
from tests.shown import cells, parsed
from tests.strategies import examples, graphs


class Branching(nn.Module):
    """Shared and frozen weights, a parameter of its own, attention, and branches that join."""

    def __init__(self):
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)
        self.twice, self.attention = nn.Linear(8, 8), nn.MultiheadAttention(8, 2, batch_first=True)
        self.scale = nn.Parameter(torch.ones(8))
        self.convolution.requires_grad_(False)

    def forward(self, x):
        x = torch.relu(self.norm(self.convolution(x))).flatten(2).transpose(1, 2)
        x = self.twice(self.twice(x) * self.scale) + x
        return self.attention(x, x, x)[0].mean(1)


def branching():
    return from_module(Branching().eval(), torch.zeros(1, 3, 6, 6))


def chain(*sizes, name=""):
    layers = [make_layer("Input", (), sizes[0], name)]
    layers += [make_layer("Linear", (i,), size, f"{name}{i}") for i, size in enumerate(sizes[1:])]
    architecture = Architecture(tuple(layers))
    return NetGraph(architecture, torch.linspace(-1, 1, architecture.state_size))


def test_one_line_tells_layers_counts_and_further_attributes():
    graph = chain(3, 5, 1).replace(task=7, r2=0.87654321, x=torch.zeros(4, 2))
    expected = "Input(3) > Linear(5) > Linear(1), 9 nodes, 20 edges, 26 parameters, task=7, r2=0.8765, x=[4, 2]"
    assert repr(graph) == str(graph) == f"NetGraph({expected})"
    assert repr(branching()) == (
        "NetGraph(Input(3) > Conv2d(8) > BatchNorm2d(8) > ReLU(8) > … 8 more … > MultiheadAttention(8) > Mean(8), "
        "107 nodes, 608 parameters)"
    )


@examples(10)
@given(graphs())
def test_every_network_is_shown(graph):
    assert repr(graph).startswith("NetGraph(Input(")
    assert "\n" not in repr(graph)
    assert len(repr(graph)) < 300
    table = cells(graph._repr_html_())
    assert [row[1].partition("(")[0] for row in table[1:]] == [layer.type for layer in graph.architecture.layers]
    kinds = [tensor.size for tensor in graph.architecture.tensors if tensor.kind in ("edge", "bias")]
    assert sum(int(row[3].replace(",", "")) for row in table[1:] if row[3] != "–") == sum(kinds)


def test_a_table_as_of_torchinfo_counts_shared_parameters_once():
    html = branching()._repr_html_()
    rows = {row[0]: row[1:] for row in cells(html)[1:]}
    assert rows["convolution"] == ["Conv2d", "[1, 8, 4, 4]", "224"]
    assert rows["scale"] == ["Parameter", "[8]", "8"]
    assert rows["attention"] == ["MultiheadAttention", "([1, 16, 8], [1, 16, 16])", "288"]
    assert [row[3] for row in cells(html) if row[0] == "twice"] == ["72", "as above"]
    assert "getitem" not in html
    totals = parsed(html).find("p").text
    assert totals.startswith("608 parameters · 224 of them frozen · 17 numbers in buffers · 107 nodes · ")


def test_names_and_attributes_are_escaped():
    graph = chain(2, 1, name="<b>&").replace(note="<script>alert(1)</script>")
    html = graph._repr_html_()
    assert {"<b>&", "<b>&0"} <= {row[0] for row in cells(html)}
    assert "<b>" not in html
    assert "<script" not in html


def test_wide_and_long_networks_are_cut():
    wide = from_module(nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 10)))
    long = chain(*[4] * 300)
    general = from_module(nn.Sequential(*(nn.Conv1d(2, 2, 1) for _ in range(150))), torch.zeros(1, 2, 3))
    for graph in (wide, chain(*[500] * 14), long, general, general.replace(**{f"x{i}": "y" * 500 for i in range(50)})):
        assert len(repr(graph)) < 500
        assert "\n" not in repr(graph)
        assert len(graph._repr_html_()) < 40_000
        parsed(graph._repr_html_())
    assert ["", "… 277 more …", "", ""] in cells(long._repr_html_())
    assert "<svg" not in long._repr_html_()
    assert "8 of 512" in wide._repr_html_()


def test_a_picture_shows_every_node_of_a_small_network_and_the_sign_of_its_weights():
    svg = parsed(chain(3, 2)._repr_html_()).find("div/svg")
    assert svg.find("title").text == "Input(3) > Linear(2)"
    assert len(list(svg.iter("circle"))) == 5
    paths = {path.get("stroke"): path.get("d").count("M") for path in svg.iter("path")}
    assert sum(path.get("d").count("M") for path in svg.iter("path")) == 6
    assert len(paths) == 2  # weights from -1 to 1
    assert "currentColor" not in paths


def test_a_picture_has_the_names_of_inputs_and_outputs_and_room_for_them():
    graph, names = chain(9, 2), [f"<column> {i}" for i in range(9)]
    html = network_html(graph.architecture, graph.state, graph.tensor, {}, names, ["no", "a very long name of a class"])
    svg = parsed(html).find("div/svg")
    named = {text.text: text for text in svg.iter("text") if text.get("text-anchor")}
    assert list(named) == [*names[:8], "no", "a very long … of a class"]  # eight nodes of a layer are shown
    left, _, width, _ = map(float, svg.get("viewBox").split())
    letters = 5
    assert left < min(float(named[name].get("x")) - letters * len(name) for name in names[:8])
    assert left + width > max(float(text.get("x")) + letters * len(text.text) for text in list(named.values())[8:])
    plain = parsed(graph._repr_html_()).find("div/svg")
    assert plain.get("viewBox").startswith("0 0 ")


def test_no_line_expands_what_it_does_not_need():
    graph = branching()
    assert repr(graph)
    assert graph._repr_html_()
    assert "edges" not in vars(wire(graph.program))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0])
def test_odd_weights_are_drawn(value):
    graph = chain(2, 3, 1)
    parsed(graph.replace(state=torch.full_like(graph.state, value))._repr_html_())
    parsed(graph.replace(state=graph.state.clone().requires_grad_())._repr_html_())


def test_a_network_without_nodes_is_shown():
    class Constant(nn.Module):
        def forward(self, x):
            return torch.ones(2, 2)

    graph = from_module(Constant(), torch.zeros(0, dtype=torch.bool))
    assert "0 nodes" in repr(graph)
    parsed(graph._repr_html_())


def test_what_holds_no_network_is_shown_as_plain_graphs_are():
    batch = Batch.from_data_list([chain(2, 1), chain(3, 1)], exclude_keys=["other_state"])
    for graph, text in ((NetGraph(), "NetGraph()"), (batch, "NetGraphBatch(")):
        assert repr(graph).startswith(text)
        assert graph._repr_html_() is None

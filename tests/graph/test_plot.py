import numpy as np
import pytest
import torch
from hypothesis import given
from matplotlib.figure import Figure
from torch import nn

from netgraph import NetGraphError, from_module, plot, with_sensitivity
from netgraph.graph.modules.wiring import wire
from tests.strategies import examples, graphs


@examples(8)
@given(graphs())
def test_every_node_is_drawn(graph):
    ax = plot.draw(graph, Figure().subplots())
    drawn = [c for c in ax.collections if hasattr(c, "get_offsets")]
    assert max(len(c.get_offsets()) for c in drawn) == graph.num_nodes
    assert ax.get_legend() is not None


def test_wide_layers_are_cut():
    ax = plot.draw(from_module(nn.Linear(100, 2)), Figure().subplots(), max_width=10)
    assert max(len(c.get_offsets()) for c in ax.collections) == 12


def convolutional():
    module = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))
    x = torch.randn(3, 2, 6, 6, generator=torch.Generator().manual_seed(0))
    return with_sensitivity(from_module(module, x), x)


def nodes_of(ax):
    return max((c for c in ax.collections if hasattr(c, "get_offsets")), key=lambda c: len(c.get_offsets()))


def test_channels_are_drawn_in_color_by_type_and_in_size_by_sensitivity():
    graph = convolutional()
    ax = plot.draw(graph, Figure().subplots())
    drawn = nodes_of(ax)
    assert len(drawn.get_offsets()) == graph.num_nodes
    assert (
        np.argsort(drawn.get_sizes(), kind="stable") == np.argsort(graph.sensitivity.double().numpy(), kind="stable")
    ).all()
    colors = [tuple(color) for color in drawn.get_facecolors()]
    types = graph.layer_type.tolist()
    assert len(set(zip(colors, types, strict=True))) == len(set(types)) == len(set(colors))
    assert {text.get_text() for text in ax.texts} == {"input", "0", "1", "2", "4"}


def test_large_networks_are_drawn_by_layer():
    graph = from_module(
        nn.Sequential(nn.Conv2d(3, 700, 1), nn.Softsign(), nn.Conv2d(700, 5, 1)), torch.zeros(1, 3, 2, 2)
    )
    ax = plot.draw(graph, Figure().subplots())
    assert len(nodes_of(ax).get_offsets()) == 4
    assert "1\nSoftsign 700" in [text.get_text() for text in ax.texts]
    assert "edges" not in vars(wire(graph.program))


@pytest.mark.parametrize("n", [3, 40])
def test_labels_of_layers_do_not_lie_on_each_other(n):
    graph = from_module(nn.Sequential(*(nn.Conv1d(2, 2, 1) for _ in range(n))), torch.zeros(1, 2, 3))
    ax = plot.draw(graph, level="layer")
    renderer = ax.figure.canvas.get_renderer()
    boxes = [text.get_window_extent(renderer) for text in ax.texts]
    assert len(boxes) == n + 1
    assert ax.figure.get_figwidth() < 9  # a page's width, so that 8 points stay legible
    assert {text.get_fontsize() for text in ax.texts} == {8}
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    places = ax.transData.transform(nodes_of(ax).get_offsets())
    for box, (x, y) in zip(boxes, places, strict=True):
        assert abs((box.x0 + box.x1) / 2 - x) < 2
        assert 0 < y - box.y1 < 40


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv1d(2, 2, 1), nn.Conv1d(2, 2, 1)

    def forward(self, x):
        return x + self.second(self.first(x))


@pytest.mark.parametrize(("level", "skips"), [("layer", 1), ("node", 2), ("vertex", 2)])
def test_skips_are_drawn_around_what_they_skip(level, skips):
    ax = plot.draw(from_module(Residual(), torch.zeros(1, 2, 3)), Figure().subplots(), level=level)
    assert len(ax.patches) == skips


def test_a_level_that_is_none_is_refused():
    with pytest.raises(NetGraphError, match="level is auto, node, layer, not 'both'"):
        plot.draw(from_module(nn.Linear(2, 2)), level="both")


def test_inputs_and_outputs_have_their_names_unless_there_are_many():
    graph, names = from_module(nn.Linear(3, 1)), ["age", "size $of$ the flat in square meters", "city=Rome"]
    texts = plot.draw(graph, Figure().subplots(), inputs=names, outputs=["price"]).texts
    assert [text.get_text() for text in texts] == ["age", "size $of$ th…uare meters", "city=Rome", "price"]
    assert [text.get_ha() for text in texts] == ["right"] * 3 + ["left"]
    assert [text.xy[1] for text in texts[:3]] == [1, 0, -1]
    wide = from_module(nn.Linear(17, 2))
    drawn = plot.draw(wide, Figure().subplots(), inputs=list(map(str, range(17))), outputs=["no", "yes"])
    assert [text.get_text() for text in drawn.texts] == ["no", "yes"]
    assert not plot.draw(graph, Figure().subplots(), level="layer", inputs=names).texts[0].get_text().startswith("age")
    for wrong in ({"inputs": ["age"]}, {"outputs": ["a", "b"]}):
        with pytest.raises(NetGraphError, match=r"^1 name for 3 inputs$|^2 names for 1 output$"):
            plot.draw(graph, Figure().subplots(), **wrong)

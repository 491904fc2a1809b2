from hypothesis import given, settings
from matplotlib.figure import Figure
from torch import nn

from netgraph import from_module, plot
from tests.strategies import graphs


@settings(deadline=None, max_examples=8)
@given(graphs())
def test_every_vertex_is_drawn(graph):
    ax = plot.draw(graph, Figure().subplots())
    drawn = [c for c in ax.collections if hasattr(c, "get_offsets")]
    assert max(len(c.get_offsets()) for c in drawn) == graph.num_nodes
    assert ax.get_legend() is not None


def test_wide_layers_are_cut():
    ax = plot.draw(from_module(nn.Linear(100, 2)), Figure().subplots(), max_width=10)
    assert max(len(c.get_offsets()) for c in ax.collections) == 12

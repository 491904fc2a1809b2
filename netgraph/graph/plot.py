"""Pictures of graphs, through networkx and matplotlib."""

from typing import TYPE_CHECKING, Any

import numpy as np

from netgraph.graph.layers import BY_CODE
from netgraph.graph.netgraph import NetGraph

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Color of each layer type, in the order of the vocabulary (matplotlib's tab20).
_PALETTE = (
    "#4c78a8", "#54a24b", "#f58518", "#e45756", "#b279a2", "#ff9da6", "#9d755d", "#bab0ac", "#eeca3b", "#d9d9d9",
    "#c7c7c7", "#72b7b2", "#439894", "#2f4b7c", "#665191",
)  # fmt: skip
_POSITIVE, _NEGATIVE, _STRUCTURAL = "#3b6fb6", "#c8553d", "#b5b5b5"


def draw(graph: NetGraph, ax: "Axes | None" = None, max_width: int = 24) -> "Axes":
    """Draw a graph from left to right, one column a layer.

    Args:
        graph: The graph.
        ax: Where to draw; new axes when None.
        max_width: Most vertices of a layer that are shown; of a wider one the first.

    Returns:
        The axes. Blue edges are positive, red ones negative, the wider the larger; gray ones are structural.
    """
    import networkx as nx
    from torch_geometric.utils import to_networkx

    ax = _new_axes() if ax is None else ax
    network = to_networkx(graph, node_attrs=["layer_type"], edge_attrs=["edge_weight", "structural"])
    place = _places(graph, max_width)
    network = network.subgraph(place)
    edges = list(network.edges(data=True))
    largest = max((abs(e["edge_weight"]) for _, _, e in edges if not e["structural"]), default=1.0) or 1.0
    nx.draw_networkx_edges(
        network,
        place,
        ax=ax,
        edgelist=[(a, b) for a, b, _ in edges],
        edge_color=[_color(e) for _, _, e in edges],
        width=[0.8 if e["structural"] else 0.3 + 2.2 * abs(e["edge_weight"]) / largest for _, _, e in edges],
        alpha=0.75,
        arrows=False,
    )
    codes = {vertex: int(network.nodes[vertex]["layer_type"]) for vertex in network}
    nx.draw_networkx_nodes(
        network,
        place,
        ax=ax,
        nodelist=list(network),
        node_color=[_vertex_color(codes[v]) for v in network],
        node_size=70,
        edgecolors="white",
        linewidths=0.8,
    )
    _legend(ax, sorted(set(codes.values())))
    ax.set_axis_off()
    return ax


def _new_axes() -> "Axes":
    import matplotlib.pyplot as plt

    axes: Axes = plt.subplots(figsize=(8, 4))[1]
    return axes


def _places(graph: NetGraph, max_width: int) -> dict[int, Any]:
    """Give the place of every vertex that is shown: its layer, and its position around the middle."""
    architecture = graph.architecture
    places = {}
    for layer, start in enumerate(architecture.offsets[:-1].tolist()):
        shown = min(architecture.layers[layer].size, max_width)
        for i in range(shown):
            places[start + i] = np.array([float(layer), (shown - 1) / 2 - i])
    return places


def _color(edge: dict[str, Any]) -> str:
    if edge["structural"]:
        return _STRUCTURAL
    return _POSITIVE if edge["edge_weight"] >= 0 else _NEGATIVE


def _vertex_color(code: int) -> str:
    return _PALETTE[list(BY_CODE).index(code) % len(_PALETTE)]


def _legend(ax: "Axes", codes: list[int]) -> None:
    for code in codes:
        ax.scatter([], [], color=_vertex_color(code), s=40, label=BY_CODE[code].name)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0.02), ncols=min(6, len(codes)), frameon=False, fontsize=8)

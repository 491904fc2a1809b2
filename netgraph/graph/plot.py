"""Pictures of graphs, through networkx and matplotlib."""

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from netgraph.errors import NetGraphError
from netgraph.graph.layers import BY_CODE
from netgraph.graph.layout import Block, blocks_of, feeds_of, places_of, wrapped
from netgraph.graph.modules.vocabulary import NAMES
from netgraph.graph.netgraph import NetGraph, as_graph

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Level = Literal["auto", "vertex", "layer"]
#: Color of each layer type, in the order of the vocabulary (matplotlib's tab20).
_PALETTE = (
    "#4c78a8", "#54a24b", "#f58518", "#e45756", "#b279a2", "#ff9da6", "#9d755d", "#bab0ac", "#eeca3b", "#d9d9d9",
    "#c7c7c7", "#72b7b2", "#439894", "#2f4b7c", "#665191",
)  # fmt: skip
#: Colors of types beyond the vocabulary, in the order in which they appear (matplotlib's tab20b and tab20c).
_FURTHER = (
    "#393b79", "#8ca252", "#bd9e39", "#ad494a", "#a55194", "#6baed6", "#fd8d3c", "#74c476", "#9e9ac8", "#969696",
    "#e7969c", "#cedb9c", "#7b4173", "#31a354", "#756bb1", "#e6550d", "#3182bd", "#8c6d31", "#843c39", "#de9ed6",
)  # fmt: skip
_POSITIVE, _NEGATIVE, _STRUCTURAL = "#3b6fb6", "#c8553d", "#b5b5b5"
#: Most vertices that are drawn one by one unless the caller asks for it.
MOST_VERTICES = 600


def draw(graph: NetGraph, ax: "Axes | None" = None, max_width: int = 24, level: Level = "auto") -> "Axes":
    """Draw a graph from left to right, one column a step of depth.

    Args:
        graph: The graph.
        ax: Where to draw; new axes, as large as the labels need, when None.
        max_width: Most vertices of a layer that are shown; of a wider one the first.
        level: ``vertex`` draws each vertex, ``layer`` each layer with its name, type and size; ``auto`` draws vertices
            up to 600 of them.

    Returns:
        The axes. Vertices are colored by type and, where it has been measured, sized by sensitivity. Blue edges are
        positive, red ones negative, the wider the larger; gray ones are structural. Of a kernel the sum gives the sign
        and the norm the size. What would lie behind other layers goes around them.

    Raises:
        NetGraphError: When the level is none of these.
    """
    if level not in get_args(Level):
        raise NetGraphError(f"level is {', '.join(get_args(Level))}, not {level!r}")
    blocks = blocks_of(as_graph(graph, "draw"))
    vertices = level == "vertex" or (level == "auto" and graph.num_nodes <= MOST_VERTICES)
    places = places_of(blocks, feeds_of(graph), max_width if vertices else 1, named=vertices)
    places = places if vertices else wrapped(places)
    if ax is None:
        ax = _new_axes(places, vertices)
    draw_level = _draw_vertices if vertices else _draw_layers
    draw_level(graph, blocks, places, ax)
    _legend(ax, blocks)
    ax.set_axis_off()
    return ax


def _new_axes(places: dict[int, Any], vertices: bool) -> "Axes":
    import matplotlib.pyplot as plt

    spread = np.ptp(np.stack(list(places.values())), axis=0)
    if vertices:
        size = (max(8, 0.6 * spread[0]), 4 if spread[0] < 12 else max(4, 0.2 * spread[1]))
    else:
        size = (max(6, 1.3 * spread[0]), max(3, 1.0 * spread[1] + 2))
    axes: Axes = plt.subplots(figsize=size)[1]
    return axes


def _draw_vertices(graph: NetGraph, blocks: list[Block], places: dict[int, Any], ax: "Axes") -> None:
    import networkx as nx

    source, target = graph.edge_index.cpu().numpy()
    shown = np.isin(source, list(places)) & np.isin(target, list(places))
    strength, structural = _strength(graph)
    edges = list(zip(source[shown].tolist(), target[shown].tolist(), strict=True))
    strength, structural = strength[shown], structural[shown]
    largest = np.abs(strength[~structural]).max(initial=0.0) or 1.0
    network = nx.DiGraph(edges)
    network.add_nodes_from(places)
    edge_colors = np.where(structural, _STRUCTURAL, np.where(strength >= 0, _POSITIVE, _NEGATIVE)).tolist()
    widths = np.where(structural, 0.8, 0.3 + 2.2 * np.abs(strength) / largest).tolist()
    _draw_edges(places, edges, edge_colors, widths, ax)
    codes, colors = graph.layer_type.cpu().numpy(), _colors(blocks)
    nx.draw_networkx_nodes(
        network,
        places,
        ax=ax,
        nodelist=list(places),
        node_color=[colors[int(codes[v])] for v in places],
        node_size=_sizes(graph)[list(places)].tolist(),
        edgecolors="white",
        linewidths=0.8,
    )
    if any(block.code not in BY_CODE for block in blocks):
        _name_blocks(blocks, places, ax)


def _draw_edges(
    places: dict[int, Any], edges: list[tuple[int, int]], colors: list[str], widths: list[float], ax: "Axes"
) -> None:
    """Draw edges straight, but for those that would lie behind others on their way: they go around these."""
    import networkx as nx

    straight = [i for i, (a, b) in enumerate(edges) if not _passes_others(places[a], places[b])]
    nx.draw_networkx_edges(
        nx.DiGraph([edges[i] for i in straight]),
        places,
        ax=ax,
        edgelist=[edges[i] for i in straight],
        edge_color=[colors[i] for i in straight],
        width=[widths[i] for i in straight],
        alpha=0.75,
        arrows=False,
    )
    for i in sorted(set(range(len(edges))) - set(straight)):
        _draw_arc(places[edges[i][0]], places[edges[i][1]], colors[i], widths[i], ax)


def _draw_arc(source: Any, target: Any, color: str, width: float, ax: "Axes") -> None:
    """Draw an edge that rises above what lies between its ends, the longer the flatter."""
    from matplotlib.patches import FancyArrowPatch

    distance = target[0] - source[0]
    bend = -0.25 * np.sign(distance) * (2 / abs(distance)) ** 0.6
    arc = FancyArrowPatch(
        tuple(source),
        tuple(target),
        arrowstyle="-",
        connectionstyle=f"arc3,rad={bend}",
        color=color,
        linewidth=width,
        alpha=0.75,
        shrinkA=4,
        shrinkB=4,
    )
    ax.add_patch(arc)


def _passes_others(source: Any, target: Any) -> bool:
    return bool(abs(source[1] - target[1]) < 1e-6 and abs(source[0] - target[0]) > 1)


def _strength(graph: NetGraph) -> tuple[Any, Any]:
    """Give each edge's weight as one number, and whether it is structural, [E] both."""
    weight = graph.edge_weight.detach().cpu().double().numpy().reshape(graph.num_edges, -1)
    strength = np.linalg.norm(weight, axis=1) * np.where(weight.sum(1) < 0, -1.0, 1.0)
    return strength, graph.structural.cpu().numpy()


def _sizes(graph: NetGraph) -> Any:
    """Give each vertex's size by its sensitivity, all alike where that has not been measured, [N]."""
    measured = graph.sensitivity.detach().cpu().double().numpy()
    largest = np.nanmax(measured, initial=0.0)
    if not largest:
        return np.full(graph.num_nodes, 70.0)
    return np.where(np.isfinite(measured), 15.0 + 135.0 * measured / largest, 70.0)


def _name_blocks(blocks: list[Block], places: dict[int, Any], ax: "Axes") -> None:
    """Write each layer's name above its first vertex."""
    for block in blocks:
        x, y = places[block.start]
        ax.text(x, y + 0.3, block.short, fontsize=5.5, ha="center", va="bottom", rotation=30)


def _draw_layers(graph: NetGraph, blocks: list[Block], places: dict[int, Any], ax: "Axes") -> None:
    import networkx as nx

    place = {i: places[block.start] for i, block in enumerate(blocks)}
    pairs = feeds_of(graph)
    weights = np.array([block.weight for block in blocks])
    largest = np.nanmax(weights, initial=0.0) or 1.0
    network = nx.DiGraph(list(pairs))
    network.add_nodes_from(place)
    types = _colors(blocks)
    widths = [0.8 if np.isnan(weights[b]) else 0.5 + 2.5 * weights[b] / largest for _, b in pairs]
    colors = [_STRUCTURAL if np.isnan(weights[b]) else _POSITIVE for _, b in pairs]
    _draw_edges(place, list(pairs), colors, widths, ax)
    nx.draw_networkx_nodes(
        network,
        place,
        ax=ax,
        nodelist=list(place),
        node_color=[types[block.code] for block in blocks],
        node_size=_block_sizes(graph, blocks),
        edgecolors="white",
    )
    for i, block in enumerate(blocks):
        x, y = place[i]
        label = f"{block.short}\n{NAMES[block.code]} {block.size}"
        ax.text(x, y - 0.18, label, fontsize=6, ha="center", va="top")
    heights = [y for _, y in place.values()]
    ax.set_ylim(min(heights) - 0.8, max(heights) + 0.8)


def _block_sizes(graph: NetGraph, blocks: list[Block]) -> list[float]:
    sizes = _sizes(graph)
    return [2.0 * float(sizes[block.start : block.start + block.size].mean()) for block in blocks]


def _colors(blocks: list[Block]) -> dict[int, str]:
    """Give each type its color."""
    codes = dict.fromkeys(block.code for block in blocks)
    further = [code for code in codes if code not in BY_CODE]
    own = {code: _PALETTE[i % len(_PALETTE)] for i, code in enumerate(BY_CODE)}
    return own | {code: _FURTHER[i % len(_FURTHER)] for i, code in enumerate(further)}


def _legend(ax: "Axes", blocks: list[Block]) -> None:
    colors = _colors(blocks)
    codes = sorted({block.code for block in blocks})
    for code in codes:
        ax.scatter([], [], color=colors[code], s=40, label=NAMES[code])
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=min(6, len(codes)), frameon=False, fontsize=8)

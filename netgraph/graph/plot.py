"""Pictures of graphs, through matplotlib."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from netgraph.errors import NetGraphError
from netgraph.graph.arguments import Network, as_graph
from netgraph.graph.drawing import (
    NEGATIVE,
    POSITIVE,
    Block,
    Drawing,
    Pairs,
    blocks_of,
    colors_of,
    node_names,
    place,
    place_layers,
)
from netgraph.graph.layers import BY_CODE
from netgraph.graph.modules.registry import NAMES
from netgraph.graph.netgraph import NetGraph

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Level = Literal["auto", "node", "layer"]
_STRUCTURAL = "#b5b5b5"
#: Most nodes that are drawn one by one unless the caller asks for it.
MOST_NODES = 600
#: Columns of layers in a line: their labels stay legible where a picture is as wide as a page.
_COLUMNS = 7


def draw(
    graph: Network,
    ax: "Axes | None" = None,
    max_width: int = 24,
    level: Level | Literal["vertex"] = "auto",
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
) -> "Axes":
    """Draw a graph from left to right, one column a step of depth.

    Args:
        graph: A graph, or a module that needs no example input.
        ax: Where to draw; new axes, as large as the labels need, when None.
        max_width: Most nodes of a layer that are shown; of a wider one the first.
        level: ``node`` draws each node, ``layer`` each layer with its name, type and size, seven columns a line, to and
            fro; ``auto`` draws nodes up to 600 of them.
        inputs: Names of the inputs, written beside their nodes unless there are more than 16.
        outputs: Those of the outputs.

    Returns:
        The axes. Nodes are colored by type and, where it has been measured, sized by sensitivity. Blue edges are
        positive, red ones negative, the wider the larger; gray ones are structural. The sign
        of a kernel is that of its sum, its size its norm. An edge that would lie behind other layers goes around them.

    Raises:
        NetGraphError: When the level is none of these, or there are more or fewer names than inputs or outputs.

    Example:
        >>> import netgraph, torch
        >>> axes = netgraph.plot.draw(netgraph.from_module(torch.nn.Linear(3, 1)), inputs=["age", "size", "rooms"])
    """
    if level == "vertex":  # the earlier name
        level = "node"
    if level not in get_args(Level):
        raise NetGraphError(f"level is {', '.join(get_args(Level))}, not {level!r}")
    graph = as_graph(graph, "draw")
    blocks, feeds = blocks_of(graph.architecture)
    by_node = level == "node" or (level == "auto" and graph.num_nodes <= MOST_NODES)
    drawing = place(blocks, feeds, max_width, 2) if by_node else place_layers(blocks, feeds, _COLUMNS)
    ax = _new_axes(drawing, by_node) if ax is None else ax
    colors, sizes = colors_of(blocks), _sizes(graph)
    if by_node:
        pairs, strength = _strengths(graph, drawing)
        codes, sizes, width = graph.layer_type[list(drawing)].tolist(), sizes[list(drawing)], (0.3, 2.2)
    else:
        pairs, codes, width = feeds, [block.code for block in blocks], (0.5, 2.5)
        weights = _layer_weights(graph, blocks)
        strength = np.array([weights[target] for _, target in feeds])
        sizes = np.array([2.0 * sizes[block.start : block.start + block.size].mean() for block in blocks])
    _draw_edges(drawing, pairs, strength, width, ax)
    x, y = np.stack(list(drawing.values())).T
    ax.scatter(x, y, sizes, [colors[code] for code in codes], edgecolors="white", linewidths=0.8, zorder=2)
    _write_names(blocks, drawing, by_node, ax)
    if by_node:
        _write_node_names(node_names(blocks, drawing, inputs, outputs), drawing, ax)
    shown = sorted({block.code for block in blocks})
    for code in shown:
        ax.scatter([], [], color=colors[code], s=40, label=NAMES[code])
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=min(6, len(shown)), frameon=False, fontsize=8)
    ax.set_axis_off()
    return ax


def _layer_weights(graph: NetGraph, blocks: list[Block]) -> list[float]:
    """Return the root mean square of each layer's weights; NaN where it has none."""
    weights: dict[int, Any]
    if graph.program is None:
        weights = {tensor.layer: tensor for tensor in graph.architecture.tensors if tensor.kind == "edge"}
    else:
        named = graph.program.tensor_named
        full = [[f"{block.name}.{end}".lstrip(".") for end in ("weight", "in_proj_weight")] for block in blocks]
        weights = {i: named[name] for i, names in enumerate(full) for name in reversed(names) if name in named}
    values = {i: graph.tensor(where).detach().double() for i, where in weights.items() if where.size}
    return [float(values[i].square().mean().sqrt()) if i in values else float("nan") for i in range(len(blocks))]


def _new_axes(drawing: Drawing, by_node: bool) -> "Axes":
    import matplotlib.pyplot as plt

    spread = np.ptp(np.stack(list(drawing.values())), axis=0)
    if by_node:
        size = (max(8, 0.6 * spread[0]), 4 if spread[0] < 12 else max(4, 0.2 * spread[1]))
    else:
        size = (max(6, 1.4 * spread[0]), max(3, 0.8 * spread[1] + 2))
    axes: Axes = plt.subplots(figsize=size, layout="constrained")[1]
    return axes


def _strengths(graph: NetGraph, drawing: Drawing) -> tuple[Pairs, npt.NDArray[np.float64]]:
    """List the edges between nodes that are shown, each with its weight as one number, NaN where it is structural."""
    weight = graph.edge_weight.detach().cpu().double().numpy().reshape(graph.num_edges, -1)
    strength = np.linalg.norm(weight, axis=1) * np.where(weight.sum(1) < 0, -1.0, 1.0)
    strength[graph.structural.cpu().numpy()] = np.nan
    source, target = graph.edge_index.cpu().numpy()
    shown = np.isin(source, list(drawing)) & np.isin(target, list(drawing))
    return list(zip(source[shown].tolist(), target[shown].tolist(), strict=True)), strength[shown]


def _draw_edges(drawing: Drawing, pairs: Pairs, strength: Any, width: tuple[float, float], ax: "Axes") -> None:
    """Draw edges straight, or around the layers that they would lie behind."""
    from matplotlib.collections import LineCollection
    from matplotlib.patches import FancyArrowPatch

    largest, structural = np.nanmax(np.abs(strength), initial=0.0) or 1.0, np.isnan(strength)
    colors = np.where(structural, _STRUCTURAL, np.where(strength >= 0, POSITIVE, NEGATIVE)).tolist()
    widths = np.where(structural, 0.8, width[0] + width[1] * np.abs(strength) / largest).tolist()
    ends = [(drawing[a], drawing[b]) for a, b in pairs]
    behind = [abs(a[1] - b[1]) < 1e-6 and abs(a[0] - b[0]) > 1 for a, b in ends]
    straight = [i for i, hidden in enumerate(behind) if not hidden]
    lines = [ends[i] for i in straight]
    style = {"colors": [colors[i] for i in straight], "linewidths": [widths[i] for i in straight]}
    ax.add_collection(LineCollection(lines, **style, alpha=0.75, zorder=1))
    for i in np.flatnonzero(behind).tolist():
        distance = ends[i][1][0] - ends[i][0][0]
        bend = -0.25 * np.sign(distance) * (2 / abs(distance)) ** 0.6  # the longer the flatter
        arc = FancyArrowPatch(
            *map(tuple, ends[i]),
            arrowstyle="-",
            connectionstyle=f"arc3,rad={bend}",
            color=colors[i],
            linewidth=widths[i],
            alpha=0.75,
            shrinkA=4,
            shrinkB=4,
        )
        ax.add_patch(arc)


def _sizes(graph: NetGraph) -> Any:
    """Return each node's size by its sensitivity, all alike where that has not been measured, [N]."""
    measured = graph.sensitivity.detach().cpu().double().numpy()
    largest = np.nanmax(measured, initial=0.0)
    if not largest:
        return np.full(graph.num_nodes, 70.0)
    return np.where(np.isfinite(measured), 15.0 + 135.0 * measured / largest, 70.0)


def _write_names(blocks: list[Block], drawing: Drawing, by_node: bool, ax: "Axes") -> None:
    """Write each layer's name above its first node, or its name, type and size below it."""
    behind = {"facecolor": ax.get_facecolor(), "alpha": 0.8, "linewidth": 0, "pad": 1}  # hides edges behind a label
    for i, block in enumerate(blocks):
        x, y = drawing[block.start if by_node else i]
        if not by_node:
            label = f"{block.short}\n{NAMES[block.code]} {block.size}"
            ax.text(x, y - 0.18, label, fontsize=8, ha="center", va="top", bbox=behind, zorder=1.5)
        elif any(other.code not in BY_CODE for other in blocks):
            ax.text(x, y + 0.3, block.short, fontsize=5.5, ha="center", va="bottom", rotation=30)
    if not by_node:
        heights = [y for _, y in drawing.values()]
        ax.set_ylim(min(heights) - 0.8, max(heights) + 0.8)


def _write_node_names(names: Iterable[tuple[int, str, bool]], drawing: Drawing, ax: "Axes") -> None:
    """Write the names of inputs at the left of their nodes, those of outputs at the right."""
    for node, name, is_input in names:
        shift, side = ((-7, 0), "right") if is_input else ((7, 0), "left")
        ax.annotate(
            name,
            tuple(drawing[node]),
            shift,
            textcoords="offset points",
            fontsize=7,
            ha=side,
            va="center",
            parse_math=False,
        )

"""Pictures of graphs, through matplotlib."""

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from netgraph.errors import NetGraphError
from netgraph.graph.arguments import Network, as_graph
from netgraph.graph.layers import BY_CODE
from netgraph.graph.modules.registry import CODES, NAMES
from netgraph.graph.modules.wiring import wire
from netgraph.graph.netgraph import NetGraph

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Level = Literal["auto", "node", "layer"]
#: The position of each node or layer that is shown, [x, y].
Drawing = dict[int, npt.NDArray[np.float64]]
Pairs = list[tuple[int, int]]
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
#: Most nodes that are drawn one by one unless the caller asks for it.
MOST_NODES = 600


@dataclass(frozen=True)
class _Block:
    """The nodes of one layer of a network of any kind.

    Attributes:
        name: The layer's name.
        code: Code of its type.
        start: Its first node.
        size: Number of its nodes.
        weight: Root mean square of its weights; NaN where it has none.
    """

    name: str
    code: int
    start: int
    size: int
    weight: float

    @property
    def short(self) -> str:
        """The last two steps of the name."""
        return ".".join(self.name.split(".")[-2:])


def draw(
    graph: Network, ax: "Axes | None" = None, max_width: int = 24, level: Level | Literal["vertex"] = "auto"
) -> "Axes":
    """Draw a graph from left to right, one column a step of depth.

    Args:
        graph: A graph, or a module that needs no example input.
        ax: Where to draw; new axes, as large as the labels need, when None.
        max_width: Most nodes of a layer that are shown; of a wider one the first.
        level: ``node`` draws each node, ``layer`` each layer with its name, type and size; ``auto`` draws nodes up to
            600 of them.

    Returns:
        The axes. Nodes are colored by type and, where it has been measured, sized by sensitivity. Blue edges are
        positive, red ones negative, the wider the larger; gray ones are structural. The sign
        of a kernel is that of its sum, its size its norm. An edge that would lie behind other layers goes around them.

    Raises:
        NetGraphError: When the level is none of these.

    Example:
        >>> import netgraph, torch
        >>> axes = netgraph.plot.draw(netgraph.from_module(torch.nn.Linear(3, 2)))
    """
    if level == "vertex":  # the earlier name
        level = "node"
    if level not in get_args(Level):
        raise NetGraphError(f"level is {', '.join(get_args(Level))}, not {level!r}")
    graph = as_graph(graph, "draw")
    blocks, feeds = _layers(graph)
    by_node = level == "node" or (level == "auto" and graph.num_nodes <= MOST_NODES)
    drawing = _place(blocks, feeds, max_width if by_node else 1, 2 if by_node else 1)
    if not by_node:
        wrapped = _wrapped(drawing)
        drawing = {i: wrapped[block.start] for i, block in enumerate(blocks)}
    ax = _new_axes(drawing, by_node) if ax is None else ax
    colors, sizes = _colors(blocks), _sizes(graph)
    if by_node:
        pairs, strength = _strengths(graph, drawing)
        codes, sizes, width = graph.layer_type[list(drawing)].tolist(), sizes[list(drawing)], (0.3, 2.2)
    else:
        pairs, codes, width = feeds, [block.code for block in blocks], (0.5, 2.5)
        strength = np.array([blocks[target].weight for _, target in feeds])
        sizes = np.array([2.0 * sizes[block.start : block.start + block.size].mean() for block in blocks])
    _draw_edges(drawing, pairs, strength, width, ax)
    x, y = np.stack(list(drawing.values())).T
    ax.scatter(x, y, sizes, [colors[code] for code in codes], edgecolors="white", linewidths=0.8, zorder=2)
    _write_names(blocks, drawing, by_node, ax)
    shown = sorted({block.code for block in blocks})
    for code in shown:
        ax.scatter([], [], color=colors[code], s=40, label=NAMES[code])
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=min(6, len(shown)), frameon=False, fontsize=8)
    ax.set_axis_off()
    return ax


def _layers(graph: NetGraph) -> tuple[list[_Block], Pairs]:
    """List the layers in topological order, and the pairs of feeding and fed layers."""
    layers: list[tuple[str, str, int, int]]
    weights: dict[int, Any]
    if graph.program is None:
        architecture = graph.architecture
        starts = architecture.offsets.tolist()
        layers = [
            (one.name, one.type, start, one.size) for one, start in zip(architecture.layers, starts, strict=False)
        ]
        weights = {tensor.layer: tensor for tensor in architecture.tensors if tensor.kind == "edge"}
        feeds = [(i, target) for target, layer in enumerate(architecture.layers) for i in layer.inputs]
    else:
        named, wiring = graph.program.tensor_named, wire(graph.program)
        layers = [(group.name, group.type, group.start, group.size) for group in wiring.groups]
        full = [[f"{name}.{end}".lstrip(".") for end in ("weight", "in_proj_weight")] for name, *_ in layers]
        weights = {i: named[name] for i, names in enumerate(full) for name in reversed(names) if name in named}
        feeds = list(wiring.feeds)
    blocks = []
    for i, (name, kind, start, size) in enumerate(layers):
        values = graph.tensor(weights[i]).detach().double() if i in weights and weights[i].size else None
        weight = float("nan") if values is None else float(values.square().mean().sqrt())
        blocks.append(_Block(name, CODES[kind], start, size, weight))
    return blocks, feeds


def _place(blocks: list[_Block], feeds: Pairs, max_width: int, gap: int) -> Drawing:
    """Place the nodes that are shown: a column for each step of depth, layers of one depth above each other.

    Args:
        blocks: The layers, in topological order.
        feeds: Pairs of feeding and fed layers.
        max_width: Most nodes of a layer that are shown.
        gap: Room between layers of one column.
    """
    depth = [0] * len(blocks)
    for source, target in sorted(feeds, key=lambda pair: pair[1]):
        depth[target] = max(depth[target], depth[source] + 1)
    columns: dict[int, list[_Block]] = defaultdict(list)
    for block, x in zip(blocks, depth, strict=True):
        columns[x].append(block)
    drawing: Drawing = {}
    for x, column in columns.items():
        shown = [min(block.size, max_width) for block in column]
        top = (sum(shown) + gap * (len(column) - 1) - 1) / 2
        for block, n in zip(column, shown, strict=True):
            drawing |= {block.start + i: np.array([float(x), top - i]) for i in range(n)}
            top -= n + gap
    return drawing


def _wrapped(drawing: Drawing, columns: int = 14) -> Drawing:
    """Wrap a long picture into lines, every other one from right to left."""
    heights = [y for _, y in drawing.values()]
    line_height = max(heights) - min(heights) + 1.5
    moved = {}
    for node, (x, y) in drawing.items():
        line, column = divmod(int(x), columns)
        column = column if line % 2 == 0 else columns - 1 - column
        moved[node] = np.array([float(column), y - line * line_height])
    return moved


def _new_axes(drawing: Drawing, by_node: bool) -> "Axes":
    import matplotlib.pyplot as plt

    spread = np.ptp(np.stack(list(drawing.values())), axis=0)
    if by_node:
        size = (max(8, 0.6 * spread[0]), 4 if spread[0] < 12 else max(4, 0.2 * spread[1]))
    else:
        size = (max(6, 1.3 * spread[0]), max(3, 1.0 * spread[1] + 2))
    axes: Axes = plt.subplots(figsize=size)[1]
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
    colors = np.where(structural, _STRUCTURAL, np.where(strength >= 0, _POSITIVE, _NEGATIVE)).tolist()
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


def _write_names(blocks: list[_Block], drawing: Drawing, by_node: bool, ax: "Axes") -> None:
    """Write each layer's name above its first node, or its name, type and size below it."""
    for i, block in enumerate(blocks):
        x, y = drawing[block.start if by_node else i]
        if not by_node:
            label = f"{block.short}\n{NAMES[block.code]} {block.size}"
            ax.text(x, y - 0.18, label, fontsize=6, ha="center", va="top")
        elif any(other.code not in BY_CODE for other in blocks):
            ax.text(x, y + 0.3, block.short, fontsize=5.5, ha="center", va="bottom", rotation=30)
    if not by_node:
        heights = [y for _, y in drawing.values()]
        ax.set_ylim(min(heights) - 0.8, max(heights) + 0.8)


def _colors(blocks: list[_Block]) -> dict[int, str]:
    """Return the color of each type."""
    codes = dict.fromkeys(block.code for block in blocks)
    further = [code for code in codes if code not in BY_CODE]
    vocabulary = {code: _PALETTE[i % len(_PALETTE)] for i, code in enumerate(BY_CODE)}
    return vocabulary | {code: _FURTHER[i % len(_FURTHER)] for i, code in enumerate(further)}

"""A small picture of a network as SVG, written without matplotlib in the colors of its surroundings."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from torch import Tensor

from netgraph.graph.architecture import Architecture, TensorSpec
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
from netgraph.graph.modules.program import Program
from netgraph.html import Html, escape
from netgraph.lines import short

#: Most layers of a picture, most columns of one with nodes, and most nodes of a layer that it shows; chosen.
MOST_LAYERS, MOST_COLUMNS, MOST_NODES = 120, 14, 8
#: Width of a column and height of a row in pixels, of nodes and of layers; radius of a node, and room at the edges.
_NODE_STEP, _LAYER_STEP, _RADIUS, _ROOM = (66.0, 15.0), (74.0, 36.0), 5, 36
#: Shades of an edge by the size of its weight.
_SHADES = 4
#: Most letters of a label, and width of a letter in pixels.
_LETTERS, _LETTER = 13, 5.5
Floats = npt.NDArray[np.float64]


def network_svg(
    network: Architecture | Program,
    tensor: Callable[[TensorSpec], Tensor],
    title: str,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
) -> Html:
    """Draw a network from left to right: its first nodes of each layer and their edges, or of a long one its layers.

    Args:
        network: Its architecture or program.
        tensor: Reads one of its tensors.
        title: Its name, for those who do not see it.
        inputs: Names of the inputs, written beside their nodes unless there are more than 16.
        outputs: Those of the outputs.

    Returns:
        An SVG element; nothing where there is no layer, or more than 120.
    """
    blocks, feeds = blocks_of(network)
    if not blocks or len(blocks) > MOST_LAYERS:
        return Html("")
    columns = Counter(float(x) for x, _ in place(blocks, feeds, 1, 1).values())
    if isinstance(network, Architecture) and len(columns) <= MOST_COLUMNS:
        most = max(2, 2 * MOST_NODES // (1 + max(columns.values())))  # fewer where layers stand above each other
        drawing = _pixels(place(blocks, feeds, most, 4), _NODE_STEP)
        names = list(node_names(blocks, drawing, inputs, outputs))
        return _svg(title, _nodes(network, blocks, drawing, tensor, most) + _names(names, drawing), drawing, names)
    drawing = _pixels(place_layers(blocks, feeds), _LAYER_STEP)
    return _svg(title, _layers(blocks, feeds, drawing), drawing, [])


def _pixels(drawing: Drawing, step: tuple[float, float]) -> Drawing:
    """Return positions in pixels from the upper left corner."""
    top = max(y for _, y in drawing.values())
    return {key: np.array([_ROOM + step[0] * x, _ROOM / 2 + step[1] * (top - y)]) for key, (x, y) in drawing.items()}


def _nodes(
    network: Architecture, blocks: list[Block], drawing: Drawing, tensor: Callable[[TensorSpec], Tensor], most: int
) -> list[str]:
    """Draw nodes and their edges: blue positive, red negative, the stronger the larger, gray without a weight."""
    paths: dict[tuple[str, float], list[str]] = defaultdict(list)
    source, target, weight = _shown_edges(network, tensor, most)
    size = np.abs(weight)
    largest = size[np.isfinite(size)].max(initial=0.0) or 1.0
    shade = np.ceil(_SHADES * np.nan_to_num(size / largest, nan=0.4, posinf=1.0)).clip(1, _SHADES)
    color = np.where(np.isnan(weight), "currentColor", np.where(weight < 0, NEGATIVE, POSITIVE))
    for a, b, *look in zip(source, target, color.tolist(), shade.tolist(), strict=True):
        (x0, y0), (x1, y1) = drawing[int(a)], drawing[int(b)]
        paths[look[0], look[1]].append(f"M{x0:g} {y0:g}L{x1:g} {y1:g}")
    parts = [
        f'<path fill="none" stroke="{color}" opacity="{(1 + shade) / (1 + _SHADES):g}" d="{"".join(d)}"/>'
        for (color, shade), d in paths.items()
    ]
    colors = colors_of(blocks)
    for block in blocks:
        shown = min(block.size, most)
        places = [drawing[block.start + i] for i in range(shown)]
        nodes = "".join(f'<circle cx="{x:g}" cy="{y:g}" r="{_RADIUS}"/>' for x, y in places)
        count = str(block.size) if shown == block.size else f"{shown} of {block.size:,}"
        parts.append(_block_svg(block, nodes, colors[block.code], places[-1], count))
    return parts


def _shown_edges(network: Architecture, tensor: Callable[[TensorSpec], Tensor], most: int) -> Floats:
    """Return the edges between nodes that are shown: feeding node, fed node and weight, NaN where there is none."""
    tensors = {one.layer: one for one in network.tensors if one.kind == "edge"}
    rank = np.arange(network.num_nodes) - network.offsets[network.layer_of]
    parts = [np.zeros((3, 0))]
    for i, layer in enumerate(network.layers):
        shown = min(layer.size, most)
        source = network.sources(i)[:shown]
        target = np.broadcast_to(network.offsets[i] + np.arange(shown)[:, None], source.shape)
        weight = np.full(source.shape, np.nan)
        if i in tensors:
            weight = tensor(tensors[i])[:shown].detach().cpu().double().numpy().reshape(source.shape)
        kept = rank[source] < most
        parts.append(np.stack([source[kept], target[kept], weight[kept]]))
    return np.concatenate(parts, axis=1)


def _layers(blocks: list[Block], feeds: Pairs, drawing: Drawing) -> list[str]:
    """Draw layers, and lines between them, bent where they would lie behind others."""
    lines = []
    for a, b in feeds:
        (x0, y0), (x1, y1) = drawing[a], drawing[b]
        behind = y0 == y1 and abs(x1 - x0) > _LAYER_STEP[0]
        bend = f"Q{(x0 + x1) / 2:g} {y0 - _LAYER_STEP[1]:g} " if behind else "L"
        lines.append(f"M{x0:g} {y0:g}{bend}{x1:g} {y1:g}")
    colors = colors_of(blocks)
    parts = [f'<path fill="none" stroke="currentColor" opacity="0.5" d="{"".join(lines)}"/>'] if lines else []
    for block, (x, y) in zip(blocks, drawing.values(), strict=True):
        square = f'<rect x="{x - 8:g}" y="{y - 8:g}" width="16" height="16" rx="3"/>'
        parts.append(_block_svg(block, square, colors[block.code], np.array([x, y]), f"{block.size:,}"))
    return parts


def _block_svg(block: Block, shapes: str, color: str, last: Floats, count: str) -> str:
    """Return the shapes of a layer, with its type and size below the last one."""
    (x, y), kind = last, short(block.type, _LETTERS)
    title = f"{block.name}: {block.type}, {block.size:,} nodes".removeprefix(": ")
    label = f'<text x="{x:g}" y="{y + 18:g}">{escape(kind)}<tspan x="{x:g}" dy="11">{escape(count)}</tspan></text>'
    return f'<g><title>{escape(title)}</title><g fill="{color}">{shapes}</g>{label}</g>'


def _names(names: Sequence[tuple[int, str, bool]], drawing: Drawing) -> list[str]:
    """Write names of nodes beside them, those of inputs at the left."""
    parts = []
    for node, name, is_input in names:
        (x, y), side, anchor = drawing[node], -1 if is_input else 1, "end" if is_input else "start"
        place = f'x="{x + side * (_RADIUS + 3):g}" y="{y + 3:g}"'
        parts.append(f'<text {place} text-anchor="{anchor}">{escape(name)}</text>')
    return parts


def _svg(title: str, parts: list[str], drawing: Drawing, names: Sequence[tuple[int, str, bool]]) -> Html:
    width, height = np.stack(list(drawing.values())).max(axis=0) + _ROOM
    lengths = [[_LETTER * len(name) - _ROOM / 2 for _, name, is_input in names if is_input == side] for side in (1, 0)]
    left, right = (max([0.0, *side]) for side in lengths)
    width += left + right
    return Html(
        f'<svg viewBox="{0 - left:g} 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" role="img" '
        f'fill="currentColor" style="max-width:none" text-anchor="middle" font-size="9" font-family="sans-serif">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )

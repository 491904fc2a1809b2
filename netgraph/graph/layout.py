"""Where the layers and vertices of a graph stand in a picture."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from netgraph.graph.modules.program import Program
from netgraph.graph.modules.vocabulary import CODES
from netgraph.graph.netgraph import NetGraph


@dataclass(frozen=True)
class Block:
    """The vertices of one layer.

    Attributes:
        name: The layer's name.
        code: Code of its type.
        start: Its first vertex.
        size: How many it has.
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


def blocks_of(graph: NetGraph) -> list[Block]:
    """List the layers of a graph of any kind."""
    architecture = graph.architecture
    if graph.program is not None:
        return [
            Block(
                group.name,
                CODES[group.type],
                group.start,
                group.size,
                _program_weight(graph, graph.program, group.name),
            )
            for group in graph.program.wiring.groups
        ]
    rows = zip(architecture.layers, architecture.offsets[:-1].tolist(), strict=True)
    return [
        Block(layer.name, layer.kind.code, start, layer.size, _layer_weight(graph, i))
        for i, (layer, start) in enumerate(rows)
    ]


def _rms(values: Any) -> float:
    return float(values.detach().double().square().mean().sqrt())


def _program_weight(graph: NetGraph, program: Program, name: str) -> float:
    for tensor in (f"{name}.weight", "weight" if not name else f"{name}.in_proj_weight"):
        found = program.tensor_named.get(tensor)
        if found is not None and found.size:
            return _rms(graph.tensor(found))
    return float("nan")


def _layer_weight(graph: NetGraph, layer: int) -> float:
    for tensor in graph.architecture.tensors:
        if tensor.layer == layer and tensor.slot.kind == "edge" and tensor.size:
            return _rms(graph.tensor(tensor))
    return float("nan")


def feeds_of(graph: NetGraph) -> tuple[tuple[int, int], ...]:
    """List which layer feeds which."""
    if graph.program is not None:
        return graph.program.wiring.feeds
    return tuple((i, position) for position, layer in enumerate(graph.architecture.layers) for i in layer.inputs)


def places_of(blocks: list[Block], feeds: tuple[tuple[int, int], ...], max_width: int, named: bool) -> dict[int, Any]:
    """Place the vertices that are shown: a column for each step of depth, layers of one depth above each other.

    Args:
        blocks: The layers, in topological order.
        feeds: Which feeds which.
        max_width: Most vertices of a layer that are shown.
        named: Leave room for a name between layers of one column.

    Returns:
        Vertex -> [x, y].
    """
    depth = [0] * len(blocks)
    for source, target in sorted(feeds, key=lambda pair: pair[1]):
        depth[target] = max(depth[target], depth[source] + 1)
    columns: dict[int, list[Block]] = defaultdict(list)
    for block, at in zip(blocks, depth, strict=True):
        columns[at].append(block)
    places: dict[int, Any] = {}
    for at, column in columns.items():
        places |= _column(column, at, max_width, 2 if named else 1)
    return places


def _column(column: list[Block], at: int, max_width: int, gap: int) -> dict[int, Any]:
    shown = [min(block.size, max_width) for block in column]
    height = sum(shown) + gap * (len(column) - 1)
    top = (height - 1) / 2
    places: dict[int, Any] = {}
    for block, n in zip(column, shown, strict=True):
        places |= {block.start + i: np.array([float(at), top - i]) for i in range(n)}
        top -= n + gap
    return places


def wrapped(places: dict[int, Any], columns: int = 14) -> dict[int, Any]:
    """Lay a long picture in lines, every other one from right to left, so that it goes on where a line ends."""
    heights = [y for _, y in places.values()]
    line_height = max(heights) - min(heights) + 1.5
    moved = {}
    for vertex, (x, y) in places.items():
        line, column = divmod(int(x), columns)
        moved[vertex] = np.array(
            [column if line % 2 == 0 else columns - 1 - column, y - line * line_height], dtype=float
        )
    return moved

"""Positions and colors of a network's layers in a picture."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import Architecture
from netgraph.graph.layers import BY_CODE
from netgraph.graph.modules.program import Program
from netgraph.graph.modules.registry import CODES
from netgraph.graph.modules.wiring import wire
from netgraph.lines import counted
from netgraph.reading import one_line

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
#: Colors of positive and of negative weights.
POSITIVE, NEGATIVE = "#3b6fb6", "#c8553d"
#: Most inputs, or outputs, whose names are written, and most letters of a name; chosen.
MOST_NAMES, _LETTERS = 16, 24


@dataclass(frozen=True)
class Block:
    """The nodes of one layer of a network of any kind.

    Attributes:
        name: The layer's name.
        type: Name of its type.
        start: Its first node.
        size: Number of its nodes.
    """

    name: str
    type: str
    start: int
    size: int

    @property
    def code(self) -> int:
        """Code of its type."""
        return CODES[self.type]

    @property
    def short(self) -> str:
        """The last two steps of the name."""
        return ".".join(self.name.split(".")[-2:])


def blocks_of(network: Architecture | Program) -> tuple[list[Block], Pairs]:
    """List the layers in topological order, and the pairs of feeding and fed layers."""
    if isinstance(network, Program):
        wiring = wire(network)
        return [Block(group.name, group.type, group.start, group.size) for group in wiring.groups], list(wiring.feeds)
    starts = network.offsets.tolist()
    blocks = [
        Block(layer.name, layer.type, start, layer.size) for layer, start in zip(network.layers, starts, strict=False)
    ]
    return blocks, [(i, target) for target, layer in enumerate(network.layers) for i in layer.inputs]


def node_names(
    blocks: list[Block], drawing: Drawing, inputs: Sequence[str], outputs: Sequence[str]
) -> Iterator[tuple[int, str, bool]]:
    """Yield input and output nodes that are shown, each with its name and whether it is an input.

    Args:
        blocks: The layers.
        drawing: Positions of the nodes that are shown.
        inputs: Names of the inputs, or none; more than 16 are left out.
        outputs: Those of the outputs, the nodes of the last layer.

    Raises:
        NetGraphError: When there are more or fewer names than nodes.
    """
    first = [block for block in blocks if block.type == "Input"]
    for names, ends, kind in ((inputs, first, "input"), (outputs, blocks[-1:], "output")):
        nodes = [block.start + i for block in ends for i in range(block.size)]
        if names and len(names) != len(nodes):
            raise NetGraphError(f"{counted(len(names), 'name')} for {counted(len(nodes), kind)}")
        if len(names) <= MOST_NAMES:
            shown = ((node, one_line(name)) for node, name in zip(nodes, names, strict=False) if node in drawing)
            yield from ((node, _without_middle(name), kind == "input") for node, name in shown)


def _without_middle(name: str) -> str:
    """Return a name of at most 24 letters: columns that are encoded alike differ at the beginning or at the end."""
    return name if len(name) <= _LETTERS else f"{name[: _LETTERS // 2]}…{name[1 - _LETTERS // 2 :]}"


def place(blocks: list[Block], feeds: Pairs, max_width: int, gap: int) -> Drawing:
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
    columns: dict[int, list[Block]] = defaultdict(list)
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


def wrapped(drawing: Drawing, columns: int) -> Drawing:
    """Wrap a picture of more columns into lines, every other one from right to left."""
    lines: dict[int, Drawing] = defaultdict(dict)
    for node, (x, y) in drawing.items():
        line, column = divmod(int(x), columns)
        column = column if line % 2 == 0 else columns - 1 - column
        lines[line][node] = np.array([float(column), y])
    moved = lines[0]
    for line in range(1, len(lines)):
        shift = np.array([0.0, min(y for _, y in moved.values()) - max(y for _, y in lines[line].values()) - 1.5])
        moved = moved | {node: position + shift for node, position in lines[line].items()}
    return moved


def place_layers(blocks: list[Block], feeds: Pairs, columns: int = 14) -> Drawing:
    """Place layers by their numbers, a long picture in lines."""
    drawing = wrapped(place(blocks, feeds, 1, 1), columns)
    return {i: drawing[block.start] for i, block in enumerate(blocks)}


def colors_of(blocks: list[Block]) -> dict[int, str]:
    """Return the color of each type, by its code."""
    codes = dict.fromkeys(block.code for block in blocks)
    further = [code for code in codes if code not in BY_CODE]
    vocabulary = {code: _PALETTE[i % len(_PALETTE)] for i, code in enumerate(BY_CODE)}
    return vocabulary | {code: _FURTHER[i % len(_FURTHER)] for i, code in enumerate(further)}

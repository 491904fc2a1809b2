"""A network as a list of edges of four numbers each."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
import torch
from torch import Tensor

from netgraph.graph.architecture import Ints
from peers.grid import Grid
from peers.plan import ACTIVATIONS, Bounds, Level, Plan

#: Sources of biases and of the biases of LayerNorms; the gain of a LayerNorm is an edge from a unit to itself.
BIAS, NORM_BIAS = -1, -2
#: Source and target of a place of the list that holds no edge.
NOTHING = -8
#: Type of the output's edges.
OUTPUT = -1


@dataclass(frozen=True)
class Edges:
    """Edges in order: those of linear layers by target, each unit's bias last, then those of LayerNorms.

    Attributes:
        source: Vertex, inputs first and then the units, or ``BIAS`` or ``NORM_BIAS``, [E].
        target: Vertex, [E].
        place: Place of its weight on the grid, [E].
        level: Hidden layer of its target, counted from 0; as many as there are for the output, [E].
    """

    source: Ints
    target: Ints
    place: Ints
    level: Ints


def edges_of(plan: Plan, grid: Grid) -> Edges:
    """List the edges of an architecture."""
    return _edges(plan.inputs, plan.widths, tuple(level.normalized for level in plan.levels), grid.bounds)


@lru_cache(maxsize=2**12)
def _edges(inputs: int, widths: tuple[int, ...], normalized: tuple[bool, ...], bounds: Bounds) -> Edges:
    grid = Grid(bounds)
    fans, sizes = (inputs, *widths), (*widths, 1)
    first = np.cumsum((0, *fans))  # vertex at which the inputs, each layer, and the output begin
    columns: list[list[Ints]] = [[], [], [], []]

    def add(level: int, source: Ints, column: Ints) -> None:
        """Append edges to every unit of a layer, from sources [units, n], whose weights stand in columns [n]."""
        unit = np.broadcast_to(np.arange(sizes[level])[:, None], source.shape)
        row = unit + (grid.units - 1 if level == len(widths) else level * bounds.width)
        parts = (source, first[level + 1] + unit, row * grid.columns + column, np.full(source.shape, level))
        for held, part in zip(columns, parts, strict=True):
            held.append(part.ravel())

    for level, (fan, size) in enumerate(zip(fans, sizes, strict=True)):
        source = np.append(first[level] + np.arange(fan), BIAS)
        add(level, np.tile(source, (size, 1)), np.append(np.arange(fan), grid.fan))
    for level in np.flatnonzero(normalized).tolist():
        own = first[level + 1] + np.arange(sizes[level])[:, None]
        add(level, np.concatenate([own, np.full_like(own, NORM_BIAS)], axis=1), grid.fan + np.arange(1, 3))
    return Edges(*(np.concatenate(held) for held in columns))


def types_of(plan: Plan) -> Tensor:
    """Give the number that stands for what follows each linear layer, [layers + 1]."""
    n = len(ACTIVATIONS)
    found = [ACTIVATIONS.index(one.activation) + n * one.normalized + 2 * n * one.added for one in plan.levels]
    return torch.tensor([*found, OUTPUT], dtype=torch.float32)


def level_of(width: int, number: float) -> Level:
    """Read the nearest of these numbers."""
    n = len(ACTIVATIONS)
    code = min(max(round(number), 0), 4 * n - 1)
    return Level(width, ACTIVATIONS[code % n], bool(code // n % 2), bool(code // (2 * n)))


def candidates(bounds: Bounds, longest: int) -> tuple[list[tuple[int, tuple[int, ...]]], Tensor]:
    """List all sizes that a network can have whose list is not too long, and source and target of their edges.

    Args:
        bounds: Of the sizes.
        longest: Length of the lists, those of LayerNorms left out.

    Returns:
        Number of inputs and widths of each, and sources and targets, [candidates, longest, 2].
    """
    grid, widths = Grid(bounds), range(bounds.least_width, bounds.width + 1)
    sizes, rows = [], []
    for depth in range(1, bounds.depth + 1):
        for inputs, chosen in product(range(bounds.least_inputs, bounds.inputs + 1), product(widths, repeat=depth)):
            edges = edges_of(Plan(inputs, tuple(map(Level, chosen))), grid)
            if len(edges.source) <= longest:
                row = np.full((longest, 2), NOTHING, dtype=np.float32)
                row[: len(edges.source)] = np.stack([edges.source, edges.target], axis=1)
                sizes.append((inputs, chosen))
                rows.append(row)
    return sizes, torch.from_numpy(np.stack(rows))

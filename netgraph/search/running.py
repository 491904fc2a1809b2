"""Networks on the rows of a data set: last layers in closed form, outputs, errors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from netgraph.graph.netgraph import NetGraph
from netgraph.search.data import Data
from netgraph.stack import Stack, chunks, first_outputs, solve_last_layers

#: Most rows that networks are fitted to and judged by.
MOST_ROWS = 8192
#: Where a network comes from: a search begins with it, it was made for the data set, or neither.
BASELINE, MADE, OTHER = "baseline", "made", "other"


@dataclass(frozen=True)
class Judged:
    """A network that is fitted to rows.

    Attributes:
        graph: It.
        left_out: What is predicted of each row by the same network when it is fitted to others alone, [rows] float64;
            what all rows say of where the target changes, a network knows that looks there, where rows are many.
        error: Mean squared error of that; inf where it is not finite.
        origin: :data:`BASELINE`, :data:`MADE` or :data:`OTHER`.
        copies: Where it is judged by folds, what was made, or fitted, in the same way without each of them; else none.
    """

    graph: NetGraph
    left_out: Tensor
    error: float
    origin: str = OTHER
    copies: tuple[NetGraph, ...] = ()

    @classmethod
    def of(cls, graph: NetGraph, left_out: Tensor, data: Data, copies: Sequence[NetGraph] = ()) -> "Judged":
        """Judge what is predicted of the rows of a data set, [rows]."""
        error = data.mean((left_out - data.y).square())
        return cls(graph, left_out, float(error) if error.isfinite() else torch.inf, copies=tuple(copies))


def solve(graphs: Sequence[NetGraph], data: Data, device: str = "cpu") -> list[Judged]:
    """Fit the last layers of networks to rows, and judge them by leaving out one row after the other."""
    return [Judged.of(*fitted, data) for fitted in refit(graphs, data.x, data.y, device, data.weight)]


def refit(
    graphs: Sequence[NetGraph], x: Tensor, y: Tensor, device: str = "cpu", weight: Tensor | None = None
) -> list[tuple[NetGraph, Tensor]]:
    """Fit the last layers of networks, to common rows or each to its own.

    Args:
        graphs: n networks with one output.
        x: Standardized rows, [rows, features] or [n, rows, features].
        y: Their target, [rows] or [n, rows].
        device: Where to run them.
        weight: Of the rows, in the shape of ``y``; all the same when None.

    Returns:
        The networks, each with what it predicts of each row that is left out, [rows] float64.
    """
    fitted: dict[int, tuple[NetGraph, Tensor]] = {}
    for members in chunks([graph.architecture for graph in graphs], device):
        stack = Stack([graphs[i].architecture for i in members], device)
        of = slice(None) if y.ndim == 1 else members
        rows = x[of], y[of], None if weight is None else weight[of]
        found = solve_last_layers(stack, stack.flatten([graphs[i].state for i in members]), *rows)
        for i, state, left_out in zip(members, stack.split(found.state.cpu()), found.left_out.cpu(), strict=True):
            fitted[i] = NetGraph(graphs[i].architecture, state.clone()), left_out
    return [fitted[i] for i in range(len(graphs))]


def errors_of(judged: Sequence[Judged]) -> Tensor:
    """Give their errors, [n] float64."""
    return torch.tensor([one.error for one in judged], dtype=torch.float64)


def best(judged: Sequence[Judged], most: int | None = None) -> list[Judged]:
    """Give networks by rising error, at most so many."""
    return sorted(judged, key=lambda one: one.error)[:most]


def outputs(graphs: Sequence[NetGraph], x: Tensor, device: str = "cpu") -> Tensor:
    """Run networks on standardized rows, [rows, features], and give their first outputs, [n, rows] float64."""
    architectures, states = [graph.architecture for graph in graphs], [graph.state for graph in graphs]
    return first_outputs(architectures, states, x, device).double()


def judged_rows(data: Data, seed: int) -> Data:
    """Choose the rows that networks are judged by, at most :data:`MOST_ROWS`, in their order."""
    return data.rows(np.sort(np.random.default_rng(seed).permutation(len(data.x))[:MOST_ROWS]))


def predict(graph: NetGraph, x: Tensor) -> Tensor:
    """Run a network on standardized rows, [rows, features], and give its first output, [rows]."""
    stack = Stack([graph.architecture])
    with torch.no_grad():
        output: Tensor = stack(graph.state, x)
    return output[0, :, 0]

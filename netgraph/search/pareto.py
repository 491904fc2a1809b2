"""Objectives of a network, each minimized, and Pareto fronts of them."""

import timeit
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from netgraph.graph.netgraph import NetGraph
from netgraph.graph.write_module import to_module
from netgraph.search.scoring import Candidate

if TYPE_CHECKING:
    from pandas import DataFrame

#: Timed passes, the fastest of which counts.
PASSES = 20


def parameters(graph: NetGraph) -> float:
    """Return the number of weights, biases and running statistics."""
    return float(graph.architecture.state_size)


def latency(graph: NetGraph) -> float:
    """Return the time that the plain module takes for one row on the CPU, in microseconds."""
    module, row = to_module(graph), torch.zeros(1, graph.architecture.n_inputs, dtype=graph.state.dtype)
    with torch.no_grad():
        return 1e6 * min(timeit.repeat(lambda: module(row), number=1, repeat=PASSES))


#: Objectives beside the error, by their names in :data:`netgraph.inputs.OBJECTIVES`.
OBJECTIVES: Mapping[str, Callable[[NetGraph], float]] = {"parameters": parameters, "latency": latency}


def evaluate_objectives(candidates: Sequence[Candidate], names: Sequence[str]) -> Tensor:
    """Return the objectives of scored candidates, [n, objectives] float64."""
    rows = [[one.score, *(OBJECTIVES[name](one.graph) for name in names[1:])] for one in candidates]
    return torch.tensor(rows, dtype=torch.float64)


def non_dominated(scores: Tensor) -> Tensor:
    """Return the mask of rows on the Pareto front: no other row is at most as large everywhere and smaller somewhere.

    Args:
        scores: k objectives, lower is better, [n, k]. Rows that are not finite are not on the front, and of equal rows
            only the first is.

    Returns:
        The mask, [n] bool.

    Example:
        >>> non_dominated(torch.tensor([[1.0, 3.0], [2.0, 2.0], [2.0, 3.0]])).tolist()
        [True, True, False]
    """
    front = torch.zeros(len(scores), dtype=torch.bool, device=scores.device)
    rows = scores.isfinite().all(dim=1).nonzero()[:, 0]
    for objective in range(scores.shape[1] - 1, -1, -1):  # a row is dominated only by rows before it in this order
        rows = rows[scores[rows, objective].argsort(stable=True)]
    while len(rows):
        front[rows[0]] = True
        rows = rows[(scores[rows] < scores[rows[0]]).any(dim=1)]
    return front


def hypervolume(scores: Tensor, reference: Sequence[float]) -> float:
    """Return the area that a front of two objectives, [n, 2], dominates up to a reference point; larger is better."""
    front = scores[non_dominated(scores)].double()
    front = front[(front < torch.tensor(reference)).all(dim=1)]
    first, second = front[front[:, 0].argsort()].unbind(dim=1)
    above = torch.cat([torch.tensor(reference[1:]).double(), second])[:-1]
    return float(((reference[0] - first) * (above - second)).sum())


def front_table(scores: Tensor, names: Sequence[str]) -> "DataFrame":
    """Return the front, one column an objective, by rising first objective; the index is the row in ``scores``.

    Args:
        scores: k objectives, lower is better, [n, k].
        names: Names of the objectives, k.
    """
    from pandas import DataFrame

    table = DataFrame(scores.cpu().double().numpy(), columns=list(names)).rename_axis("row")
    return table[non_dominated(scores).cpu().numpy()].sort_values(names[0], kind="stable")

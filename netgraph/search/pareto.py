"""Objectives of a network, each minimized, and Pareto fronts of them."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.to_module import to_module

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

#: Timed passes, the fastest of which counts.
PASSES = 20
#: Ratio of the largest to the least value from which on an axis is logarithmic; chosen.
TWO_DECADES = 100.0


def parameters(graph: NetGraph) -> float:
    """Return the number of weights, biases and running statistics."""
    return float(graph.architecture.state_size)


def latency(graph: NetGraph) -> float:
    """Return the time that the plain module takes for one row on the CPU, in microseconds."""
    module, row = to_module(graph), torch.zeros(1, graph.architecture.n_inputs, dtype=graph.state.dtype)
    seconds = []
    with torch.no_grad():
        for _ in range(PASSES):
            started = time.perf_counter()
            module(row)
            seconds.append(time.perf_counter() - started)
    return 1e6 * min(seconds)


#: Objectives beside the error, by name.
OBJECTIVES: Mapping[str, Callable[[NetGraph], float]] = {"parameters": parameters, "latency": latency}


def check_objectives(names: Sequence[str]) -> tuple[str, ...]:
    """Return objectives as a tuple.

    Raises:
        NetGraphError: When one is unknown or comes twice, or the error is not the first.
    """
    known = ("error", *OBJECTIVES)
    if not isinstance(names, str | Iterable):
        raise NetGraphError(f"objectives is {names!r}; names among {', '.join(known)}")
    chosen = (names,) if isinstance(names, str) else tuple(names)
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise NetGraphError(f"unknown objective {unknown[0]!r}; known: {', '.join(known)}")
    if not chosen or chosen[0] != "error" or len(set(chosen)) < len(chosen):
        raise NetGraphError(f"objectives are {', '.join(chosen) or 'empty'}; they begin with error, each once")
    return chosen


def evaluate_objectives(graphs: Sequence[NetGraph], errors: Tensor, names: Sequence[str]) -> Tensor:
    """Return the objectives of networks whose errors are known, [n, objectives] float64."""
    others = [torch.tensor([OBJECTIVES[name](graph) for graph in graphs], dtype=torch.float64) for name in names[1:]]
    return torch.stack([errors.double(), *others], dim=1)


def non_dominated(scores: Tensor) -> Tensor:
    """Return the mask of rows on the Pareto front: no other row is at most as large everywhere and smaller somewhere.

    Args:
        scores: k objectives, lower is better, [n, k]. Rows that are not finite are not on the front, and of equal rows
            only the first is.

    Returns:
        The mask, [n] bool.

    Raises:
        NetGraphError: When ``scores`` has another shape.

    Example:
        >>> non_dominated(torch.tensor([[1.0, 3.0], [2.0, 2.0], [2.0, 3.0]])).tolist()
        [True, True, False]
    """
    if scores.ndim != 2 or scores.shape[1] < 1:
        raise NetGraphError(f"scores has shape {tuple(scores.shape)}; expected [n, at least 1]")
    front = torch.zeros(len(scores), dtype=torch.bool, device=scores.device)
    rows = scores.isfinite().all(dim=1).nonzero()[:, 0]
    for objective in range(scores.shape[1] - 1, -1, -1):  # a row is dominated only by rows before it in this order
        rows = rows[scores[rows, objective].argsort(stable=True)]
    while len(rows):
        front[rows[0]] = True
        rows = rows[(scores[rows] < scores[rows[0]]).any(dim=1)]
    return front


def hypervolume_2d(scores: Tensor, reference: Sequence[float]) -> float:
    """Return the area that a front of two objectives dominates, up to a reference point; larger is better.

    Args:
        scores: Two objectives, lower is better, [n, 2].
        reference: Worst value of each objective that counts.

    Raises:
        NetGraphError: When ``scores`` is not [n, 2] or the reference is not two finite numbers.
    """
    corner = torch.as_tensor(reference, dtype=torch.float64)
    if scores.ndim != 2 or scores.shape[1] != 2:
        raise NetGraphError(f"scores has shape {tuple(scores.shape)}; expected [n, 2]")
    if corner.shape != (2,) or not corner.isfinite().all():
        raise NetGraphError(f"the reference is two finite numbers, not {reference}")
    scores = scores.double().cpu()
    front = scores[non_dominated(scores)]
    front = front[(front < corner).all(dim=1)]
    first, second = front[front[:, 0].argsort()].unbind(dim=1)
    above = torch.cat([corner[1:], second])[:-1]
    return float(((corner[0] - first) * (above - second)).sum())


def front_table(scores: Tensor, names: Sequence[str]) -> "DataFrame":
    """Return the front, one column an objective, by rising first objective; the index is the row in ``scores``.

    Args:
        scores: k objectives, lower is better, [n, k].
        names: Names of the objectives, k.

    Raises:
        NetGraphError: When the names are not k different ones.
    """
    from pandas import DataFrame

    if len(set(names)) != scores.shape[-1]:
        raise NetGraphError(f"{', '.join(names)} are not names of {scores.shape[-1]} objectives")
    table = DataFrame(scores.cpu().double().numpy(), columns=list(names)).rename_axis("row")
    return table[non_dominated(scores).cpu().numpy()].sort_values(names[0], kind="stable")


def smallest_within(front: "DataFrame", standard_error: float) -> int:
    """Return the row that is best in the second objective, of those within one standard error of the least error.

    Args:
        front: A front by :func:`front_table`, the error first.
        standard_error: Standard error of the least error.
    """
    close = front[front.iloc[:, 0] <= front.iloc[:, 0].min() + standard_error]
    return int(close.iloc[:, min(1, front.shape[1] - 1)].idxmin())


def draw_front(scores: Tensor, names: Sequence[str], chosen: int | None = None, ax: "Axes | None" = None) -> "Axes":
    """Draw all points of two objectives, their front as steps, and the chosen point.

    Args:
        scores: Two objectives, lower is better, [n, 2]; rows that are not finite are left out.
        names: Names of the objectives, the labels of the axes.
        chosen: Row of the point that is marked.
        ax: Axes to draw on; new ones when None.

    Returns:
        The axes, logarithmic where an objective is positive and spans more than two decades.

    Raises:
        NetGraphError: When there are not two objectives, or no row is finite.
    """
    import matplotlib.pyplot as plt

    if len(names) != 2:
        raise NetGraphError(f"a picture of a front has 2 objectives, not {len(names)}")
    front = front_table(scores, names).to_numpy()
    if not len(front):
        raise NetGraphError("no row of scores is finite: there is no front to draw")
    points = scores[scores.isfinite().all(dim=1)].cpu().double().numpy()
    ax = plt.subplots(figsize=(6, 4), layout="constrained")[1] if ax is None else ax
    for axis, values in zip("xy", points.T, strict=True):
        if values.min() > 0 and values.max() > TWO_DECADES * values.min():
            ax.set(**{f"{axis}scale": "log"})
    ax.scatter(points[:, 0], points[:, 1], s=14, color="#b5b5b5", alpha=0.6, linewidths=0, label=f"all ({len(points)})")
    right, top = points.max(axis=0)  # the border of what is dominated
    steps = [front[0, 0], *front[:, 0], right], [top, *front[:, 1], front[-1, 1]]
    ax.step(*steps, where="post", color="#3b6fb6", linewidth=1.2, zorder=2)
    ax.scatter(front[:, 0], front[:, 1], s=26, color="#3b6fb6", zorder=3, label=f"front ({len(front)})")
    if chosen is not None:
        x, y = scores[chosen].tolist()
        ax.scatter(x, y, s=160, marker="*", color="#c8553d", zorder=4, label="chosen")
    ax.set(xlabel=names[0], ylabel=names[1])
    ax.legend(loc="upper right", frameon=False)  # a front lies at the lower left
    return ax

"""Pareto fronts of several objectives, each of them minimized."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from netgraph.errors import NetGraphError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

#: An objective whose largest value is more than this many times its least is drawn on a logarithmic axis.
TWO_DECADES = 100.0
_ALL, _FRONT, _CHOSEN = "#b5b5b5", "#3b6fb6", "#c8553d"


def non_dominated(scores: Tensor) -> Tensor:
    """Say which rows no other row dominates: none is at most as large everywhere and smaller somewhere.

    Rows that are not finite neither dominate nor are on the front. Of equal rows only the first is on the front.

    Args:
        scores: Values of k objectives, lower is better, [n, k].

    Returns:
        The front, [n] bool.

    Raises:
        NetGraphError: When ``scores`` has another shape.
    """
    _check(scores)
    front = torch.zeros(len(scores), dtype=torch.bool, device=scores.device)
    rows = scores.isfinite().all(dim=1).nonzero()[:, 0]
    for objective in range(scores.shape[1] - 1, -1, -1):  # a row is dominated only by rows before it in this order
        rows = rows[scores[rows, objective].argsort(stable=True)]
    while len(rows):
        front[rows[0]] = True
        rows = rows[(scores[rows] < scores[rows[0]]).any(dim=1)]
    return front


def hypervolume_2d(scores: Tensor, reference: Sequence[float]) -> float:
    """Measure the area that a front of two objectives dominates, up to a reference point; larger is better.

    Args:
        scores: Values of two objectives, lower is better, [n, 2]; rows that are not finite or not better than the
            reference in both add nothing.
        reference: The worst value of each objective that counts.

    Returns:
        The area, at least 0.

    Raises:
        NetGraphError: When ``scores`` is not [n, 2] or the reference is not two finite numbers.
    """
    _check(scores, 2)
    corner = torch.as_tensor(reference, dtype=torch.float64)
    if corner.shape != (2,) or not corner.isfinite().all():
        raise NetGraphError(f"the reference is two finite numbers, not {reference}")
    scores = scores.double().cpu()
    front = scores[non_dominated(scores)]
    front = front[(front < corner).all(dim=1)]
    first, second = front[front[:, 0].argsort()].unbind(dim=1)
    above = torch.cat([corner[1:], second])[:-1]
    return float(((corner[0] - first) * (above - second)).sum())


def front_table(scores: Tensor, names: Sequence[str]) -> "DataFrame":
    """Give the front as a table.

    Args:
        scores: Values of k objectives, lower is better, [n, k].
        names: Names of the objectives, k.

    Returns:
        One column an objective, sorted by the first; the index, ``row``, is the number of the row in ``scores``.

    Raises:
        NetGraphError: When ``scores`` has another shape or the names are not k different ones.
    """
    from pandas import DataFrame, Index

    _check(scores, len(names))
    if len(set(names)) < len(names):
        raise NetGraphError(f"two objectives have one name: {', '.join(names)}")
    front = non_dominated(scores).nonzero()[:, 0]
    front = front[scores[front, 0].argsort(stable=True)]
    rows = Index(front.tolist(), name="row", dtype="int64")
    return DataFrame(scores[front].cpu().double().numpy(), columns=list(names), index=rows)


def smallest_within(front: "DataFrame", standard_error: float) -> int:
    """Choose a row of a front: the best in the second objective of those whose error is about the least.

    Args:
        front: As :func:`front_table` gives it, the error first.
        standard_error: How far from the least an error may be.

    Returns:
        The index of the row; that of the least error where it is the only objective.
    """
    close = front[front.iloc[:, 0] <= front.iloc[:, 0].min() + standard_error]
    return int(close.iloc[:, min(1, front.shape[1] - 1)].idxmin())


def draw_front(scores: Tensor, names: Sequence[str], chosen: int | None = None, ax: "Axes | None" = None) -> "Axes":
    """Draw two objectives: all points, the front as steps, and the chosen point.

    Args:
        scores: Values of two objectives, lower is better, [n, 2]; rows that are not finite are left out.
        names: Names of the objectives, which become the labels of the axes.
        chosen: Row of the point that is marked.
        ax: Where to draw; new axes when None.

    Returns:
        The axes; one is logarithmic where its objective is positive and spans more than two decades.

    Raises:
        NetGraphError: When there are not two objectives, no row is finite, or the chosen row is not one of these.
    """
    table = _checked_front(scores, names, chosen)
    points = scores[scores.isfinite().all(dim=1)].cpu().double()
    ax = _new_axes() if ax is None else ax
    _scale(ax, points)
    ax.scatter(
        points[:, 0].numpy(),
        points[:, 1].numpy(),
        s=14,
        color=_ALL,
        alpha=0.6,
        linewidths=0,
        label=f"all ({len(points)})",
    )
    _draw_steps(ax, points, table)
    if chosen is not None:
        x, y = scores[chosen].tolist()
        ax.scatter(x, y, s=160, marker="*", color=_CHOSEN, zorder=4, label="chosen")
    ax.set(xlabel=names[0], ylabel=names[1])
    ax.legend(loc="upper right", frameon=False)  # a front lies at the lower left
    return ax


def _checked_front(scores: Tensor, names: Sequence[str], chosen: int | None) -> "DataFrame":
    if len(names) != 2:
        raise NetGraphError(f"a picture of a front has 2 objectives, not {len(names)}")
    table = front_table(scores, names)
    if table.empty:
        raise NetGraphError("no row of scores is finite: there is no front to draw")
    if chosen is not None and not (0 <= chosen < len(scores) and scores[chosen].isfinite().all()):
        raise NetGraphError(f"the chosen row {chosen} is not a finite row of {len(scores)} rows of scores")
    return table


def _new_axes() -> "Axes":
    import matplotlib.pyplot as plt

    ax: Axes = plt.subplots(figsize=(6, 4), layout="constrained")[1]
    return ax


def _scale(ax: "Axes", points: Tensor) -> None:
    least, most = points.amin(dim=0).tolist(), points.amax(dim=0).tolist()
    for set_scale, low, high in zip((ax.set_xscale, ax.set_yscale), least, most, strict=True):
        if low > 0 and high > TWO_DECADES * low:
            set_scale("log")


def _draw_steps(ax: "Axes", points: Tensor, table: "DataFrame") -> None:
    """Draw the border of what is dominated, from the largest value of one objective to that of the other."""
    right, top = points.amax(dim=0).tolist()
    first, second = table.iloc[:, 0].tolist(), table.iloc[:, 1].tolist()
    ax.step([first[0], *first, right], [top, *second, second[-1]], where="post", color=_FRONT, linewidth=1.2, zorder=2)
    ax.scatter(first, second, s=26, color=_FRONT, zorder=3, label=f"front ({len(first)})")


def _check(scores: Tensor, n_objectives: int | None = None) -> None:
    expected = "at least 1" if n_objectives is None else n_objectives
    if scores.ndim != 2 or scores.shape[1] < 1 or n_objectives not in (None, scores.shape[1]):
        raise NetGraphError(f"scores has shape {tuple(scores.shape)}; expected [n, {expected}]")

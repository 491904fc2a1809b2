"""The report of a network for a table, as one HTML file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from netgraph.evaluation.page import image, new_figure, section, table, write_page
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.plot import draw
from netgraph.tasks.dataset import Floats

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

_FRONT = (
    "The networks that no other one surpasses in all objectives; the picture shows the first two, and everything that "
    "was tried. Errors are those on rows that a network was not fitted to, in units of the target's variance."
)
_HISTORY = (
    "Errors are out of fold: by leaving out one row, or by K-fold refits for networks that used the targets. Having "
    "been chosen makes the best of them too small; the rows held out tell the error on new rows."
)

#: Ratio of the largest to the least value from which on an axis is logarithmic; chosen.
TWO_DECADES = 100.0


@dataclass(frozen=True)
class TableReport:
    """Network for a table, tested on held-out rows.

    Attributes:
        target: Name of the target.
        y: The target of held-out rows, [rows].
        prediction: Their prediction, [rows].
        figures: Figures by name.
        graph: The network.
    """

    target: str
    y: Floats
    prediction: Floats
    figures: dict[str, float]
    graph: NetGraph

    def write(self, path: Path, sections: Sequence[str]) -> None:
        """Write the page, with further sections, to a file."""
        network = new_figure(9, 4.5)
        draw(self.graph, network.subplots())
        first = [
            section("Figures", "", table(["figure", "value"], list(self.figures.items()))),
            section(
                "Predicted against true",
                "Rows that were held out. On the line, a prediction is exact.",
                image(self._predicted(), f"{self.target}, held-out rows"),
            ),
            section(
                "The network",
                "Blue edges are positive, red ones negative, gray ones structural.",
                image(network, repr(self.graph.architecture)),
            ),
        ]
        write_page(f"Networks for {self.target}", "Found by netgraph.", [*first, *sections], path)

    def _predicted(self) -> "Figure":
        figure = new_figure(6, 5)
        ax = figure.subplots()
        ends = [min(self.y.min(), self.prediction.min()), max(self.y.max(), self.prediction.max())]
        ax.plot(ends, ends, color="#b5b5b5", linewidth=1)
        ax.scatter(self.y, self.prediction, s=16, alpha=0.6, color="#4c78a8", linewidths=0)
        ax.set(xlabel="true", ylabel="predicted")
        ax.spines[["top", "right"]].set_visible(False)
        return figure


def history_section(history: "DataFrame") -> str:
    """Return the steps of a fit: stage, networks, error and seconds."""
    columns = ["stage", "networks", "error", "seconds"]
    steps = table(columns, history[columns].to_numpy(dtype=object).tolist())
    return section("Steps of the search", _HISTORY, steps)


def front_section(picture: "Figure", front: "DataFrame", chosen: int) -> str:
    """Return a Pareto front: its picture, and its rows, one of them marked."""
    rows = zip(front.index, front.to_numpy(dtype=object).tolist(), strict=True)
    marked = [["chosen" if number == chosen else "", *row] for number, row in rows]
    return section("The Pareto front", _FRONT, image(picture, "Pareto front") + table(["", *front], marked))


def draw_front(scores: "DataFrame", front: "DataFrame", chosen: int | None = None) -> "Figure":
    """Draw all points of two objectives, their front as steps, and the chosen point.

    Args:
        scores: All points; the first two columns are drawn, rows that are not finite left out.
        front: The rows on the front, by rising first objective.
        chosen: Index of the point that is marked.

    Returns:
        The picture; an axis is logarithmic where its objective is positive and spans more than two decades.
    """
    figure = new_figure(7, 4.5)
    ax, names = figure.subplots(), list(scores)[:2]
    points = scores[names].to_numpy(dtype=float)
    points = points[np.isfinite(points).all(axis=1)]
    x, y = front[names].to_numpy(dtype=float).T
    for axis, values in zip("xy", points.T, strict=True):
        if values.min() > 0 and values.max() > TWO_DECADES * values.min():
            ax.set(**{f"{axis}scale": "log"})
    ax.scatter(points[:, 0], points[:, 1], s=14, color="#b5b5b5", alpha=0.6, linewidths=0, label=f"all ({len(points)})")
    right, top = points.max(axis=0)  # the border of what is dominated
    ax.step([x[0], *x, right], [top, *y, y[-1]], where="post", color="#3b6fb6", linewidth=1.2, zorder=2)
    ax.scatter(x, y, s=26, color="#3b6fb6", zorder=3, label=f"front ({len(front)})")
    if chosen is not None:
        across, up = scores.loc[chosen, names]
        ax.scatter(across, up, s=160, marker="*", color="#c8553d", zorder=4, label="chosen")
    ax.set(xlabel=names[0], ylabel=names[1])
    ax.legend(loc="upper right", frameon=False)  # a front lies at the lower left
    return figure

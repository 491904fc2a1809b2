"""The report of a network for a table, as one HTML file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

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
_HYPERVOLUME = (
    "The share of the area up to a reference that the front of the first two objectives dominates. The reference is "
    "the error of predicting the mean, and a tenth more than the largest value of the other objective."
)
_HISTORY = (
    "Errors are out of fold: by leaving out one row, or by K-fold refits for networks that used the targets. Having "
    "been chosen makes the best of them too small; the rows held out tell the error on new rows."
)


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


def hypervolume_section(hypervolumes: Sequence[tuple[int, float]]) -> str:
    """Return the growth of the hypervolume over numbers of trials."""
    figure = new_figure(7, 3.5)
    ax = figure.subplots()
    ax.plot(*zip(*hypervolumes, strict=True), color="#3b6fb6", drawstyle="steps-post")
    ax.set(xlabel="trials", ylabel="share dominated")
    ax.spines[["top", "right"]].set_visible(False)
    return section("Hypervolume", _HYPERVOLUME, image(figure, "hypervolume"))

"""Report on a network for a table, as one self-contained HTML file."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from netgraph.evaluation.page import image, new_figure, section, table, write_page
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.plot import draw
from netgraph.tasks.table import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
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


#: Shares of rows that intervals are to cover.
LEVELS = (0.5, 0.8, 0.95)
_BASELINES = "Fitted to the same rows, with scikit-learn's defaults, and tested on the same held-out ones."
_IMPORTANCE = "Sensitivity of the output to each column, at the training rows; the sum is 1."
_COVERAGE = "Share of held-out rows whose target lies in the interval around its prediction."
_COLOR = "#4c78a8"


@dataclass(frozen=True)
class TableReport:
    """Network for a table, tested on held-out rows.

    Attributes:
        target: Name of the target.
        y: The target of held-out rows, [rows]: numbers or classes.
        prediction: Their prediction, [rows], or the probabilities of the classes, [rows, classes].
        figures: Figures by name.
        graph: The network.
        classes: The classes; None where the target is numbers.
        deviation: Standard deviations of predictions, [rows]; None where they are not known.
        baselines: Figures of other methods by name, each by name.
        importances: Importance of each raw column.
        notes: Lines on the file and its columns.
        details: Conditions of the job by name, such as the command.
    """

    target: str
    y: npt.NDArray[Any]
    prediction: Floats
    figures: Mapping[str, float]
    graph: NetGraph
    classes: npt.NDArray[Any] | None = None
    deviation: Floats | None = None
    baselines: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    importances: Mapping[str, float] = field(default_factory=dict)
    notes: Sequence[str] = ()
    details: Mapping[str, str] = field(default_factory=dict)

    def write(self, path: Path, sections: Sequence[str]) -> None:
        """Write the page, with further sections, to a file."""
        first = [section("Figures", "", table(["figure", "value"], list(self.figures.items())))]
        if self.baselines:
            names = list(next(iter(self.baselines.values())))
            rows: list[list[str | float]] = [[method, *figures.values()] for method, figures in self.baselines.items()]
            first.append(section("Beside other methods", _BASELINES, table(["method", *names], rows)))
        caption = f"{self.target}, held-out rows"
        if self.classes is None:
            text = "Rows that were held out. On the line, a prediction is exact."
            first.append(section("Predicted against true", text, image(self._predicted(), caption)))
            text = "True minus predicted, of the same rows."
            first.append(section("Residuals", text, image(self._residuals(), caption)))
        else:
            first.append(section("Predicted against true classes", "Rows that were held out.", self._confusion()))
        if self.deviation is not None:
            shares = [(f"{100 * level:.0f} %", share) for level, share in self.coverage().items()]
            first.append(section("Calibration of intervals", _COVERAGE, table(["interval", "share of rows"], shares)))
        if self.importances:
            ranked = sorted(self.importances.items(), key=lambda pair: -pair[1])
            first.append(section("Importance of columns", _IMPORTANCE, table(["column", "importance"], ranked)))
        last = [
            section("The network", "Blue edges are positive, red ones negative, gray ones structural.", self._drawn())
        ]
        if self.notes:
            lines = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes)
            last.insert(
                0, section("Columns", "How the file was read; other columns pass unchanged.", f"<ul>{lines}</ul>")
            )
        if self.details:
            last.append(section("To repeat it", "", table(["", ""], list(self.details.items()))))
        write_page(f"Networks for {self.target}", "Found by netgraph.", [*first, *sections, *last], path)

    def coverage(self) -> dict[float, float]:
        """Return the share of rows in normal intervals, by the share that they are to cover."""
        if self.deviation is None:
            return {}
        error = np.abs(self.y - self.prediction)
        return {
            level: float((error <= NormalDist().inv_cdf((1 + level) / 2) * self.deviation).mean()) for level in LEVELS
        }

    def _predicted(self) -> "Figure":
        figure = new_figure(6, 5)
        ax = figure.subplots()
        ends = [min(self.y.min(), self.prediction.min()), max(self.y.max(), self.prediction.max())]
        ax.plot(ends, ends, color="#b5b5b5", linewidth=1)
        _scatter(ax, self.y, self.prediction, "true", "predicted")
        return figure

    def _residuals(self) -> "Figure":
        figure = new_figure(9, 4)
        against, histogram = figure.subplots(1, 2)
        residual = self.y - self.prediction
        against.axhline(0, color="#b5b5b5", linewidth=1)
        _scatter(against, self.prediction, residual, "predicted", "residual")
        histogram.hist(residual, bins="auto" if len(residual) < 1000 else 50, color=_COLOR)
        histogram.set(xlabel="residual", ylabel="rows")
        histogram.spines[["top", "right"]].set_visible(False)
        return figure

    def _confusion(self) -> str:
        """Return the numbers of rows by true and predicted class."""
        from pandas import crosstab

        assert self.classes is not None  # noqa: S101 - of a classification alone
        counts = crosstab(self.y, self.classes[self.prediction.argmax(axis=1)])
        rows: list[list[str | float]] = [
            [f"true: {name}", *row] for name, row in zip(counts.index, counts.to_numpy().tolist(), strict=True)
        ]
        return table(["", *(f"predicted: {name}" for name in counts.columns)], rows)

    def _drawn(self) -> str:
        figure = new_figure(9, 4.5)
        draw(self.graph, figure.subplots())
        return image(figure, repr(self.graph.architecture))


def _scatter(ax: "Axes", x: Floats, y: Floats, xlabel: str, ylabel: str) -> None:
    ax.scatter(x, y, s=16, alpha=0.6, color=_COLOR, linewidths=0)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.spines[["top", "right"]].set_visible(False)


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

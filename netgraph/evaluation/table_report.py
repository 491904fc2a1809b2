"""Report on a network for a table: how well it predicts held-out rows, beside other methods."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from netgraph.evaluation.report import (
    COLOR,
    EDGES,
    GRAY,
    RED,
    Card,
    figures_section,
    new_axes,
    pictures,
    repeat_section,
    section,
    use_section,
    write_page,
)
from netgraph.figures import TABLE, Metric
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.plot import draw
from netgraph.html import escape, folded, number, scroll, table_html
from netgraph.lines import counted, short
from netgraph.tasks.table import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

#: Percent of rows that the interval is to hold which is a headline.
LEVEL = 80
#: Figures of which the larger is the better.
_LARGER = ("r2", "accuracy")
#: Held-out rows below which figures depend on chance so much that the report tells so; chosen.
FEW = 30
#: Largest difference of figures that count as equal, as a share; chosen.
EQUAL = 0.01
_FRONT = (
    "The networks that no other one surpasses in all objectives; the picture shows the first two, and everything that "
    "was tried. Errors are those on rows that a network was not fitted to: in units of the target's variance, or log "
    "losses of classes."
)
_HISTORY = (
    "Errors are out of fold: by leaving out one row, or by K-fold refits for networks that used the targets. Having "
    "been chosen makes the best of them too small; the rows held out tell the error on new rows."
)

#: Ratio of the largest to the least value from which on an axis is logarithmic; chosen.
TWO_DECADES = 100.0
#: Most columns whose importance is drawn.
MOST_BARS = 12
_BASELINES = (
    "{} regression, gradient boosting and {} by scikit-learn: fitted to the same rows and the same encoded columns, "
    "and tested on the same held-out rows. Figures that differ by at most 1 % count as equally good."
)
_IMPORTANCE = "Sensitivity of the output to each column, at the training rows; the sum is 1."
_COVERAGE = "Share of held-out rows whose target lies in the interval around its prediction."


@dataclass(frozen=True)
class TableReport:
    """Network for a table, tested on held-out rows.

    Attributes:
        target: Name of the target.
        y: The target of held-out rows, [rows]: numbers or classes.
        prediction: Their prediction, [rows], or the probabilities of the classes, [rows, classes].
        figures: Figures by their names in :data:`~netgraph.figures.TABLE`.
        graph: The network.
        reason: Why it was chosen.
        classes: The classes; None where the target is numbers.
        inputs: Names of the network's inputs.
        baselines: Figures of other methods at the held-out rows, by method and name.
        importances: Importance of each raw column.
        notes: Lines on the file and its columns.
        files: Sentence on the files beside the report.
        commands: Purposes of commands that use them, by command.
        command: The command of the job.
        details: Its further conditions by name.
    """

    target: str
    y: npt.NDArray[Any]
    prediction: Floats
    figures: Mapping[str, float]
    graph: NetGraph
    reason: str = ""
    classes: npt.NDArray[Any] | None = None
    inputs: Sequence[str] = ()
    baselines: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    importances: Mapping[str, float] = field(default_factory=dict)
    notes: Sequence[str] = ()
    files: str = ""
    commands: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    details: Mapping[str, str] = field(default_factory=dict)

    def write(self, path: Path, sections: Sequence[str]) -> None:
        """Write the page, with further sections, to a file."""
        parts = [use_section(self.files, self.commands)] if self.commands else []
        parts.append(self._predictions())
        if self.baselines:
            parts.append(self._beside())
        levels = [name for name in self.figures if name.startswith("coverage_")]
        if levels:
            shares = [(f"{name[9:]} %", f"{100 * self.figures[name]:.1f} %") for name in levels]
            parts.append(
                section("Calibration of intervals", _COVERAGE, table_html(["interval", "share of rows"], shares))
            )
        if self.importances:
            parts.append(self._importance())
        parts += [*sections, self._network()]
        if self.notes:
            lines = "".join(f"<li>{escape(note)}</li>" for note in self.notes)
            text = "How the file was read; other columns pass unchanged."
            parts.append(section("Columns", text, f"<ul>{lines}</ul>"))
        parts.append(figures_section(self.figures, TABLE))
        if self.command:
            parts.append(repeat_section(self.command, self.details))
        intro = f"{self.reason} Tested on {counted(len(self.y), 'row')} that were held out: nothing was fitted to them."
        intro += " Of so few rows, figures depend on chance." if len(self.y) < FEW else ""
        write_page(path, f"A network for {self.target}", intro.lstrip(), self._cards(), parts)

    @property
    def tested(self) -> dict[str, float]:
        """Figures of the network at the held-out rows, by the names that they have for other methods."""
        return {name[5:]: value for name, value in self.figures.items() if name.startswith("test_")}

    def _cards(self) -> list[Card]:
        """Return the headline figures: of held-out rows beside other methods, of intervals, size and time."""
        cards = []
        for name, value in self.tested.items():
            others = {_spaced(method): figures[name] for method, figures in self.baselines.items()}
            beside = {method: number(other) for method, other in others.items()}
            cards.append(Card(TABLE[f"test_{name}"], number(value), beside, _verdict(name, value, others)))
        if f"coverage_{LEVEL}" in self.figures:
            share = f"{100 * self.figures[f'coverage_{LEVEL}']:.3g} %"
            meaning = "held-out rows whose target lies in the interval around the prediction"
            cards.append(Card(Metric(meaning, f"In the {LEVEL} % interval"), share, {"target": f"{LEVEL} %"}))
        cards.append(Card(TABLE["parameters"], number(self.graph.architecture.state_size)))
        if "trials" in self.figures:
            front = {TABLE["front"].label: number(self.figures["front"])}
            cards.append(Card(TABLE["trials"], number(self.figures["trials"]), front))
        if "seconds" in self.figures:
            cards.append(Card(TABLE["seconds"], f"{self.figures['seconds']:.1f} s"))
        return cards

    def _beside(self) -> str:
        """Return the figures of this network and of other methods, method by method."""
        methods = {"this network": self.tested, **self.baselines}
        names = [TABLE[f"test_{name}"].label.removesuffix(" on held-out rows") for name in self.tested]
        rows = [[_spaced(method), *values.values()] for method, values in methods.items()]
        kinds = ("Ridge", "the mean of the target") if self.classes is None else ("Logistic", "the most frequent class")
        return section("Beside other methods", _BASELINES.format(*kinds), table_html(["method", *names], rows))

    def _network(self) -> str:
        """Return the picture of the network, whose inputs have the names of the encoded columns."""
        outputs = [self.target] if self.classes is None else list(map(str, self.classes))
        drawn = draw(self.graph, new_axes(5.2, 3.4), inputs=self.inputs, outputs=outputs)
        picture = pictures({repr(self.graph.architecture): drawn}, wide=True)
        return section("The network", EDGES, scroll(f'<div style="min-width: 440px">{picture}</div>'))

    def _predictions(self) -> str:
        """Return predictions against true values with residuals, or the numbers of rows by true and predicted class."""
        if self.classes is None:
            drawn = {
                "Predicted against true; on the line, a prediction is exact": self._predicted(),
                "Residuals, true minus predicted": self._residuals(),
                "Distribution of residuals": self._distribution(),
            }
            return section("Predicted against true, and residuals", "Rows that were held out.", pictures(drawn))
        from pandas import crosstab

        counts = crosstab(self.y, self.classes[self.prediction.argmax(axis=1)])
        rows = [[f"true: {name}", *row] for name, row in zip(counts.index, counts.to_numpy().tolist(), strict=True)]
        table = table_html(["", *(f"predicted: {name}" for name in counts.columns)], rows)
        return section("Predicted against true classes", "Numbers of rows that were held out.", table)

    def _predicted(self) -> "Axes":
        ax = new_axes()
        ends = [min(self.y.min(), self.prediction.min()), max(self.y.max(), self.prediction.max())]
        ax.plot(ends, ends, color=GRAY, linewidth=1)
        _scatter(ax, self.y, self.prediction, "true", "predicted")
        return ax

    def _residuals(self) -> "Axes":
        ax = new_axes()
        ax.axhline(0, color=GRAY, linewidth=1)
        _scatter(ax, self.prediction, self.y - self.prediction, "predicted", "residual")
        return ax

    def _distribution(self) -> "Axes":
        ax = new_axes()
        ax.hist(self.y - self.prediction, bins="auto" if len(self.y) < 1000 else 50, histtype="stepfilled", color=COLOR)
        ax.set(xlabel="residual", ylabel="rows")
        return ax

    def _importance(self) -> str:
        """Return the importance of the first columns as bars, and of all in a table."""
        ranked = sorted(self.importances.items(), key=lambda pair: -pair[1])
        names, values = zip(*reversed(ranked[:MOST_BARS]), strict=True)
        ax = new_axes(4.8, 0.5 + 0.27 * len(names))
        ax.barh(range(len(names)), values, color=COLOR)
        ax.set_yticks(range(len(names)), [short(name, 24) for name in names], parse_math=False)
        caption = (
            f"The {len(names)} most important of {len(ranked)} columns" if len(names) < len(ranked) else "All columns"
        )
        drawn = pictures({caption: ax}, wide=True)
        table = folded(f"{counted(len(ranked), 'column')} as a table", table_html(["column", "importance"], ranked))
        return section("Importance of columns", _IMPORTANCE, drawn, table)


def _verdict(name: str, value: float, others: Mapping[str, float]) -> str:
    """Return how a figure compares with the best of other methods; nothing where that is better."""
    if not others:
        return ""
    sign = 1 if name in _LARGER else -1
    method = max(others, key=lambda other: sign * others[other])
    if abs(value - others[method]) <= EQUAL * abs(others[method]):
        return f"as good as {method}"
    return "the best" if sign * value > sign * others[method] else ""


def _spaced(method: str) -> str:
    return method.replace("_", " ")


def _scatter(ax: "Axes", x: Floats, y: Floats, xlabel: str, ylabel: str) -> None:
    ax.scatter(x, y, s=16, alpha=0.8, color=COLOR, linewidths=0)
    ax.set(xlabel=xlabel, ylabel=ylabel)


def history_section(history: "DataFrame") -> str:
    """Return the steps of a fit: stage, networks, error and seconds."""
    columns = ["stage", "networks", "error", "seconds"]
    steps = table_html(columns, history[columns].to_numpy(dtype=object).tolist())
    return section("Steps of the search", _HISTORY, folded(f"{len(history)} steps", steps))


def front_section(picture: "Axes", front: "DataFrame", chosen: int) -> str:
    """Return a Pareto front: its picture, and its rows, one of them marked."""
    rows = zip(front.index, front.to_numpy(dtype=object).tolist(), strict=True)
    marked = [["chosen" if number == chosen else "", *row] for number, row in rows]
    table = folded(f"{counted(len(marked), 'network')} on the front", table_html(["", *front], marked))
    caption = f"All networks by {front.columns[0]} and {front.columns[1]}"
    return section("The Pareto front", _FRONT, pictures({caption: picture}, wide=True), table)


def draw_front(scores: "DataFrame", front: "DataFrame", chosen: int | None = None) -> "Axes":
    """Draw all points of two objectives, their front as steps, and the chosen point.

    Args:
        scores: All points; the first two columns are drawn, rows that are not finite left out.
        front: The rows on the front, by rising first objective.
        chosen: Index of the point that is marked.

    Returns:
        The picture; an axis is logarithmic where its objective is positive and spans more than two decades.
    """
    ax, names = new_axes(5.2, 3.8), list(scores)[:2]
    points = scores[names].to_numpy(dtype=float)
    points = points[np.isfinite(points).all(axis=1)]
    x, y = front[names].to_numpy(dtype=float).T
    for axis, values in zip("xy", points.T, strict=True):
        if values.min() > 0 and values.max() > TWO_DECADES * values.min():
            ax.set(**{f"{axis}scale": "log"})
    ax.scatter(points[:, 0], points[:, 1], s=14, color=GRAY, alpha=0.6, linewidths=0, label=f"all ({len(points)})")
    right, top = points.max(axis=0)  # the border of what is dominated
    ax.step([x[0], *x, right], [top, *y, y[-1]], where="post", color=COLOR, linewidth=1.2, zorder=2)
    ax.scatter(x, y, s=26, color=COLOR, zorder=3, label=f"front ({len(front)})")
    if chosen is not None:
        across, up = scores.loc[chosen, names]
        ax.scatter(across, up, s=160, marker="*", color=RED, zorder=4, label="chosen")
    ax.set(xlabel=names[0], ylabel=names[1])
    ax.legend(loc="upper right", frameon=False)  # a front lies at the lower left
    return ax

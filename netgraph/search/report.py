"""What a fit came to, as one HTML file: how well it predicts, what it chose from, the network drawn."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from netgraph.evaluation.page import image, new_figure, section, table, write_page
from netgraph.graph.plot import draw
from netgraph.search.estimator import NetGraphRegressor
from netgraph.search.pareto import draw_front
from netgraph.tasks.dataset import Floats

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PREDICTED = "Rows that were held out of the fit. On the line, a prediction is exact."
_FRONT = (
    "The picture shows the first two objectives, the table the networks that no other one surpasses in all of them; "
    "errors on validation rows, in units of the target's variance."
)
_DRAWN = "Blue edges are positive, red ones negative, gray ones structural."


def write_fit_report(
    estimator: NetGraphRegressor, target: str, y: Floats, predicted: Floats, scores: dict[str, float], path: Path
) -> None:
    """Write the report of a fitted estimator.

    Args:
        estimator: It.
        target: Name of the target.
        y: The target of rows that were held out, [rows].
        predicted: What was predicted of them, [rows].
        scores: Figures by name.
        path: Where.
    """
    sections = [
        section("Figures", "", table(["figure", "value"], list(scores.items()))),
        section("Predicted against true", _PREDICTED, image(_predicted(y, predicted), f"{target}, held-out rows")),
        section("The network", _DRAWN, image(_network(estimator), repr(estimator.graph_.architecture))),
        section("What the search did", "", _history(estimator)),
    ]
    if len(estimator.objectives) > 1:
        sections.insert(2, section("The Pareto front", _FRONT, _front(estimator)))
    write_page(f"A network for {target}", "Found by netgraph.", sections, path)


def _predicted(y: Floats, predicted: Floats) -> "Figure":
    figure = new_figure(6, 5)
    ax = figure.subplots()
    ends = [min(y.min(), predicted.min()), max(y.max(), predicted.max())]
    ax.plot(ends, ends, color="#b5b5b5", linewidth=1)
    ax.scatter(y, predicted, s=16, alpha=0.6, color="#4c78a8", linewidths=0)
    ax.set(xlabel="true", ylabel="predicted")
    ax.spines[["top", "right"]].set_visible(False)
    return figure


def _network(estimator: NetGraphRegressor) -> "Figure":
    figure = new_figure(9, 4.5)
    draw(estimator.graph_, figure.subplots())
    return figure


def _front(estimator: NetGraphRegressor) -> str:
    scores, names = torch.tensor(estimator.tuned_.to_numpy()[:, :2]), list(estimator.pareto_)
    figure = new_figure(7, 4.5)
    draw_front(scores, names[:2], estimator.chosen_, figure.subplots())
    members = zip(estimator.pareto_.to_numpy().tolist(), estimator.pareto_graphs_, strict=True)
    rows = [[*row, repr(graph.architecture)] for row, graph in members]
    return image(figure, f"{names[0]} and {names[1]}") + table([*names, "architecture"], rows)


def _history(estimator: NetGraphRegressor) -> str:
    rows = estimator.history_[["stage", "networks", "error", "seconds"]].to_numpy(dtype=object).tolist()
    return table(["stage", "networks", "least error", "seconds so far"], rows)

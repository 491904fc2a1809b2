"""What a fit or a search came to, as one HTML file: how well it predicts, what it chose from, the network drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from netgraph.evaluation.page import image, new_figure, section, table, write_page
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.plot import draw
from netgraph.search.estimator import NetGraphRegressor
from netgraph.search.folds import COLUMN_ROWS
from netgraph.search.pareto import draw_front
from netgraph.search.projection import ROWS_A_COLUMN
from netgraph.tasks.dataset import Floats

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

_PREDICTED = "Rows that were held out. On the line, a prediction is exact."
_FRONT = (
    "The picture shows the first two objectives, the table the networks that no other one surpasses in all of them; "
    "errors on rows that a network was not fitted to, in units of the target's variance."
)
_TRIED = (
    "The networks that no other one surpasses in all objectives; the picture shows the first two, and all that were "
    "tried. Errors are those of leaving out one by one the rows that were searched on, of few rows a column fold by "
    "fold, and those of the rows that were held out, in units of the target's variance. networks/front.safetensors "
    "holds the networks row by row, and networks/network.py is the chosen one."
)
_HYPERVOLUME = (
    "The share of the area up to a reference that the front of the first two objectives dominates. The reference is "
    "the error of predicting the mean, and a tenth more than the largest value of the other objective."
)
_DONE = (
    "Errors of networks that were drawn are those on rows that are left out one by one, of tuned ones those of "
    "cross-validation; those of a committee are what regression on its members' makes of both. Networks that look "
    "where all rows say that the target changes, focused or made for the table, are judged by cross-validation too "
    f"where there are fewer than {COLUMN_ROWS} rows a column, those focused by relevance with fewer than "
    f"{ROWS_A_COLUMN}; with more, their errors are too small by up to a tenth of the noise. Having been chosen "
    "flatters all of them: what the network is worth, the rows held out say."
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
        *_sections(scores, target, y, predicted, estimator.graph_),
        section("What the search did", _DONE, _history(estimator)),
    ]
    if len(estimator.objectives) > 1:
        sections.insert(2, section("The Pareto front", _FRONT, _front(estimator)))
    write_page(f"A network for {target}", "Found by netgraph.", sections, path)


@dataclass(frozen=True)
class Searched:
    """What a search for several objectives came to.

    Attributes:
        objectives: Their names.
        values: Those of all trials, [trials, objectives]; inf for those that failed.
        front: The front, by rising error: objectives and more, its index the trial.
        chosen: The trial that is chosen.
        graph: Its network.
        hypervolumes: Numbers of trials, and the share of the area that their front dominates.
    """

    objectives: tuple[str, ...]
    values: Tensor
    front: "DataFrame"
    chosen: int
    graph: NetGraph
    hypervolumes: Sequence[tuple[int, float]]

    def draw(self) -> "Figure":
        """Draw the front of the first two objectives."""
        figure = new_figure(7, 4.5)
        draw_front(self.values[:, :2], self.objectives[:2], self.chosen, figure.subplots())
        return figure


def write_search_report(
    searched: Searched, target: str, y: Floats, predicted: Floats, scores: dict[str, float], path: Path
) -> None:
    """Write the report of a search.

    Args:
        searched: What it came to.
        target: Name of the target.
        y: The target of rows that were held out, [rows].
        predicted: What the chosen network predicts of them, [rows].
        scores: Figures by name.
        path: Where.
    """
    sections = _sections(scores, target, y, predicted, searched.graph)
    front = image(searched.draw(), " and ".join(searched.objectives[:2])) + _front_table(searched)
    grown = image(_hypervolume(searched.hypervolumes), "hypervolume")
    sections[1:1] = [section("The Pareto front", _TRIED, front), section("Hypervolume", _HYPERVOLUME, grown)]
    write_page(f"Networks for {target}", "Found by netgraph.", sections, path)


def _sections(scores: dict[str, float], target: str, y: Floats, predicted: Floats, graph: NetGraph) -> list[str]:
    return [
        section("Figures", "", table(["figure", "value"], list(scores.items()))),
        section("Predicted against true", _PREDICTED, image(_predicted(y, predicted), f"{target}, held-out rows")),
        section("The network", _DRAWN, image(_network(graph), repr(graph.architecture))),
    ]


def _front_table(searched: Searched) -> str:
    names = [name.replace("_", " ") for name in searched.front]
    rows = [
        ["chosen" if trial == searched.chosen else "", *row]
        for trial, row in zip(searched.front.index, searched.front.to_numpy(dtype=object).tolist(), strict=True)
    ]
    return table(["", *names], rows)


def _hypervolume(hypervolumes: Sequence[tuple[int, float]]) -> "Figure":
    figure = new_figure(7, 3.5)
    ax = figure.subplots()
    ax.plot(*zip(*hypervolumes, strict=True), color="#3b6fb6", drawstyle="steps-post")
    ax.set(xlabel="trials", ylabel="share dominated")
    ax.spines[["top", "right"]].set_visible(False)
    return figure


def _predicted(y: Floats, predicted: Floats) -> "Figure":
    figure = new_figure(6, 5)
    ax = figure.subplots()
    ends = [min(y.min(), predicted.min()), max(y.max(), predicted.max())]
    ax.plot(ends, ends, color="#b5b5b5", linewidth=1)
    ax.scatter(y, predicted, s=16, alpha=0.6, color="#4c78a8", linewidths=0)
    ax.set(xlabel="true", ylabel="predicted")
    ax.spines[["top", "right"]].set_visible(False)
    return figure


def _network(graph: NetGraph) -> "Figure":
    figure = new_figure(9, 4.5)
    draw(graph, figure.subplots())
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

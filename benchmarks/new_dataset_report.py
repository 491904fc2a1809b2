"""The section and the pictures of new data sets, from as many cells as there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import critical_difference as cd
import numpy as np
from checkpoint import picture, table
from matplotlib.figure import Figure
from new_dataset_methods import OURS, TIMED
from new_dataset_reach import fit_time_lines, reach_lines
from new_dataset_results import CONTROLS, METHODS, Compared, Found, Results, compare, win_rate
from results import write_section

from netgraph.tasks import load_real
from netgraph.tasks.dataset import Floats

#: Test R^2 below which a picture shows a point at its lower edge.
FLOOR = -0.3
#: Times the budget from which on a method is told to be late.
LATE = 1.1
ABOUT = (
    "Rows and columns are standardized by the training rows (75 %), the same for all methods; the estimator and the "
    "searches let what lies beyond three deviations count logarithmically, and keep predictions near the range of the "
    "training targets. Of more than 16 columns, "
    "networks that are made for the rows, and those of a zoo, read 16 projections, all others the columns. One thread. "
    "Reading the model and the zoo, and one run of each method before the first cell, are not timed. `netgraph` is "
    "`NetGraphRegressor(max_seconds=budget)` with as many candidates as the time allows, an eighth of them made for "
    "the rows, the others with initial weights: of the same architectures in the first batch, of random ones later. "
    "Random search, random weights, nearest zoo network and evolution are its search (closed-form last layers, the "
    "linear network and four wide ones of random features to begin with, successive halving by cross-validation, "
    "committees) with other candidates: random architectures of the full recipe with PyTorch's initial weights; our "
    "architectures with such weights, which pay for the making; networks of the zoo's training tasks with as many "
    "inputs, those of the tasks with the nearest standardized meta-features first, and of a task the best first; a "
    "population that begins with such networks, drawn at random, whose weights and architectures are mutated and "
    "crossed. `netgraph` alone fits the wide networks again, focused on where the gradients of the best of them say "
    "that the target changes, and others that are focused by the length scales of Gaussian processes; of 10 rows a "
    "column and more, half of the candidates with initial weights look where these networks change. So does `random "
    "search, focused`: what it is ahead of random search is what focusing is worth, and what `netgraph` is ahead of it "
    "what its candidates are worth. No search draws more candidates than a sixtieth of the square of the rows. "
    "MLPRegressor has its default settings; its random search fits drawn settings until the time is over, keeps the "
    "best by the validation rows, and never cuts a fit short. A method that ends before its budget, or after it, has "
    "the seconds that the table says."
)


@dataclass(frozen=True)
class Section:
    """What a section is of.

    Attributes:
        title: Its own.
        targets: What the data sets are.
        about: What the methods are.
        pictures: What the names of its pictures begin with.
    """

    title: str
    targets: str
    about: str
    pictures: str


WHOLE = Section(
    "New data sets",
    "regression targets out of scikit-learn's own data, described at `netgraph.tasks.bundled.load_bundled`; several "
    "come from one table, so they are not independent, and linnerud has 5 test rows",
    ABOUT,
    "new_datasets",
)
COLUMNS = Section(
    "New data sets, every column",
    "regression targets: every column of scikit-learn's diabetes, iris, wine and breast cancer tables that has at "
    "least 10 values and no correlation of 0.98 with another, predicted by the other columns; those of one table are "
    "not independent",
    "Methods are those of the section New data sets, whose targets are not repeated.",
    "new_columns",
)


def report(
    found: Found, total: int, fit_time: dict[str, Any] | None, command: str, section: Section = WHOLE
) -> list[str]:
    """Write the section, draw its pictures, and give its lines.

    Args:
        found: The cells.
        total: How many there are to be.
        fit_time: Seconds of fits of 500 × 10, where they were measured.
        command: What measures the cells.
        section: Which one.
    """
    results = Results(found)
    levels = [level for budget in results.budgets if (level := compare(results, budget))]
    parts = [[intro(found, total, section.targets), "", section.about]]
    if levels:
        parts += [
            rank_lines(levels),
            table_lines(levels),
            win_lines(levels),
            [line for level in levels for line in (verdict(level), "")][:-1],
        ]
        parts += [
            diagrams(levels, section.pictures),
            score_lines(max(levels, key=lambda level: (len(level.datasets), level.budget))),
            [scores_picture(levels, section.pictures)],
        ]
    parts += [reach_lines(results), fit_time_lines(fit_time) if section is WHOLE else []]
    lines = [line for part in parts if part for line in [*part, ""]][:-1]
    write_section(section.title, command, lines)
    return lines


def intro(found: Found, total: int, targets: str) -> str:
    """Say what there is and where it comes from."""
    made = {key: ", ".join(sorted({str(cell[key]) for cell in found})) for key in ("machine", "commit")}
    searched = [cell["seconds"] / cell["cpu_seconds"] for cell in found if cell["method"] in TIMED]
    names = list(dict.fromkeys(cell["dataset"] for cell in found))
    quiet = f" Median wall time over CPU time of the searches: {np.median(searched):.2f}." if searched else ""
    return (
        f"{len(found):,} of {total:,} cells measured, at commit {made['commit'] or '–'} on {made['machine'] or '–'}. "
        f"{len(names)} {targets}. Budgets are seconds of wall time.{quiet}"
    )


def rank_lines(levels: Sequence[Compared]) -> list[str]:
    """Lay out mean ranks, medians of R^2 and seconds."""
    words = {"mean rank": lambda x: x.mean_ranks, "median R²": _median_r2, "median seconds": _median_seconds}
    head = ["method", *(f"{word}, {level.budget:g} s" for word in words for level in levels)]
    columns = [values(level) for values in words.values() for level in levels]
    rows = [[name, *(f"{column[i]:.3f}" for column in columns)] for i, name in enumerate(METHODS)]
    measured = "; ".join(f"{x.budget:g} s: {len(x.datasets)} data sets, {len(x.pairs)} splits" for x in levels)
    text = "Ranks are of mean test R² over splits, 1 the best; medians are over all splits of all data sets"
    return [f"{text} ({measured}).", "", *table(head, rows)]


def table_lines(levels: Sequence[Compared]) -> list[str]:
    """Lay out mean ranks by the table that targets come from, where several are columns of one."""
    tables = list(dict.fromkeys(name.partition(":")[0] for name in levels[0].datasets))
    if len(tables) == len(levels[0].datasets):
        return []
    pairs = [(level, name) for level in levels for name in tables if level.of_table(name).pairs]
    head = ["mean rank", *(f"{name}, {level.budget:g} s" for level, name in pairs)]
    columns = [level.of_table(name).mean_ranks for level, name in pairs]
    return table(head, [[name, *(f"{column[i]:.2f}" for column in columns)] for i, name in enumerate(METHODS)])


def _median_r2(level: Compared) -> Floats:
    return np.asarray(np.median(level.r2, axis=0))


def _median_seconds(level: Compared) -> Floats:
    return np.asarray(np.median(level.seconds, axis=0))


def win_lines(levels: Sequence[Compared]) -> list[str]:
    """Lay out how often ours is better than each other method."""
    at = METHODS.index(OURS)
    head = ["netgraph against", *(f"{of}, {level.budget:g} s" for of in ("data sets", "splits") for level in levels)]
    sides = [level.means for level in levels] + [level.r2 for level in levels]
    rows = [
        [name, *(f"{win_rate(side[:, at], side[:, i]):.0%}" for side in sides)]
        for i, name in enumerate(METHODS)
        if name != OURS
    ]
    return ["Share in which netgraph has the larger test R² (a tie counts half):", "", *table(head, rows)]


def verdict(level: Compared) -> str:
    """Say who is best, whoever it is, and who took longer than the budget."""
    ranks, means, at = level.mean_ranks, level.means, METHODS.index(OURS)
    named = {METHODS[i]: ranks[i] for i in np.argsort(ranks, kind="stable")}
    better = [f"{name} ({rank:.2f})" for name, rank in named.items() if rank < ranks[at]]
    losses = [f"{name} on {int((means[:, METHODS.index(name)] > means[:, at]).sum())}" for name in CONTROLS]
    late = [f"{n} ({t:.2f} s)" for n, t in zip(METHODS, _median_seconds(level), strict=True) if t > LATE * level.budget]
    parts = [
        f"**{level.budget:g} s**: netgraph has the mean rank {ranks[at]:.2f}; "
        + (f"ranked better: {', '.join(better)}." if better else "no method is ranked better."),
        f"Of {len(means)} data sets, better than netgraph are {', '.join(losses)}.",
        f"Over the budget by more than a tenth, in the median: {', '.join(late) or 'none'}.",
    ]
    if len(means) > 1:
        found, distance = cd.friedman(cd.ranks(means)), cd.critical_difference(len(METHODS), len(means))
        apart = [name for name, rank in named.items() if abs(rank - ranks[at]) > distance]
        parts.append(
            f"Friedman's χ² {found.chi_square:.1f}, F {found.f:.2f}, p {found.p:.2g}; critical difference "
            f"{distance:.2f}: netgraph differs from {', '.join(apart) or 'none'}."
        )
    return " ".join(parts)


def diagrams(levels: Sequence[Compared], pictures: str) -> list[str]:
    """Draw the mean ranks of each budget."""
    lines = []
    for level in (level for level in levels if len(level.datasets) > 1):
        name, n = f"{pictures}_ranks_{level.budget:g}", len(level.datasets)
        title = f"Mean ranks at {level.budget:g} s, {n} data sets"
        figure = cd.draw(METHODS, level.mean_ranks, cd.critical_difference(len(METHODS), n), title)
        lines += [picture(figure, name, f"{title}; bars join methods that do not differ (Nemenyi, 5 %)"), ""]
    return lines[:-1]


def score_lines(level: Compared) -> list[str]:
    """Lay out mean test R^2 by data set."""
    shapes = [load_real(name).x.shape for name in level.datasets]
    head = ["data set", "rows × columns", *METHODS]
    rows = [
        [name, f"{shape[0]:,} × {shape[1]}", *(f"{value:.3f}" for value in values)]
        for name, shape, values in zip(level.datasets, shapes, level.means, strict=True)
    ]
    return [f"Test R² at {level.budget:g} s, mean over splits:", "", *table(head, rows)]


def scores_picture(levels: Sequence[Compared], name: str) -> str:
    """Draw test R^2 of every split."""
    figure = Figure(figsize=(max(12, 0.45 * len(levels[0].datasets)), 1.6 + 2.2 * len(levels)), layout="constrained")
    for ax, level in zip(figure.subplots(len(levels), 1, squeeze=False)[:, 0], levels, strict=True):
        place = {name: i for i, name in enumerate(level.datasets)}
        x = np.array([place[name] for name, _ in level.pairs])
        for i, method in enumerate(METHODS):
            at, color = (i - (len(METHODS) - 1) / 2) * 0.085, f"C{i}"
            ax.scatter(x + at, level.r2[:, i].clip(FLOOR), s=8, color=color, alpha=0.6, linewidths=0, label=method)
            ax.scatter(np.arange(len(place)) + at, level.means[:, i].clip(FLOOR), s=45, color=color, marker="_")
        ax.set(ylabel=f"test R², {level.budget:g} s", ylim=(FLOOR - 0.05, 1.03), xlim=(-0.6, len(place) - 0.4))
        names = list(place) if level is levels[-1] or list(place) != levels[-1].datasets else []
        ax.set_xticks(range(len(place)), names or [""] * len(place), rotation=20, ha="right", fontsize=8)
        ax.spines[["top", "right"]].set_visible(False)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=5, frameon=False, fontsize=8, markerscale=2)
    about = f"Test R² of every split, dashes the means; what is below {FLOOR:g} is drawn there"
    return picture(figure, name, about)

"""Comparing methods over many data sets: ranks, Friedman's test, Nemenyi's critical difference, and the picture of it.

Source: Demšar, Statistical comparisons of classifiers over multiple data sets, JMLR 7 (2006).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from scipy.stats import f as f_distribution
from scipy.stats import rankdata, studentized_range

Floats = npt.NDArray[np.float64]
#: Heights of the lines that lead to names, of the bars, and of the scale's ticks, in lines of text.
LINE, BAR, TICK = 1.0, 0.35, 0.2


@dataclass(frozen=True)
class Friedman:
    """Friedman's test of whether all methods are alike.

    Attributes:
        chi_square: Friedman's statistic.
        f: Iman and Davenport's (1980), which is less conservative; inf where all data sets rank alike.
        p: Probability of an ``f`` as large where all methods are alike.
    """

    chi_square: float
    f: float
    p: float


def ranks(scores: Floats) -> Floats:
    """Rank methods on each data set, 1 for the largest score, the mean rank where scores tie.

    Args:
        scores: [data sets, methods]; minus infinity for what failed.
    """
    return np.asarray(rankdata(-scores, axis=1), dtype=np.float64)


def friedman(ranked: Floats) -> Friedman:
    """Test ranks, [data sets, methods], at least 2 of either; equations 6.1 and 6.2 of the paper's section 3.2.2."""
    n, k = ranked.shape
    chi_square = 12 * n / (k * (k + 1)) * (np.square(ranked.mean(axis=0)).sum() - k * (k + 1) ** 2 / 4)
    left = n * (k - 1) - chi_square
    f = (n - 1) * chi_square / left if left > 1e-9 else np.inf
    return Friedman(float(chi_square), float(f), float(f_distribution.sf(f, k - 1, (k - 1) * (n - 1))))


def critical_difference(n_methods: int, n_sets: int, alpha: float = 0.05) -> float:
    """Give the difference of mean ranks from which on two methods differ, by Nemenyi's two-tailed test."""
    q = studentized_range.ppf(1 - alpha, n_methods, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(n_methods * (n_methods + 1) / (6 * n_sets)))


def cliques(mean_ranks: Floats, distance: float) -> list[tuple[int, int]]:
    """Find the largest groups of methods that do not differ.

    Args:
        mean_ranks: In rising order, [methods].
        distance: The critical difference.

    Returns:
        First and last member of each group of at least two that lies within no other.
    """
    found: list[tuple[int, int]] = []
    for first, rank in enumerate(mean_ranks):
        last = int(np.searchsorted(mean_ranks, rank + distance, side="right")) - 1
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


def draw(names: Sequence[str], mean_ranks: Floats, distance: float, title: str) -> Figure:
    """Draw mean ranks on a scale, the best at the left, and a bar over methods that do not differ.

    Args:
        names: The methods.
        mean_ranks: Theirs, [methods].
        distance: The critical difference.
        title: Stands above.
    """
    order = np.argsort(mean_ranks, kind="stable")
    sorted_ranks, k = mean_ranks[order], len(names)
    bars = cliques(sorted_ranks, distance)
    half = (k + 1) // 2
    below = BAR * (len(bars) + 1)
    figure = Figure(figsize=(8.0, 1.1 + 0.24 * (below + half)), layout="constrained")
    ax = figure.subplots()
    _scale(ax, k, distance)
    for place, rank in enumerate(sorted_ranks):
        left = place < half
        y = -below - LINE * (place if left else k - 1 - place)
        end = 0.8 if left else k + 0.2
        ax.plot([rank, rank, end], [0, y, y], color="black", linewidth=0.8)
        text = f"{names[order[place]]} ({rank:.2f})"
        ax.text(end - 0.05 if left else end + 0.05, y, text, ha="right" if left else "left", va="center", fontsize=9)
    for number, (first, last) in enumerate(bars, start=1):
        ends = [sorted_ranks[first] - 0.04, sorted_ranks[last] + 0.04]
        ax.plot(ends, [-BAR * number] * 2, color="black", linewidth=3, solid_capstyle="butt")
    ax.set(xlim=(-0.45 * k, 1.45 * k + 1), ylim=(-below - LINE * half, 3.2), title=title)
    ax.axis("off")
    return figure


def _scale(ax: Any, k: int, distance: float) -> None:
    """Draw the scale of ranks, and above it the critical difference."""
    ax.plot([1, k], [0, 0], color="black", linewidth=0.8)
    for rank in range(1, k + 1):
        ax.plot([rank, rank], [0, TICK], color="black", linewidth=0.8)
        ax.text(rank, 2 * TICK, str(rank), ha="center", va="bottom", fontsize=8)
    ax.errorbar([1 + distance / 2], [2.2], xerr=distance / 2, color="black", linewidth=0.8, capsize=3)
    ax.text(1 + distance / 2, 2.4, f"critical difference {distance:.2f}", ha="center", va="bottom", fontsize=8)

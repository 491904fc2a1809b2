"""New data sets: test R² of networks found in seconds, beside other methods."""

import time
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import studentized_range
from sklearn.datasets import make_friedman1
from sklearn.metrics import r2_score

from benchmarks.methods import MLP, OURS, TIMED, UNTIMED, Method, Problem
from benchmarks.report import Picture, table
from netgraph import NetGraphRegressor
from netgraph.tasks import real_names

METHODS = TIMED | UNTIMED
#: Ours in no more time than MLPRegressor took, and the share of its seconds: a fit ends a little after its budget.
MATCHED, MATCHED_SHARE = "netgraph, in MLPRegressor's time", 0.9
#: A fit whose time is taken, and the number of its repetitions.
TIMED_FIT, N_FITS = "friedman1, 500 × 10", 5
TITLE = "New data sets"
ABOUT = (
    "Regression targets out of scikit-learn's own data (`netgraph.tasks.load_real`), several from one table; 25 % of "
    "the rows are the test. All methods get the same standardized rows, one thread and the seed of the split. "
    "`netgraph` is the ensemble of `NetGraphRegressor(max_seconds=budget, objectives='error')` with as many candidates "
    "as the time allows; the next five methods are its search with unscaled random features and other candidates: "
    "random architectures with PyTorch's initial weights, alone or with the scaled ones of netgraph; generated "
    "architectures with such weights; networks of a zoo's training tasks, the nearest by meta-features first; a "
    "population of zoo networks, mutated and crossed. The random search of MLPRegressor keeps the settings that are "
    "best on 20 % of the training rows. Loading and a first fit of each method are not timed."
)


def grid(
    budgets: list[float] | None = None, splits: int = 3, datasets: list[str] | None = None, zoo: str = "runs/quick/zoo"
) -> list[dict[str, Any]]:
    """Return a run for each budget, split, data set and method, and the timed fits.

    Args:
        budgets: Seconds; 5 when None.
        splits: Number of splits.
        datasets: Names of data sets; those inside scikit-learn when None.
        zoo: Folder of a zoo of the quick recipe.
    """
    pairs = [(name, split) for split in range(splits) for name in datasets or real_names()]
    runs = [(*pair, method, budget) for budget in budgets or [5.0] for pair in pairs for method in TIMED]
    runs += [(*pair, method, None) for pair in pairs for method in (*UNTIMED, MATCHED)]
    runs += [(TIMED_FIT, seed, OURS, None) for seed in range(N_FITS)]
    return [dict(zip(("dataset", "split", "method", "budget", "zoo"), (*run, zoo), strict=True)) for run in runs]


def measure(dataset: str, split: int, method: str, budget: float | None, zoo: str) -> dict[str, Any]:
    """Fit one method and test it; R² is minus infinity where a prediction is not finite."""
    warm_up(zoo)
    if dataset == TIMED_FIT:
        x, y = make_friedman1(500, 10, random_state=0)
        started = time.perf_counter()
        NetGraphRegressor(objectives="error", random_state=split).fit(x, y)
        return {"seconds": time.perf_counter() - started}
    problem = Problem.load(dataset, split, zoo)
    if method != MATCHED:
        return fit(METHODS[method], problem, budget or 0.0)
    mlp = fit(METHODS[MLP], problem, 0.0)
    ours = fit(METHODS[OURS], problem, MATCHED_SHARE * mlp["seconds"])
    return ours | {f"{MLP}: {name}": value for name, value in mlp.items()}


@cache
def warm_up(zoo: str) -> None:
    """Fit every method once: imports and first compilations are not the methods' time."""
    random = np.random.default_rng(0)
    x, y = random.normal(size=(40, 3)), random.normal(size=40)
    for method in METHODS.values():
        method(Problem(x, y, x, y, 0, zoo), 0.1)


def fit(method: Method, problem: Problem, budget: float) -> dict[str, float]:
    """Return test R² and seconds of a method."""
    started = time.perf_counter()
    predict = method(problem, budget)
    seconds = time.perf_counter() - started
    prediction = predict(problem.x_test)
    r2 = r2_score(problem.y_test, prediction) if np.isfinite(prediction).all() else -np.inf
    return {"r2": float(r2), "seconds": seconds}


def at_budget(runs: pd.DataFrame, budget: float, value: str = "r2") -> pd.DataFrame:
    """Return a value by data set and split, [pairs, methods], of the pairs that all methods were measured on."""
    chosen = runs[runs["budget"].isna() | (runs["budget"] == budget)]
    values = chosen.pivot_table(value, ["dataset", "split"], "method", sort=False).reindex(columns=list(METHODS))
    return values.dropna().rename_axis(columns=None)


def mean_ranks(runs: pd.DataFrame, budget: float) -> pd.Series:
    """Return each method's mean rank over data sets, 1 the best, of the mean test R² over splits; ties share theirs."""
    means = at_budget(runs, budget).groupby("dataset", sort=False).mean()
    return means.rank(axis=1, ascending=False).mean()


def critical_difference(n_methods: int, n_datasets: int, alpha: float = 0.05) -> float:
    """Return the least difference of mean ranks of two methods that differ (Nemenyi's test; Demšar 2006)."""
    q = studentized_range.ppf(1 - alpha, n_methods, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(n_methods * (n_methods + 1) / (6 * n_datasets)))


def in_mlp_time(runs: pd.DataFrame) -> pd.DataFrame:
    """Return R² and seconds of both, means over splits, and whether netgraph is better in no more time."""
    columns = [f"{MLP}: r2", f"{MLP}: seconds", "r2", "seconds"]
    both = runs[runs["method"] == MATCHED].reindex(columns=["dataset", *columns]).groupby("dataset").mean()
    return both.assign(better=(both["r2"] > both[columns[0]]) & (both["seconds"] <= both[columns[1]]))


def report(runs: pd.DataFrame) -> list[str | Picture]:
    """Return ranks, wins and R² by budget, netgraph in MLPRegressor's time, and the timed fits."""
    budgets = [budget for budget in sorted(runs["budget"].dropna().unique()) if len(at_budget(runs, budget))]
    matched, seconds = in_mlp_time(runs), runs.loc[runs["dataset"] == TIMED_FIT, "seconds"]
    times = ", ".join(f"{value:.2f}" for value in seconds)
    return [
        *(part for budget in budgets for part in budget_parts(runs, budget)),
        f"In no more time than MLPRegressor took, netgraph is better on {matched['better'].sum()} of {len(matched)} "
        "data sets (means over splits):",
        table(matched),
        "`NetGraphRegressor(objectives='error').fit` of 500 × 10 (`make_friedman1`), one thread: "
        f"{seconds.median():.2f} s in the median ({times} s).",
    ]


def budget_parts(runs: pd.DataFrame, budget: float) -> list[str | Picture]:
    """Return the tables and the picture of a budget."""
    r2, ranks = at_budget(runs, budget), mean_ranks(runs, budget)
    means = r2.groupby("dataset", sort=False).mean()
    columns = {
        "mean rank": ranks,
        "median R²": r2.median(),
        "median seconds": at_budget(runs, budget, "seconds").median(),
        "netgraph is better: data sets": means.lt(means[OURS], axis=0).sum(),
        "splits": r2.lt(r2[OURS], axis=0).sum(),
    }
    difference = critical_difference(len(METHODS), len(means))
    text = (
        f"**{budget:g} s**: {len(means)} data sets, {len(r2)} splits. Ranks are of the mean test R² over splits. "
        f"Critical difference of mean ranks (Nemenyi, 5 %): {difference:.2f}."
    )
    figure, worst_first = Figure(figsize=(7, 3.2), layout="constrained"), ranks.sort_values(ascending=False)
    axes = figure.subplots()
    axes.errorbar(worst_first, worst_first.index, xerr=difference / 2, fmt="o", color="black", capsize=3)
    axes.set_xlabel(f"mean rank at {budget:g} s")
    caption = f"Mean ranks at {budget:g} s; methods whose bars do not overlap differ (Nemenyi, 5 %)"
    picture = Picture(f"new_datasets_ranks_{budget:g}", caption, figure)
    ranked = table(pd.DataFrame(columns).rename_axis("method"))
    return [text, ranked, picture, f"Mean test R² over splits at {budget:g} s:", table(means)]

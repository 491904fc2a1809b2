"""The default of NetGraphRegressor on the bundled targets: parameters, test R² and coverage of its intervals."""

import time
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import r2_score

from benchmarks.methods import Problem, quiet
from benchmarks.report import Picture, table
from netgraph import NetGraphRegressor
from netgraph.tasks import real_names

OBJECTIVES = {"small": ("error", "parameters"), "ensemble": "error"}
BOOSTING = "gradient boosting"
#: Standard deviations within which 80 % of a normal distribution lie.
HALF_WIDTH = norm.ppf(0.9)
#: Difference of mean test R² that counts as none.
CLOSE = 0.02
TITLE = "The default network"
ABOUT = (
    "Regression targets out of scikit-learn's own data (`netgraph.tasks.load_real`); 25 % of the rows are the test. "
    "`small` is `NetGraphRegressor()` with its defaults, `ensemble` the same with `objectives='error'`, gradient "
    "boosting scikit-learn's `HistGradientBoostingRegressor()`. Coverage is the share of test rows within 1.28 "
    "standard deviations, of `predict(X, return_std=True)`, of their prediction; a normal interval at 80 %. "
    "One thread."
)


def grid(splits: int = 3, datasets: list[str] | None = None) -> list[dict[str, Any]]:
    """Return a run for each split, data set and method.

    Args:
        splits: Number of splits.
        datasets: Names of data sets; those inside scikit-learn when None.
    """
    methods = (*OBJECTIVES, BOOSTING)
    names = [(name, split) for split in range(splits) for name in datasets or real_names()]
    return [{"dataset": name, "split": split, "method": method} for name, split in names for method in methods]


def measure(dataset: str, split: int, method: str) -> dict[str, Any]:
    """Fit one method and test it."""
    problem = Problem.load(dataset, split, "")
    began = time.perf_counter()
    if method == BOOSTING:
        model = HistGradientBoostingRegressor(random_state=split).fit(problem.x, problem.y)
        seconds = time.perf_counter() - began
        return {"r2": r2_score(problem.y_test, model.predict(problem.x_test)), "seconds": seconds}
    with quiet():
        ours = NetGraphRegressor(objectives=OBJECTIVES[method], random_state=split).fit(problem.x, problem.y)
    seconds = time.perf_counter() - began
    prediction, deviation = ours.predict(problem.x_test, return_std=True)
    inside = np.abs(prediction - problem.y_test) < HALF_WIDTH * deviation
    return {
        "r2": r2_score(problem.y_test, prediction),
        "seconds": seconds,
        "parameters": ours.graph_.architecture.state_size,
        "coverage": inside.mean(),
        "source": ours.candidates_["source"][ours.chosen_],
    }


def report(runs: pd.DataFrame) -> list[str | Picture]:
    """Tabulate R², parameters, coverage and seconds by data set, and count data sets with an R² as large."""
    means = runs.pivot_table(["r2", "seconds", "coverage", "parameters"], "dataset", "method", sort=False)
    r2, ours = means["r2"], runs[runs["method"] != BOOSTING].groupby("method")
    frame = r2.reindex(columns=[*OBJECTIVES, BOOSTING])
    for name in OBJECTIVES:
        frame[f"parameters, {name}"] = means["parameters"].get(name)
    frame["coverage, small"], frame["seconds, small"] = means["coverage"].get("small"), means["seconds"].get("small")
    good = int((r2["small"] >= r2[BOOSTING] - CLOSE).sum())
    medians, coverage = ours["parameters"].median(), ours["coverage"].mean()
    about = (
        f"Median parameters: {medians['small']:,.0f} (ensemble {medians.get('ensemble', np.nan):,.0f}). Mean test R² "
        f"is within {CLOSE} of gradient boosting's or better on {good} of {len(r2)} data sets. Intervals at 80 % cover "
        f"{100 * coverage['small']:.1f} % of the test rows (ensemble {100 * coverage.get('ensemble', np.nan):.1f} %), "
        "means over data sets and splits."
    )
    return [about, "Means over splits:", table(frame.rename_axis(columns=None))]

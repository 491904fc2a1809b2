"""Other methods on the rows of a job, and the figures of predictions."""

from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import accuracy_score, mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from netgraph.figures import LEVELS
from netgraph.tasks.table import Floats

#: Penalties of the ridge regression, of which leave-one-out errors choose; on standardized columns.
_ALPHAS = np.logspace(-3, 4, 15)


def prediction_figures(y: npt.NDArray[Any], prediction: Floats, classes: npt.NDArray[Any] | None) -> dict[str, float]:
    """Return R^2 and errors of predictions, or accuracy and log loss of probabilities.

    Args:
        y: Target, [rows]: numbers or classes.
        prediction: Predictions, [rows], or probabilities, [rows, classes].
        classes: The classes, sorted; None where the target is numbers.

    Example:
        >>> prediction_figures(np.array(["a", "b"]), np.array([[1.0, 0.0], [0.5, 0.5]]), np.array(["a", "b"]))
        {'accuracy': 0.5, 'log_loss': 0.34657359027997264}
    """
    if classes is None:
        return {
            "r2": float(r2_score(y, prediction)),
            "rmse": float(root_mean_squared_error(y, prediction)),
            "mae": float(mean_absolute_error(y, prediction)),
        }
    true = y[:, None] == classes  # a class that was not seen in training has no column
    share = np.clip((prediction * true).sum(axis=1), np.finfo(np.float64).eps, 1.0)
    return {
        "accuracy": float(accuracy_score(y, classes[prediction.argmax(axis=1)])),
        "log_loss": float(-np.log(share).mean()),
    }


def interval_figures(y: Floats, prediction: Floats, deviation: Floats) -> dict[str, float]:
    """Return the share of rows in the normal intervals around their predictions, by the share that they are to hold.

    Args:
        y: Target, [rows].
        prediction: Predictions, [rows].
        deviation: Their standard deviations, [rows].

    Example:
        >>> interval_figures(np.array([0.0, 1.0]), np.zeros(2), np.ones(2))
        {'coverage_50': 0.5, 'coverage_80': 1.0, 'coverage_95': 1.0}
    """
    error = np.abs(y - prediction) / deviation
    widths = {level: NormalDist().inv_cdf((1 + level / 100) / 2) for level in LEVELS}
    return {f"coverage_{level}": float((error <= width).mean()) for level, width in widths.items()}


def baseline_figures(
    X: Floats, y: npt.NDArray[Any], X_test: Floats, y_test: npt.NDArray[Any], has_classes: bool, seed: int
) -> dict[str, dict[str, float]]:
    """Return the figures of linear regression, gradient boosting and a constant, by method.

    Args:
        X: Encoded features of the rows that they are fitted to, [rows, features].
        y: Their target, [rows].
        X_test: Those of the rows that they are tested on.
        y_test: Their target.
        has_classes: Whether the target is classes.
        seed: Seed of the boosting.
    """
    if has_classes:
        methods: dict[str, Any] = {
            "logistic_regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
            "boosting": HistGradientBoostingClassifier(random_state=seed),
            "the_most_frequent": DummyClassifier(strategy="prior"),
        }
    else:
        methods = {
            "ridge": make_pipeline(StandardScaler(), RidgeCV(_ALPHAS)),
            "boosting": HistGradientBoostingRegressor(random_state=seed),
            "the_mean": DummyRegressor(),
        }
    classes, figures = np.unique(y) if has_classes else None, {}
    for name, method in methods.items():
        method.fit(X, y)
        prediction = method.predict_proba(X_test) if has_classes else method.predict(X_test)
        figures[name] = prediction_figures(y_test, prediction, classes)
    return figures

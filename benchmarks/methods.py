"""Ten methods for a new data set."""

import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import loguniform
from sklearn.base import RegressorMixin
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import ParameterSampler, train_test_split
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler

from benchmarks.candidates import Evolution, Library, Nearest, RandomWeights
from netgraph import NetGraphRegressor, Zoo
from netgraph.search import Candidates, Generated, Random, RandomFeatures, ScaledRandom
from netgraph.tasks import load_real, split

Floats = NDArray[np.float64]
#: Share of the training rows by which settings of MLPRegressor are chosen.
VALIDATION_SHARE = 0.2
#: More candidates, and more settings, than any time budget suffices for.
MANY = 1_000_000
#: Settings from which those of MLPRegressor are drawn.
SETTINGS = {
    "hidden_layer_sizes": [(16,), (32,), (64,), (128,), (16, 16), (32, 32), (64, 64), (128, 128), (64, 64, 64)],
    "activation": ["relu", "tanh", "logistic"],
    "solver": ["adam", "adam", "adam", "lbfgs"],
    "alpha": loguniform(1e-6, 10),
    "learning_rate_init": loguniform(3e-4, 3e-2),
    "batch_size": ["auto", 32, 64],
    "early_stopping": [False, True],
}


@dataclass(frozen=True)
class Problem:
    """A split of a data set, standardized by its training rows, its seed, and the folder of a zoo for some methods."""

    x: Floats
    y: Floats
    x_test: Floats
    y_test: Floats
    seed: int
    zoo: str

    @classmethod
    def load(cls, dataset: str, seed: int, zoo: str) -> "Problem":
        """Split a real data set."""
        real = load_real(dataset)
        train, _, test = split(len(real.y), seed, test_share=0.25)
        of_x, of_y = (StandardScaler().fit(rows[train]) for rows in (real.x, real.y[:, None]))
        x, y = of_x.transform(real.x), of_y.transform(real.y[:, None])[:, 0]
        return cls(x[train], y[train], x[test], y[test], seed, zoo)


#: Fits a problem within seconds of wall time, as far as it can, and returns a function from features to the target.
Method = Callable[[Problem, float], Callable[[Floats], Any]]


def quiet() -> AbstractContextManager[Any]:
    """Suppress warnings of the estimators: of projections, and of simple predictions that are as good."""
    return warnings.catch_warnings(action="ignore", category=UserWarning)


@cache
def library(zoo: str) -> Library:
    """Return the networks of a zoo; they are read before any clock starts."""
    return Library(Zoo(zoo))


def searched(sources: Callable[[Problem], list[Candidates]] | None = None) -> Method:
    """Return the search of NetGraphRegressor with unscaled random features and others than its own candidates."""

    def method(problem: Problem, seconds: float) -> Callable[[Floats], Any]:
        candidates = None if sources is None else [RandomFeatures(None), *sources(problem)]
        model = NetGraphRegressor(None, seconds, MANY, candidates, "error", problem.seed)
        with quiet():
            return model.fit(problem.x, problem.y).predict

    return method


def fitted_mlp(x: Floats, y: Floats, seed: int, settings: Mapping[str, Any]) -> RegressorMixin:
    """Fit MLPRegressor, without warnings of too few steps or rows; the mean where it diverges."""
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning), np.errstate(all="ignore"):
        warnings.filterwarnings("ignore", "Got `batch_size` less than 1 or larger", UserWarning)
        try:
            return MLPRegressor(random_state=seed, **settings).fit(x, y)
        except ValueError:
            return DummyRegressor().fit(x, y)


def search_mlp(problem: Problem, seconds: float) -> Callable[[Floats], Any]:
    """Draw settings until the time is over, and fit those of least validation error to all rows.

    No more are drawn when the time left is shorter than that of the best fit so far; a fit is never cut short.
    """
    began, last, least, best = time.perf_counter(), 0.0, np.inf, {}  # type: float, float, float, Mapping[str, Any]
    split = train_test_split(problem.x, problem.y, test_size=VALIDATION_SHARE, random_state=problem.seed)
    for settings in ParameterSampler(SETTINGS, MANY, random_state=problem.seed):
        started = time.perf_counter()
        if started - began + last >= seconds:
            break
        model = fitted_mlp(split[0], split[2], problem.seed, settings)
        error = float(np.square(model.predict(split[1]) - split[3]).mean())
        if error < least:
            least, best, last = error, settings, (time.perf_counter() - started) / (1 - VALIDATION_SHARE)
    return fitted_mlp(problem.x, problem.y, problem.seed, best).predict


OURS, MLP = "netgraph", "MLPRegressor"
#: Methods with a time budget, by name.
TIMED: Mapping[str, Method] = {
    OURS: searched(),
    "random search": searched(lambda problem: [Random()]),
    "random search, random features": searched(
        lambda problem: [RandomFeatures("agop"), ScaledRandom(), RandomFeatures("ard")]
    ),
    "random weights": searched(lambda problem: [RandomWeights(Generated())]),
    "nearest zoo network": searched(lambda problem: [Nearest(library(problem.zoo))]),
    "evolution without the VAE": searched(lambda problem: [Evolution(library(problem.zoo))]),
    "MLPRegressor, random search": search_mlp,
}
#: Methods without one.
UNTIMED: Mapping[str, Method] = {
    MLP: lambda problem, seconds: fitted_mlp(problem.x, problem.y, problem.seed, {}).predict,
    "ridge": lambda problem, seconds: RidgeCV(np.logspace(-3, 3, 13)).fit(problem.x, problem.y).predict,
    "gradient boosting": lambda problem, seconds: (
        HistGradientBoostingRegressor(random_state=problem.seed).fit(problem.x, problem.y).predict
    ),
}

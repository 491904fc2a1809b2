"""The methods that are given a new data set, all from the same standardized rows, on one thread."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from new_dataset_sources import Evolution, InOrder, Library, Projected
from sklearn.base import RegressorMixin
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import ParameterSampler
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from torch import Generator

from netgraph import NetGraph, NetGraphRegressor, NetVAE
from netgraph.evaluation import random_like
from netgraph.search import SearchConfig
from netgraph.search.data import Data
from netgraph.search.deadline import Deadline
from netgraph.search.fit import find
from netgraph.search.preprocess import Preprocessing, merge_rows
from netgraph.search.projection import Projection
from netgraph.search.running import predict
from netgraph.search.source import Source
from netgraph.search.sources import Drawn, Prior, Random
from netgraph.tasks import load_real, split
from netgraph.tasks.dataset import Floats
from netgraph.zoo.architectures import ArchitectureRecipe

#: Share of the rows that methods are tested on.
TEST_SHARE = 0.25
#: Share of the training rows by which settings of scikit-learn's network are chosen.
VALIDATION_SHARE = 0.2
#: More candidates than any budget lets a search draw.
MANY = 1_000_000
#: Inputs of the largest networks that the checkpoint which ships was trained on.
MOST_INPUTS = 16


@dataclass(frozen=True)
class Problem:
    """A split of a data set, standardized by its training rows.

    Attributes:
        x: Training rows, [rows, columns].
        y: Their target, [rows].
        x_test: Test rows.
        y_test: Their target.
        seed: Of the split, and of every method.
    """

    x: Floats
    y: Floats
    x_test: Floats
    y_test: Floats
    seed: int

    @property
    def n_read(self) -> int:
        """Inputs of a zoo's networks: all columns, or as many projections as they read at most."""
        data = Preprocessing.fit(self.x, self.y).data(self.x, self.y)
        return Projection(data, MOST_INPUTS).data(data).x.shape[1]


@lru_cache(maxsize=32)
def problem_of(name: str, number: int) -> Problem:
    """Give one of the splits of a real data set."""
    real = load_real(name)
    parts = split(len(real.y), number, test_share=TEST_SHARE)
    of_x, of_y = (StandardScaler().fit(rows[parts.train]) for rows in (real.x, real.y[:, None]))
    x, y = of_x.transform(real.x), of_y.transform(real.y[:, None])[:, 0]
    return Problem(x[parts.train], y[parts.train], x[parts.test], y[parts.test], number)


@dataclass(frozen=True)
class Fitted:
    """What a method came to.

    Attributes:
        predict: Gives the standardized target, [rows], of standardized rows, [rows, columns].
        notes: What else is worth keeping, as plain values.
    """

    predict: Callable[[Floats], Any]
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Tools:
    """What was read before any clock starts.

    Attributes:
        vae: The model.
        checkpoint: Its file; None for the one that ships.
        library: Networks of the training zoo.
        recipe: What random architectures are made of.
    """

    vae: NetVAE
    checkpoint: Path | None
    library: Library
    recipe: ArchitectureRecipe


#: Fits a problem within seconds of wall time, as far as it can.
Method = Callable[[Tools, Problem, float], Fitted]


def fit_estimator(tools: Tools, problem: Problem, seconds: float) -> Fitted:
    """Fit the estimator as a user does who gives it a time, and as many candidates as that allows."""
    checkpoint = None if tools.checkpoint is None else str(tools.checkpoint)
    estimator = NetGraphRegressor(checkpoint, seconds, MANY, random_state=problem.seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"X has \d+ columns; networks made for it read", UserWarning)
        estimator.fit(problem.x, problem.y)
    notes = _notes(estimator.graph_, estimator.history_.to_dict("records"))
    return Fitted(estimator.predict, notes)


def _notes(graph: NetGraph, history: list[dict[str, Any]]) -> dict[str, Any]:
    drawn = max((step["networks"] for step in history if step["stage"] == "drawn"), default=0)
    size = graph.architecture.state_size
    return {"architecture": repr(graph.architecture), "parameters": size, "candidates": drawn, "history": history}


#: Gives, for standardized rows and a seed, candidates and how many there are at most.
MakeSource = Callable[[Tools, Data, int], tuple[Source, int]]


def searched(make: MakeSource, focus: bool = False) -> Method:
    """Give the estimator's search with other candidates: all else, its defaults and its seed, is the estimator's.

    Args:
        make: Gives the candidates.
        focus: Whether the wide baselines are focused for the data set, as the estimator's are.
    """

    def method(tools: Tools, problem: Problem, seconds: float) -> Fitted:
        deadline = Deadline(seconds)
        rows = merge_rows(problem.x, problem.y)
        units = Preprocessing.fit(*rows)
        data = units.data(*rows)
        source, most = make(tools, data, search_seed(problem))
        found = find(source, data, SearchConfig(n_candidates=most, focus=focus, seed=search_seed(problem)), deadline)
        graph = found.graph
        exact = graph.replace(state=graph.state.double())
        return Fitted(lambda x: units.restore(predict(exact, units.inputs(x))), _notes(graph, found.history))

    return method


def search_seed(problem: Problem) -> int:
    """Give the seed of the estimator's search, so that every search cuts the same folds."""
    return int(check_random_state(problem.seed).randint(2**31 - 1))


def _random_search(tools: Tools, data: Data, seed: int) -> tuple[Source, int]:
    return Random(tools.recipe, data.x.shape[1]), MANY


def _random_weights(tools: Tools, data: Data, seed: int) -> tuple[Source, int]:
    prior = Prior(tools.vae, data)

    def same_architectures(n: int, seed: int) -> list[NetGraph]:
        return random_like(prior.draw(n, seed), Generator().manual_seed(seed))

    return Drawn(same_architectures, learn=prior.learn), MANY


def _nearest(tools: Tools, data: Data, seed: int) -> tuple[Source, int]:
    projection = Projection(data, MOST_INPUTS)
    networks = tools.library.by_distance(projection.data(data))
    return Projected(InOrder(networks), projection), len(networks)


def _evolution(tools: Tools, data: Data, seed: int) -> tuple[Source, int]:
    generator, projection = Generator().manual_seed(seed), Projection(data, MOST_INPUTS)
    networks = tools.library.networks(projection.data(data).x.shape[1])
    return Projected(Evolution(networks, tools.recipe, generator), projection), MANY


def fit_mlp(tools: Tools, problem: Problem, seconds: float) -> Fitted:
    """Fit scikit-learn's network with its default settings."""
    return Fitted(fitted_mlp(problem.x, problem.y, problem.seed).predict)


def fitted_mlp(x: Floats, y: Floats, seed: int, settings: Mapping[str, Any] | None = None) -> MLPRegressor:
    """Fit scikit-learn's network; that it has not converged, or has fewer rows than a batch, is no news here.

    Raises:
        ValueError: When it diverged.
    """
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning), np.errstate(all="ignore"):
        warnings.filterwarnings("ignore", "Got `batch_size` less than 1 or larger", UserWarning)
        return MLPRegressor(random_state=seed, **(settings or {})).fit(x, y)


def mlp_ranges() -> dict[str, Any]:
    """Give what settings of scikit-learn's network are drawn from."""
    from scipy.stats import loguniform

    return {
        "hidden_layer_sizes": [(16,), (32,), (64,), (128,), (16, 16), (32, 32), (64, 64), (128, 128), (64, 64, 64)],
        "activation": ["relu", "tanh", "logistic"],
        "solver": ["adam", "adam", "adam", "lbfgs"],
        "alpha": loguniform(1e-6, 10),
        "learning_rate_init": loguniform(3e-4, 3e-2),
        "batch_size": ["auto", 32, 64],
        "early_stopping": [False, True],
    }


def search_mlp(tools: Tools, problem: Problem, seconds: float) -> Fitted:
    """Draw settings until the time is over, keep those of least error on validation rows, and fit these to all rows.

    No more settings are drawn once the time left is shorter than that of the best fit so far, which is to be repeated
    on all rows. A fit is never cut short.
    """
    deadline = Deadline(seconds)
    parts = split(len(problem.y), problem.seed, test_share=0.0, validation_share=VALIDATION_SHARE)
    best: tuple[float, dict[str, Any], float] = (np.inf, {}, 0.0)
    tried = 0
    for settings in ParameterSampler(mlp_ranges(), MANY, random_state=problem.seed):
        if tried and deadline.passed + best[2] >= seconds:
            break
        started, tried = deadline.passed, tried + 1
        error = _validation_error(problem, parts.train, parts.validation, settings)
        if error < best[0]:
            best = (error, settings, (deadline.passed - started) * len(problem.y) / len(parts.train))
    try:
        model = fitted_mlp(problem.x, problem.y, problem.seed, best[1])
    except ValueError:  # diverged on all rows, though it had not on a part of them
        model = fitted_mlp(problem.x[parts.train], problem.y[parts.train], problem.seed, best[1])
    return Fitted(model.predict, {"candidates": tried, "settings": {key: str(value) for key, value in best[1].items()}})


def _validation_error(problem: Problem, train: Any, validation: Any, settings: Mapping[str, Any]) -> float:
    """Mean squared error on the validation rows; inf where the training diverged."""
    try:
        model = fitted_mlp(problem.x[train], problem.y[train], problem.seed, settings)
    except ValueError:
        return np.inf
    error = float(np.square(model.predict(problem.x[validation]) - problem.y[validation]).mean())
    return error if np.isfinite(error) else np.inf


def _sklearn(make: Callable[[int], RegressorMixin]) -> Method:
    return lambda tools, problem, seconds: Fitted(make(problem.seed).fit(problem.x, problem.y).predict)


OURS, MLP = "netgraph", "MLPRegressor"
#: Ours, given no more time than scikit-learn's network took.
MATCHED = "netgraph, in MLPRegressor's time"
#: Methods that go on until a budget is over, by name.
TIMED: Mapping[str, Method] = {
    OURS: fit_estimator,
    "random search": searched(_random_search),
    "random search, focused": searched(_random_search, focus=True),
    "random weights": searched(_random_weights),
    "nearest zoo network": searched(_nearest),
    "evolution without the VAE": searched(_evolution),
    "MLPRegressor, random search": search_mlp,
}
#: Methods that know no budget.
UNTIMED: Mapping[str, Method] = {
    MLP: fit_mlp,
    "ridge": _sklearn(lambda seed: RidgeCV(np.logspace(-3, 3, 13))),
    "gradient boosting": _sklearn(lambda seed: HistGradientBoostingRegressor(random_state=seed)),
}
#: What methods depend on beside the code.
DEPENDS_ON = dict.fromkeys((OURS, MATCHED, "random weights"), "checkpoint") | dict.fromkeys(
    ("nearest zoo network", "evolution without the VAE"), "zoo"
)

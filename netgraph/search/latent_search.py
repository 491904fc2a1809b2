"""Search of a model's latent space for networks that are good in several objectives, by a sampler of Optuna.

The sampler proposes one number u in (0, 1) for each number of the function code. They say where in q(f | X, y) the code
lies, f = mean + deviation * Phi^-1(u); a random embedding (Wang et al. 2016, "Bayesian optimization in a billion
dimensions via random embeddings") takes them to the noise of the architecture, A Phi^-1(u), rows of A of unit length.
The model writes a network of that architecture from f, and K-fold refits score it.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Generator, Tensor
from torch.nn import functional

from netgraph.errors import NetGraphError, StoreError
from netgraph.graph.architecture import Architecture
from netgraph.graph.edit import with_outputs
from netgraph.graph.netgraph import NetGraph
from netgraph.lines import counted
from netgraph.model import NetVAE, VAEConfig
from netgraph.reading import FAILURES, building, one_line
from netgraph.search.candidates import (
    Candidates,
    covered_inputs,
    pls_directions,
    prepended,
    principal_targets,
    project,
)
from netgraph.search.data import TabularData, TimeBudget
from netgraph.search.network_search import Note
from netgraph.search.pareto import evaluate_objectives
from netgraph.search.scoring import Candidate, CrossValidation

if TYPE_CHECKING:
    from optuna import Study
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

#: Numbers that the sampler chooses: those of the function code.
NAMES = tuple(f"f{i}" for i in range(VAEConfig().function_size))
#: How close to 0 and 1 they come: three deviations of the noise.
EDGE = 1e-3
#: Steps of variable projection after the hypernet (chosen: half of the gain, at a fifth of the time).
STEPS = 10
#: Trials that are proposed and scored at once.
POPULATION = 32
#: Name of the study in its file.
STUDY = "netgraph"


def sampler_of(name: str, seed: int) -> "BaseSampler":
    """Return a sampler of Optuna by name.

    Args:
        name: ``nsga2`` (Deb et al. 2002), ``random``, or ``cma`` (CMA-ES, Hansen 2016), which sees the error alone.
        seed: Seed of the sampler.

    Raises:
        NetGraphError: When the name is unknown.

    Example:
        >>> type(sampler_of("nsga2", seed=0)).__name__
        'NSGAIISampler'
    """
    from optuna import samplers

    known = {
        "nsga2": lambda: samplers.NSGAIISampler(population_size=POPULATION, seed=seed),
        "cma": lambda: samplers.CmaEsSampler(seed=seed, popsize=POPULATION, warn_independent_sampling=False),
        "random": lambda: samplers.RandomSampler(seed=seed),
    }
    if name not in known:
        raise NetGraphError(f"unknown sampler {name!r}; known: {', '.join(known)}")
    return known[name]()


@dataclass(frozen=True, eq=False, repr=False)
class Written(Candidates):
    """Networks that a model writes for latents of q(f | X, y), with the same architectures for all rows.

    Attributes:
        vae: The model.
        noise: Standard normal coordinates in the posterior, [n, function_size].
        architectures: Architectures of the networks.
    """

    vae: NetVAE
    noise: Tensor
    architectures: Sequence[Architecture]

    def sample(self, n: int, X: Tensor, y: Tensor, seed: int) -> list[NetGraph]:
        """Return the networks of the first n latents."""
        projection = pls_directions(X, y, covered_inputs(self.vae, X.shape[1]))
        f = posterior_codes(self.vae, self.noise[:n], project(X, projection), y)
        graphs = self.vae.decode(f, architecture=self.architectures[:n], steps=STEPS, seed=seed)
        return prepended([with_outputs(graph, y.shape[1]) for graph in graphs], projection)


def posterior_codes(vae: NetVAE, noise: Tensor, X: Tensor, y: Tensor) -> Tensor:
    """Return the function codes at standard normal coordinates in q(f | X, y), [n, function_size].

    Args:
        vae: The model.
        noise: The coordinates, [n, function_size].
        X: Features, [rows, features].
        y: Targets, [rows, outputs]; of several, the first principal component counts.
    """
    posterior = vae.encode_rows(X, principal_targets(y)[:, 0])
    return posterior.mean + posterior.deviation * noise.to(posterior.mean)


class LatentObjective:
    """Objectives of networks that a model writes from latents for a data set.

    Args:
        vae: The model.
        data: Rows that the networks are fitted to and scored on.
        objectives: Names, the error first.
        seed: Seed of the embedding and of the folds.
        device: Where networks are run.
    """

    def __init__(
        self, vae: NetVAE, data: TabularData, objectives: Sequence[str], seed: int = 0, device: str = "cpu"
    ) -> None:
        self.vae, self.objectives, self.seed = vae, tuple(objectives), seed
        self.folds = CrossValidation(data, seed, device)
        size, generator = vae.config.architecture_size, Generator().manual_seed(seed)
        embedding = torch.randn(size, vae.config.function_size, generator=generator)
        self.embedding = embedding / embedding.norm(dim=1, keepdim=True)

    def __repr__(self) -> str:
        return f"LatentObjective({', '.join(self.objectives)}, {counted(len(self.folds.data), 'row')})"

    def candidates(self, quantiles: Tensor) -> list[Candidate]:
        """Return the scored networks of numbers in (0, 1), [n, at most function_size]."""
        data, vae, size = self.folds.data, self.vae, self.vae.config.function_size
        noise = torch.special.ndtri(quantiles.double()).float()
        noise = functional.pad(noise, (0, size - noise.shape[1]))
        X = project(data.X, pls_directions(data.X, data.y, covered_inputs(vae, data.X.shape[1])))
        f = posterior_codes(vae, noise, X, data.y)
        architectures = vae.draw_architectures(f, (noise @ self.embedding.T).to(f))
        return self.folds.sample(Written(vae, noise, architectures), len(noise), self.seed, TimeBudget())

    def values(self, quantiles: Tensor) -> Tensor:
        """Return the objectives of numbers in (0, 1), [n, objectives] float64; inf where a trial failed."""
        values = evaluate_objectives(self.candidates(quantiles), self.objectives)
        return values.where(values[:, :1].isfinite(), torch.inf)


def search_latents(
    objective: LatentObjective,
    record: "Study",
    sampler: "BaseSampler",
    n_trials: int,
    budget: TimeBudget | None = None,
    report: Callable[[Note], None] = lambda note: None,
) -> "list[FrozenTrial]":
    """Try latents until a study has ``n_trials`` trials, at least one batch; a batch is recorded once it is scored.

    The sampler sees a study in memory. Recorded trials are replayed: it proposes them again, with the same seed, and is
    told their values, so that a search in two halves is the same as one in one piece.

    Args:
        objective: Scores latents.
        record: The study that trials are added to, and that earlier ones are in.
        sampler: A new sampler.
        n_trials: Trials in all.
        budget: Time budget, checked between batches.
        report: Takes a note of every batch.

    Returns:
        All trials of the study.

    Example:
        >>> len(search_latents(objective, record, sampler_of("random", 0), n_trials=32))  # doctest: +SKIP
        32
    """
    import optuna

    budget, recorded, n_objectives = budget or TimeBudget(), record.get_trials(deepcopy=False), len(record.directions)
    seen = 1 if isinstance(sampler, optuna.samplers.CmaEsSampler) else n_objectives
    study = optuna.create_study(directions=["minimize"] * seen, sampler=sampler)
    space: dict[str, Any] = dict.fromkeys(NAMES, optuna.distributions.FloatDistribution(EDGE, 1 - EDGE))
    for start in range(0, n_trials, POPULATION):
        known = recorded[start : start + POPULATION]
        if start and not known and not budget.fits(0.0):
            break
        asked = [study.ask(space) for _ in range(POPULATION)][: n_trials - start]
        values = values_of(known, n_objectives)
        if new := asked[len(known) :]:
            values = torch.cat([values, objective.values(quantiles_of(new))])
            results = zip(new, values[len(known) :], strict=True)
            record.add_trials(
                [optuna.create_trial(params=t.params, distributions=space, **_result(row)) for t, row in results]
            )
            recorded = record.get_trials(deepcopy=False)
            error = float(values_of(recorded, n_objectives)[:, 0].min())
            report({"stage": "tried", "networks": len(recorded), "error": error, "seconds": budget.elapsed})
        for trial, row in zip(asked, values, strict=False):
            study.tell(trial, **_result(row[:seen]))
    return recorded


def _result(row: Tensor) -> dict[str, Any]:
    from optuna.trial import TrialState

    if bool(row.isfinite().all()):
        return {"values": row.tolist(), "state": TrialState.COMPLETE}
    return {"state": TrialState.FAIL}


def quantiles_of(trials: Sequence[Any]) -> Tensor:
    """Return the numbers that trials try, [n, 64] float64."""
    return torch.tensor([[trial.params[name] for name in NAMES] for trial in trials], dtype=torch.float64)


def values_of(trials: "Sequence[FrozenTrial]", n_objectives: int) -> Tensor:
    """Return the objectives of trials, [n, objectives] float64; inf where a trial failed."""
    failed = [float("inf")] * n_objectives
    return torch.tensor([trial.values or failed for trial in trials], dtype=torch.float64).reshape(-1, n_objectives)


@contextmanager
def open_study(path: Path, n_objectives: int, about: Mapping[str, Any]) -> "Iterator[Study]":
    """Open or begin the study of Optuna in an SQLite file; a trial is on disk at once.

    Args:
        path: The file.
        n_objectives: Number of objectives, each minimized.
        about: Subject of the study, in JSON's types; a study that exists must have the same.

    Raises:
        StoreError: When the file is of something else, or a study of something else.
    """
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    failures = SQLAlchemyError, optuna.exceptions.OptunaError

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(path, timeout=30.0, check_same_thread=False)

    try:  # the URL only names the kind: not every path could stand in one
        storage = optuna.storages.RDBStorage("sqlite:///study.db", engine_kwargs={"creator": connect})
    except (*failures, *FAILURES) as error:
        raise StoreError(f"{path}: cannot be read as a study of optuna: {_reason(error)}") from None
    try:
        with building(path):
            directions: Any = ["minimize"] * n_objectives
            study = optuna.create_study(study_name=STUDY, storage=storage, directions=directions, load_if_exists=True)
            trials = study.get_trials(deepcopy=False)
            quantiles_of(trials), values_of(trials, n_objectives)
            if not trials:
                study.set_user_attr("about", dict(about))
            other = [key for key in about if study.user_attrs["about"].get(key) != about[key]]
            if other:
                raise StoreError(f"{path}: holds a study of other {', '.join(other)}; choose another folder")
        yield study
    except failures as error:
        raise StoreError(f"{path}: {_reason(error)}") from None
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _reason(error: BaseException) -> str:
    inner = error.__cause__ if error.__cause__ is not None else error
    return one_line(getattr(inner, "orig", None) or inner)

"""What proposes noise to a search that is recorded: optuna's NSGA-II over genes, or a strategy of the latent search."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.model.config import VAEConfig
from netgraph.search.genes import ANGLES, NUMBERS, Genes
from netgraph.search.strategies import GENERATION, STRATEGIES, Strategy, strategy_of
from netgraph.search.study import load_optuna

if TYPE_CHECKING:
    from optuna import Study
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial


class Explorer(Protocol):
    """Proposes noise and learns what it was worth; it can be rebuilt from the trials that it gave."""

    def ask(self, n: int) -> Tensor:
        """Give noise that is to be tried, [n, latent]."""

    def tell(self, values: Tensor) -> "list[FrozenTrial]":
        """Learn the objectives of what was asked last, [n, objectives], inf for what failed; give trials to record."""

    def recall(self, trials: "Sequence[FrozenTrial]") -> None:
        """Learn trials that were recorded earlier, all of them, in order, before anything is asked."""

    def noise(self, trials: "Sequence[FrozenTrial]", chosen: Sequence[int]) -> Tensor:
        """Give the noise of some of all trials that were recorded, [chosen, latent]."""


class GeneExplorer:
    """Lets a sampler of optuna choose :class:`.genes.Genes`.

    The sampler sees a study in memory; each batch has one of its own, whose seed is the number of trials before it, so
    that a search in two halves proposes what one in one piece does where it stopped between batches.

    Args:
        config: The model's sizes.
        n_objectives: Objectives.
        seed: Of the samplers.
        sampler: Makes a sampler of genes and a seed.
    """

    def __init__(
        self, config: VAEConfig, n_objectives: int, seed: int, sampler: "Callable[[Genes, int], BaseSampler]"
    ) -> None:
        optuna = load_optuna()
        self.genes, self.seed, self.sampler = Genes(config), seed, sampler
        self._study: Study = optuna.create_study(directions=["minimize"] * n_objectives)
        number = optuna.distributions.IntDistribution(0, NUMBERS - 1)
        angle = optuna.distributions.FloatDistribution(*ANGLES)
        self._space = {
            name: space for pair in self.genes.names for name, space in zip(pair, (number, angle), strict=True)
        }
        self._asked: list[Any] = []

    def ask(self, n: int) -> Tensor:
        """Let the sampler choose n times."""
        known = len(self._study.get_trials(deepcopy=False))
        self._study.sampler = self.sampler(
            self.genes, int(np.random.SeedSequence([self.seed, known]).generate_state(1)[0])
        )
        self._asked = [self._study.ask(self._space) for _ in range(n)]
        return torch.stack([self.genes.noise(trial.params) for trial in self._asked])

    def tell(self, values: Tensor) -> "list[FrozenTrial]":
        """Tell the study in memory."""
        return [self._study.tell(trial, **result) for trial, result in zip(self._asked, _results(values), strict=True)]

    def recall(self, trials: "Sequence[FrozenTrial]") -> None:
        """Add trials to the study in memory."""
        self._study.add_trials(trials)

    def noise(self, trials: "Sequence[FrozenTrial]", chosen: Sequence[int]) -> Tensor:
        """Give the noise of the trials' genes."""
        return torch.stack([self.genes.noise(trials[i].params) for i in chosen])


class PointExplorer:
    """Lets a strategy choose points of the noise by the first objective alone.

    A trial records which point of which batch it was; as a strategy asks for the same points again when it is told the
    same, they need not be stored.

    Args:
        make: Makes the strategy.
    """

    def __init__(self, make: Callable[[], Strategy]) -> None:
        self.make, self.strategy, self._batch = make, make(), 0
        self._points = torch.empty(0)

    def ask(self, n: int) -> Tensor:
        """Ask the strategy for n points."""
        self._points = self.strategy.ask(n)
        return self._points

    def tell(self, values: Tensor) -> "list[FrozenTrial]":
        """Tell the strategy the first objective."""
        self.strategy.tell(self._points, values[:, 0])
        about = {"batch": self._batch, "asked": len(values)}
        self._batch += 1
        create = load_optuna().trial.create_trial
        return [create(user_attrs=about | {"place": i}, **result) for i, result in enumerate(_results(values))]

    def recall(self, trials: "Sequence[FrozenTrial]") -> None:
        """Ask the strategy for the points of the trials and tell it their objectives."""
        _replay(self.strategy, trials)
        self._batch = 1 + max((trial.user_attrs["batch"] for trial in trials), default=-1)

    def noise(self, trials: "Sequence[FrozenTrial]", chosen: Sequence[int]) -> Tensor:
        """Ask a new strategy for the points of all trials."""
        return _replay(self.make(), trials)[list(chosen)]


def _replay(strategy: Strategy, trials: "Sequence[FrozenTrial]") -> Tensor:
    """Do with a strategy what trials say was done, and give their points, [trials, d]."""
    points = [torch.empty(0, strategy.size)]
    for _, batch in groupby(trials, lambda trial: trial.user_attrs["batch"]):
        told = list(batch)
        asked = strategy.ask(told[0].user_attrs["asked"])
        points.append(asked[[trial.user_attrs["place"] for trial in told]])
        scores = [(trial.values or [torch.inf])[0] for trial in told]
        strategy.tell(points[-1], torch.tensor(scores, dtype=torch.float64))
    return torch.cat(points)


def _results(values: Tensor) -> list[dict[str, Any]]:
    """Say of each row of objectives what optuna is to be told: the values, or that it failed."""
    failed = load_optuna().trial.TrialState.FAIL
    works = values.isfinite().all(dim=1).tolist()
    return [{"values": row} if good else {"state": failed} for row, good in zip(values.tolist(), works, strict=True)]


class _Offspring:
    """Gives NSGA-II the children of genes; its own crossover would part a gene's number from its angle.

    Args:
        genes: They.
        seed: Of the choice of parents, and of their children.
    """

    def __init__(self, genes: Genes, seed: int) -> None:
        self.genes, self.rng = genes, np.random.default_rng(seed)

    def __call__(
        self, study: "Study", search_space: Mapping[str, Any], parents: "Sequence[FrozenTrial]"
    ) -> dict[str, float]:
        """Give the genes of a child."""
        ordered = sorted(parents, key=lambda trial: trial.number)  # optuna orders them otherwise when it caches them
        return self.genes.child(self._parent(ordered).params, self._parent(ordered).params, self.rng)

    def _parent(self, parents: "Sequence[FrozenTrial]") -> "FrozenTrial":
        """Give the first of two drawn parents, unless the second dominates it."""
        first, second = (parents[int(i)] for i in self.rng.integers(len(parents), size=2))
        worse = np.subtract(first.values, second.values)
        return second if (worse >= 0).all() and (worse > 0).any() else first


def _nsga2(genes: Genes, seed: int) -> "BaseSampler":
    optuna = load_optuna()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler: BaseSampler = optuna.samplers.NSGAIISampler(
            population_size=GENERATION, seed=seed, child_generation_strategy=_Offspring(genes, seed)
        )
    return sampler


def _random(genes: Genes, seed: int) -> "BaseSampler":
    sampler: BaseSampler = load_optuna().samplers.RandomSampler(seed)
    return sampler


#: Samplers of genes by name: NSGA-II (Deb et al. 2002), and draws of the prior.
SAMPLERS: "Mapping[str, Callable[[Genes, int], BaseSampler]]" = {"nsga2": _nsga2, "prior": _random}
#: All names of explorers.
NAMES = (*SAMPLERS, *STRATEGIES)


def check_explorer(strategy: str) -> None:
    """Check that there is an explorer of this name.

    Raises:
        NetGraphError: When there is none.
    """
    if strategy not in NAMES:
        raise NetGraphError(f"unknown strategy {strategy!r}; known: {', '.join(NAMES)}")


def explorer_of(strategy: str, config: VAEConfig, n_objectives: int, seed: int) -> Explorer:
    """Give the explorer of a name: ``nsga2``, ``prior``, ``genetic`` or ``cma``.

    Raises:
        NetGraphError: When the name is unknown, or optuna is not installed.
    """
    check_explorer(strategy)
    if strategy in SAMPLERS:
        return GeneExplorer(config, n_objectives, seed, SAMPLERS[strategy])
    return PointExplorer(lambda: strategy_of(strategy, config, seed))

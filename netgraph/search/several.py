"""Search for several objectives at once: what noise is worth, and the loop that tries it and records it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from netgraph.graph.netgraph import NetGraph
from netgraph.search.config import SearchConfig
from netgraph.search.data import Data
from netgraph.search.deadline import Deadline
from netgraph.search.explorers import Explorer
from netgraph.search.folds import Folds
from netgraph.search.found import Note
from netgraph.search.objectives import judge
from netgraph.search.running import errors_of, solve
from netgraph.search.sources import Prior
from netgraph.search.strategies import GENERATION
from netgraph.search.study import values_of

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class Problem:
    """What noise is judged by.

    Attributes:
        prior: Carries it to networks, with one choice of rows, so that noise alone says which.
        data: Rows that their last layers are fitted to.
        objectives: Names, the error first: that of rows left out one by one, of few rows a column fold by fold.
        device: Where networks are run.
    """

    prior: Prior
    data: Data
    objectives: tuple[str, ...]
    device: str = "cpu"

    @cached_property
    def folds(self) -> Folds:
        """The rows, cut into folds."""
        return Folds(self.data, SearchConfig().folds, 0, self.device)

    def networks(self, noise: Tensor) -> tuple[list[NetGraph], Tensor]:
        """Give the networks of noise, [n, latent], and their errors, [n]."""
        drawn = self.prior.networks(noise)
        if self.folds.few_rows:
            judged = self.folds.solve([self.prior.of(part).networks(noise) for part in self.folds.parts], drawn)
        else:
            judged = solve(drawn, self.data, self.device)
        return [one.graph for one in judged], errors_of(judged)

    def values(self, noise: Tensor) -> Tensor:
        """Give the objectives of noise, [n, objectives]; inf for what failed."""
        graphs, errors = self.networks(noise)
        values = judge(graphs, errors, self.objectives)
        return values.where(errors.isfinite()[:, None], torch.inf)


def explore(
    explorer: Explorer,
    study: "Study",
    problem: Problem,
    n_trials: int,
    deadline: Deadline | None = None,
    show: Callable[[Note], None] = lambda note: None,
) -> "list[FrozenTrial]":
    """Try noise until a study has so many trials, at least one batch; each is recorded when all of it has been judged.

    Args:
        explorer: New; it is told what the study holds already.
        study: The record.
        problem: Judges noise.
        n_trials: Trials in all, those that the study holds among them.
        deadline: When the time is over; never when None.
        show: Is told of every batch.

    Returns:
        All trials of the study.
    """
    deadline, trials = deadline or Deadline(), list(study.get_trials(deepcopy=False))
    explorer.recall(trials)
    while len(trials) < n_trials and not (trials and deadline.over):
        noise = explorer.ask(min(GENERATION, n_trials - len(trials)))
        told = explorer.tell(problem.values(noise))
        study.add_trials(told)
        trials += told
        least = float(values_of(trials, len(problem.objectives))[:, 0].min())
        show({"stage": "tried", "networks": len(trials), "error": least, "seconds": deadline.passed})
    return trials

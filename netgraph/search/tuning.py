"""Successive halving of candidates by batched training (Jamieson & Talwalkar 2016)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch

from netgraph.search.data import TimeBudget
from netgraph.search.scoring import Candidate, CrossValidation
from netgraph.zoo import FitConfig

#: Training steps of each rung: twice as many for half of the candidates, so that each costs as much as the last.
RUNGS = (20, 40, 80, 160, 320)
#: Candidates that go on after a rung, at least.
LEAST_GOING = 2
#: Rows of a step, peak learning rate and weight decay; chosen.
BATCH_ROWS, LEARNING_RATE, WEIGHT_DECAY = 64, 1e-2, 1e-2


def successive_halving(
    candidates: Sequence[Candidate],
    folds: CrossValidation,
    seed: int = 0,
    budget: TimeBudget | None = None,
    note: Callable[[str, int, float], None] = lambda stage, networks, error: None,
) -> Iterator[list[Candidate]]:
    """Train candidates and their refits side by side in rungs; after a rung the better half remains.

    It ends when a rung brings no better candidate than the one before, or the next one does not fit into the time left
    at the pace of the last.

    Args:
        candidates: The candidates of a bracket.
        folds: Trains and scores them.
        seed: Seed of the rows of each step.
        budget: The clock.
        note: Takes stage, number of networks and least error after each rung.

    Yields:
        After each rung the candidates, in their order, each replaced by its trained network where that scores better.
    """
    budget, result, going = budget or TimeBudget(), list(candidates), list(range(len(candidates)))
    copies, least, seconds_a_step = folds.refit(candidates), torch.inf, 0.0
    for number, steps in enumerate(RUNGS):
        if not budget.fits(seconds_a_step * steps * len(going)):
            break
        began = budget.elapsed
        rates = {"learning_rate": LEARNING_RATE, "weight_decay": WEIGHT_DECAY}
        config = FitConfig.uniform(len(copies), steps=steps, batch_rows=BATCH_ROWS, **rates)
        copies = folds.train(copies, config, seed + number)
        scored = folds.score(copies)
        for i, one in zip(going, scored, strict=True):
            if one.score < result[i].score:
                result[i] = replace(one, source=result[i].source)
        order = sorted(range(len(scored)), key=lambda k: scored[k].score)
        previous, least = least, scored[order[0]].score
        note(f"trained for {steps} steps", len(scored), least)
        yield list(result)
        if least >= previous:
            break
        seconds_a_step = (budget.elapsed - began) / (steps * len(going))
        order = order[: max(LEAST_GOING, len(order) // 2)]
        going = [going[k] for k in order]
        copies = [graph for k in order for graph in (*scored[k].refits, scored[k].graph)]

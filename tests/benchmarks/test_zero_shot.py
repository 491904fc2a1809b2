import math

import torch
from torch import Generator
from zero_shot import CANDIDATES, LEVELS, Problem, ahead, begun, beside, steps_to

from netgraph import NetGraph
from netgraph.evaluation.training_start import Start, Tuning
from netgraph.search.data import Data
from netgraph.tasks import Task
from tests.search.small import random_networks

LOOKS = (0, 10, 20, 50, 100, 200, 500)
RANDOM = torch.tensor([[-0.5, 0.0, 0.2, 0.5, 0.6, 0.55, 0.6], [-0.5, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]])
MADE = torch.tensor([[0.3, 0.4, 0.5, 0.6, 0.7, 0.7, 0.7], [0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2]])


def start(made: torch.Tensor, random: torch.Tensor) -> Start:
    never = torch.full((len(made),), math.inf)
    return Start(LOOKS, torch.zeros(len(made)), Tuning(made, never), Tuning(random, never))


def test_steps_are_those_to_the_best_error_of_the_random_twin() -> None:
    ours, theirs = steps_to(start(MADE, RANDOM), 50)
    assert theirs.tolist() == [50, 50]
    assert ours.tolist() == [20, math.inf]


def test_a_start_without_training_counts_as_one_step() -> None:
    ours, theirs = steps_to(start(MADE, RANDOM), 20)
    assert ours.tolist() == [1, 1]
    assert theirs.tolist() == [20, 20]


def test_networks_that_are_their_own_twins_are_not_ahead() -> None:
    assert ahead(start(RANDOM, RANDOM)) == [(1, 1)] * len(LEVELS)


def test_a_start_is_compared_with_each_random_network_of_its_task() -> None:
    several = start(MADE.repeat_interleave(2, dim=0), torch.stack([*RANDOM, *RANDOM]))
    found = beside(start(MADE, RANDOM), several.random)
    assert [ours.tolist() for ours in steps_to(found, 50)] == [ours.tolist() for ours in steps_to(several, 50)]
    assert found.sampled.r2.shape == found.random.r2.shape == (4, len(LOOKS))


def test_a_begun_fit_joins_what_is_best_of_its_own_candidates() -> None:
    x = torch.randn(160, 3, generator=Generator().manual_seed(0))
    y = (2 * x[:, 0]).sin() + x[:, 1]
    task = Task(x, y, "waves", 0, torch.zeros(3), torch.ones(3), 0.0, 1.0)
    problem = Problem(0, task, Data(x[:120], y[:120]), Data(x[120:], y[120:]), torch.zeros(1))
    asked = []

    def draw(problem: Problem, n: int) -> list[NetGraph]:
        asked.append(n)
        return random_networks(n, seed=1, n_inputs=3)

    graphs = begun(draw)(problem, 2)
    assert asked == [2 * CANDIDATES]
    assert not torch.equal(graphs[0].state, graphs[1].state)
    assert (problem.r2(graphs) > 0.6).all()
    assert (problem.r2(draw(problem, CANDIDATES)) < 0.5).all()

import math

import torch
from few_shot import LEVELS, ahead, beside, few_shot, steps_to

from netgraph.evaluation.training_start import Start, Tuning

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


def test_starts_are_told_beside_their_own_architectures_and_the_first_ones():
    found = {"made": start(MADE.repeat(2, 1), RANDOM.repeat(2, 1)), "begun": start(MADE, RANDOM)}
    text = few_shot(found)
    assert text[0].startswith("| start | random initialization | in 10 steps | in 20 steps |")
    names = [tuple(cell.strip() for cell in line.split("|")[1:4]) for line in text[2:]]
    assert names == [
        ("made", "the same architecture", "10 × (100%)"),
        ("begun", "the same architecture", "10 × (100%)"),
        ("begun", "architectures of the first row", "10 × (100%)"),
    ]

import math

import torch
from zero_shot import ahead, steps_to

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
    for _, theirs, ours, ratio, reached in ahead(start(RANDOM, RANDOM)):
        assert theirs == ours
        assert ratio == reached == 1

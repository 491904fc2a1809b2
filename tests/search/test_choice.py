"""The choice of a network: what is as good, and the reason for it in a line."""

import pytest
import torch

from netgraph import NetGraph
from netgraph.graph.architecture import Architecture, make_layer
from netgraph.search.choice import Choice, Excess
from netgraph.search.data import TabularData
from netgraph.search.pareto import evaluate_objectives, front_table
from netgraph.search.scoring import Candidate

ROWS = 100
DATA = TabularData(torch.zeros(ROWS, 1), torch.linspace(-1.7, 1.7, ROWS)[:, None])


def candidate(hidden: int, error: float, noise: float = 0.0, source: str = "Random") -> Candidate:
    """A network whose squared error is the same in all rows, but for noise."""
    sizes = [1, *([hidden] if hidden else []), 1]
    layers = [make_layer("Input" if i == 0 else "Linear", (i - 1,) if i else (), n) for i, n in enumerate(sizes)]
    architecture = Architecture(tuple(layers))
    draw = torch.randn(ROWS, 1, generator=torch.Generator().manual_seed(hidden)).double()
    prediction = DATA.y.double() + error**0.5 * (1 + noise * draw)
    return Candidate.of(NetGraph(architecture, torch.zeros(architecture.state_size)), prediction, DATA, source)


def choose(*networks: Candidate, objectives=("error", "parameters")) -> Choice:
    front = front_table(evaluate_objectives(networks, objectives), objectives)
    return Choice.of_front(front, [networks[row] for row in front.index], DATA)


def test_the_smallest_as_good_is_told_beside_the_best_and_the_limit():
    best, small, smaller = candidate(9, 0.1), candidate(3, 0.105), candidate(2, 0.5)
    choice = choose(best, small, smaller)
    assert choice.candidate is small
    assert choice.reason == (
        "A network of 10 parameters, the smallest as good as the best. Its error by cross-validation is 0.105 of the "
        "target's variance; that of the best, a network of 28 parameters, is 0.1, lower by 0.005, within a fiftieth of "
        "the error of the mean, 0.02."
    )


def test_the_best_is_told_where_no_smaller_one_is_as_good():
    assert choose(candidate(9, 0.1), candidate(2, 0.5)).reason == (
        "A network of 28 parameters, the best; no smaller one is as good. Its error by cross-validation is 0.1 of the "
        "target's variance."
    )


@pytest.mark.parametrize(("error", "simpler"), [(0.25, True), (0.9, False)])
def test_a_simpler_one_within_a_standard_error_is_chosen_and_told(error, simpler):
    network = candidate(9, 0.25, noise=0.9)
    linear, mean = candidate(0, error, noise=0.9, source="linear"), candidate(0, 1.0, source="mean")
    choice = choose(network).or_simpler([linear, mean])
    losses = DATA.losses(linear.prediction), DATA.losses(network.prediction)
    excess = Excess.of(*losses, DATA)
    assert excess.is_small is simpler
    assert choice.candidate is (linear if simpler else network)
    limit = f"by {excess.mean:.2g}, {{}} one standard error of the difference, {excess.standard_error:.2g}."
    if simpler:
        assert choice.reason.startswith("A linear fit, simpler and as good. Its error")
        other = f"that of a network of 28 parameters, chosen otherwise, is {network.score:.4g}, lower"
        assert choice.reason.endswith(f"{other} {limit.format('within')}")
    else:
        assert choice.reason.endswith(f"that of a linear fit is {linear.score:.4g}, higher {limit.format('beyond')}")


def test_the_mean_replaces_a_linear_fit_that_is_no_better():
    linear, mean = candidate(0, 1.2, source="linear"), candidate(0, 1.0, source="mean")
    choice = Choice(candidate(2, 1.3), DATA, "the largest").or_simpler([linear, mean])
    assert choice.candidate is mean
    assert choice.reason == (
        "The mean of 100 targets, simpler and as good. Its error by cross-validation is 1 of the target's variance; "
        "that of a linear fit, chosen otherwise, is 1.2, no lower."
    )


def test_equal_errors_and_classes_are_told():
    y = torch.eye(2)[torch.arange(20) % 2]
    data = TabularData(torch.zeros(20, 1), y, loss="cross_entropy")
    graph = candidate(0, 0.1).graph
    one, linear = (Candidate.of(graph, torch.zeros(20, 2), data, source) for source in ("ensemble", "linear"))
    choice = Choice(one, data, "the largest")
    assert choice.reason == "An ensemble of 2 parameters, the largest. Its log loss by cross-validation is 0.6931."
    assert choice.or_simpler([linear]).reason.endswith(
        "an ensemble of 2 parameters, chosen otherwise, is 0.6931, no lower."
    )

import torch
from torch import Generator
from zero_shot import CANDIDATES, Problem, begun

from netgraph import NetGraph
from netgraph.search.data import Data
from netgraph.tasks import Task
from tests.search.small import random_networks


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

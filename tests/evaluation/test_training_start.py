import math

import pytest
import torch
from torch import Generator

from netgraph import NetGraph, NetGraphError, Zoo
from netgraph.evaluation.report import MEANING
from netgraph.evaluation.training_start import Start, StartConfig, Tuning, compare_starts, training_start
from netgraph.graph import Architecture, make_layer
from netgraph.zoo import ZooRecipe
from netgraph.zoo.architectures import ArchitectureRecipe, draw_architecture, initialize
from tests.zoo.stores import build_here

CONFIG = StartConfig(looks=(0, 10, 50, 150))


def untrained(n_inputs: int, seed: int) -> NetGraph:
    generator = Generator().manual_seed(seed)
    architecture = draw_architecture(ArchitectureRecipe(), n_inputs, generator)
    return NetGraph(architecture, initialize(architecture, generator))


def line(n_inputs: int, seed: int = 0):
    x = torch.randn(64, n_inputs, generator=Generator().manual_seed(seed))
    return x, x.sum(dim=1) / n_inputs**0.5


@pytest.fixture(scope="module")
def zoo(tmp_path_factory) -> Zoo:
    recipe = ZooRecipe(n_tasks=4, n_test_tasks=2, nets_per_task=8, tasks_per_shard=4)
    return build_here(recipe, tmp_path_factory.mktemp("start"))


def test_trained_networks_are_there_from_the_start(zoo):
    tasks = sorted({zoo[i].task for i in zoo.split("test")})
    median = zoo.table.groupby("task")["validation_r2"].median()
    best = {task: [g for g in zoo.stream() if g.task == task and g.r2 >= median[task]] for task in tasks}
    start = training_start(best, zoo, Generator().manual_seed(0), CONFIG)
    # Up to rounding: a network at the median itself may be a hair below it.
    assert (start.sampled.r2[:, 0] >= start.targets - 1e-3).all()
    assert start.sampled.median_steps == 0
    assert start.random.median_steps > 0


def test_the_same_start_takes_the_same_steps():
    graphs = [untrained(2 + seed % 3, seed) for seed in range(9)]
    rows = [line(graph.architecture.n_inputs, seed) for seed, graph in enumerate(graphs)]
    first, again = (compare_starts(graphs, rows, 0.25, [0.5] * 9, Generator().manual_seed(3), CONFIG) for _ in "ab")
    assert torch.equal(first.sampled.r2, again.sampled.r2)
    assert torch.equal(first.random.r2, again.random.r2)
    assert first.sampled.share_reached > 0.5
    assert set(first.sampled.steps.tolist()) <= {*CONFIG.looks, math.inf}


def test_steps_are_those_of_the_first_look_that_reaches_the_target():
    graphs = [untrained(3, seed) for seed in range(6)]
    targets = [-1e9, 2.0, 0.3, 0.3, 0.3, 0.3]
    tuned = compare_starts(graphs, [line(3)] * 6, 0.25, targets, Generator().manual_seed(0), CONFIG).sampled
    assert tuned.steps[0] == 0
    assert tuned.steps[1] == math.inf
    for r2, steps in zip(tuned.r2[2:].tolist(), tuned.steps[2:].tolist(), strict=True):
        assert steps == next((look for look, value in zip(CONFIG.looks, r2, strict=True) if value >= 0.3), math.inf)


def test_figures_where_networks_do_not_arrive():
    def tuning(*steps: float) -> Tuning:
        return Tuning(torch.zeros(len(steps), 1), torch.tensor(steps, dtype=torch.float64))

    never, soon = tuning(math.inf, math.inf, 5.0), tuning(10.0, 20.0, math.inf)
    assert (never.median_steps, never.share_reached) == (math.inf, pytest.approx(1 / 3))
    figures = Start((0,), torch.zeros(3), soon, never).figures
    assert figures["sampled_steps"] == 20
    assert "random_steps" not in figures
    assert set(figures) <= set(MEANING)


def test_networks_that_are_not_finite_never_arrive():
    broken = untrained(3, 0)
    broken = broken.replace(state=torch.full_like(broken.state, float("nan")))
    found = compare_starts([broken], [line(3)], 0.25, [0.0], Generator().manual_seed(0), CONFIG)
    assert found.sampled.share_reached == 0
    assert found.sampled.r2.max() == -math.inf


def test_what_cannot_be_compared_is_named(zoo):
    graph, generator = untrained(3, 0), Generator().manual_seed(0)
    with pytest.raises(NetGraphError, match="no graphs"):
        compare_starts([], [], 0.25, [], generator)
    with pytest.raises(NetGraphError, match="graph 0 has 3 inputs, its task has 2 features"):
        compare_starts([graph], [line(2)], 0.25, [0.5], generator)
    wide = NetGraph(Architecture((make_layer("Input", (), 3), make_layer("Linear", (0,), 2))), torch.zeros(8))
    with pytest.raises(NetGraphError, match="graph 0 has 2 outputs, its task one target"):
        compare_starts([wide], [line(3)], 0.25, [0.5], generator)
    x, y = line(3)
    with pytest.raises(NetGraphError, match="graph 1: its task has 60 rows"):
        compare_starts([graph] * 2, [(x, y), (x[:60], y[:60])], 0.25, [0.5] * 2, generator)
    with pytest.raises(NetGraphError, match="task 99 has no networks"):
        training_start({99: [graph]}, zoo, generator)

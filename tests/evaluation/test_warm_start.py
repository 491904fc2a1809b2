import math
from dataclasses import dataclass, field

import pytest
import torch
from torch import Generator

from netgraph import NetGraph, NetGraphError, Zoo
from netgraph.evaluation import (
    ArmResult,
    Choice,
    Generated,
    Random,
    StartConfig,
    StartTask,
    compare_arms,
    measure_arm,
    start_of_samples,
    start_tasks,
)
from netgraph.figures import MODEL
from netgraph.graph import Architecture, make_layer
from netgraph.zoo import ArchitectureRecipe, ZooRecipe, draw_architecture, initialize
from tests.zoo.stores import build_here

CONFIG = StartConfig(budgets=(0, 10, 60), rates=(1e-3, 1e-2), networks=3)
RECIPE = ArchitectureRecipe(depths={"1": 1.0}, widths=(4, 4))


class Everywhere:
    def covers(self, architecture):
        return True


class RandomModel:
    """A model whose samples are random; it remembers what it was asked for."""

    coverage = Everywhere()

    def __init__(self):
        self.asked = []

    def sample(self, n, *, X=None, y=None, architecture=None, n_inputs=None, n_outputs=1, steps=None, seed=None):
        assert n_outputs == 1
        self.asked.append((n, X, y, architecture, steps, seed))
        generator = Generator().manual_seed(seed)
        size = n_inputs if X is None else X.shape[1]
        drawn = architecture or [draw_architecture(RECIPE, size, generator) for _ in range(n)]
        return [NetGraph(one, initialize(one, generator)) for one in drawn]


@dataclass(frozen=True)
class Given:
    """The same networks, in another order for each seed or not, for every task."""

    graphs: list
    name: str = "given"
    solved: bool = False
    seeds: list = field(default_factory=list)

    def networks(self, task, n, seed):
        self.seeds.append(seed)
        return self.graphs[:n]


def untrained(n_inputs: int, seed: int) -> NetGraph:
    generator = Generator().manual_seed(seed)
    architecture = draw_architecture(RECIPE, n_inputs, generator)
    return NetGraph(architecture, initialize(architecture, generator))


def line(n_inputs: int, seed: int = 0, rows: int = 64) -> StartTask:
    x = torch.randn(rows, n_inputs, generator=Generator().manual_seed(seed))
    y = x.sum(dim=1) / n_inputs**0.5
    return StartTask(x[:48], y[:48], x[48:], y[48:], 0.5)


def lines(*seeds: int) -> list[StartTask]:
    return [line(2 + seed % 3, seed) for seed in seeds]


@pytest.fixture(scope="module")
def zoo(tmp_path_factory) -> Zoo:
    recipe = ZooRecipe(n_tasks=6, n_test_tasks=2, nets_per_task=6, tasks_per_shard=6)
    return build_here(recipe, tmp_path_factory.mktemp("start"))


def test_tasks_have_the_rows_and_the_median_of_the_zoos_networks(zoo):
    number = zoo[0].task
    (task,) = start_tasks(zoo, [number])
    x, y = zoo.task(number).x, zoo.task(number).y[:, 0]
    assert torch.equal(torch.cat([task.X, task.X_validation]), x)
    assert torch.equal(torch.cat([task.y, task.y_validation]), y)
    assert len(task.X_validation) == round(len(x) * zoo.recipe.training.validation_share)
    assert task.target == zoo.table[zoo.table["task"] == number]["validation_r2"].median()
    with pytest.raises(NetGraphError, match="task 99 has no networks"):
        start_tasks(zoo, [99])


def test_tasks_of_classes_are_left_out_of_starts(tmp_path):
    settings = {"rows": 64, "learnable": False, "modifiers": {"classes": {"number": [2, 2], "binary": 1.0}}}
    recipe = ZooRecipe().changed(n_tasks=2, n_test_tasks=1, nets_per_task=2, tasks=settings)
    classes = build_here(recipe, tmp_path)
    with pytest.raises(
        NetGraphError, match=r"task 0 has binary_cross_entropy and 1 outputs; starts are compared on one"
    ):
        start_tasks(classes, [0])
    with pytest.raises(NetGraphError, match="no train task of one regression target"):
        start_of_samples(RandomModel(), classes, 2, 2, Generator().manual_seed(0))


def test_trained_networks_are_there_from_the_start(zoo):
    number = zoo[0].task
    (task,) = start_tasks(zoo, [number])
    trained = [graph for graph in zoo.stream() if graph.task == number]
    result = measure_arm(Given(trained), [task], [task], CONFIG, 0)
    steps = result.steps(CONFIG.budgets, torch.tensor([task.target - 1e-3]))[0]  # as a sum is rounded
    assert (steps == 0).sum() >= sum(graph.r2 >= task.target for graph in trained[:3])
    torch.testing.assert_close(result.r2[0, 0], torch.tensor([graph.r2 for graph in trained[:3]]), atol=1e-3, rtol=0)


def test_an_arm_has_the_same_figures_again():
    model = RandomModel()
    arm = Generated("generated", model)
    first, again = (measure_arm(arm, lines(0, 1), lines(2, 3, 4), CONFIG, 7) for _ in "ab")
    assert first.choices == again.choices
    assert torch.equal(first.r2, again.r2)
    assert first.r2.shape == (3, 3, 3)
    assert (first.r2 >= -1).all()


def test_training_is_better_than_none_and_rates_are_chosen_within_the_grid():
    arm = Random("random", Generated("generated", RandomModel()))
    result = measure_arm(arm, lines(0, 1, 2, 3), lines(4, 5, 6, 7), CONFIG, 0)
    medians = result.r2.flatten(1).quantile(0.5, dim=1)
    assert medians[0] < medians[1] < medians[2]
    assert [choice.rate > 0 for choice in result.choices] == [False, True, True]
    assert not any(choice.on_edge for choice in result.choices)
    # Ten steps ask for more than the largest rate at first.
    assert result.choices[1].rate > CONFIG.rates[-1]


def test_an_optimum_at_the_edge_of_the_grid_is_told():
    config = StartConfig(budgets=(10,), rates=(1e-4, 1e-3), widenings=0, networks=2)
    result = measure_arm(Random("random", Generated("generated", RandomModel())), lines(0), lines(1), config, 0)
    assert result.choices[0].on_edge


def test_no_budget_but_none_is_no_training():
    result = measure_arm(Given([untrained(3, 0)] * 3), [line(3)], [line(3)], StartConfig(budgets=(0,), networks=3), 0)
    assert result.choices == [Choice(0.0, "cosine", False)]
    assert result.r2.shape == (1, 1, 3)


def test_networks_that_no_step_improves_are_left_as_they_are():
    layers = make_layer("Input", (), 3), make_layer("Linear", (0,), 1)
    best = NetGraph(Architecture(layers), torch.tensor([1.0, 1.0, 1.0, 0.0]) / 3**0.5)
    result = measure_arm(Given([best] * 3), [line(3)], [line(3, 1)], CONFIG, 0)
    assert result.choices == [Choice(0.0, "cosine", False)] * 3
    assert result.r2.min() > 0.999


def test_choices_do_not_see_the_tasks_that_are_told():
    arm = Generated("generated", RandomModel(), solved=False)
    one, other = (measure_arm(arm, lines(0, 1), lines(seed), CONFIG, 0) for seed in (2, 5))
    assert one.choices == other.choices
    assert not torch.equal(one.r2, other.r2)


def test_output_layers_are_solved_where_the_arm_says():
    graphs = [untrained(3, seed) for seed in range(3)]
    plain, solved = (measure_arm(Given(graphs, solved=s), [line(3)], [line(3, 1)], CONFIG, 0) for s in (False, True))
    assert (solved.r2[0] > plain.r2[0]).all()


def test_a_model_is_given_training_rows_and_architectures():
    model, task = RandomModel(), line(3)
    given = Generated("generated", model, steps=4, architectures=RECIPE)
    (first, again) = (given.networks(task, 2, 5) for _ in "ab")
    n, x, y, architectures, steps, seed = model.asked[0]
    assert (n, steps, seed, len(architectures)) == (2, 4, 5, 2)
    assert x is task.X
    assert y is task.y
    assert all(torch.equal(a.state, b.state) for a, b in zip(first, again, strict=True))
    random = Random("random", given).networks(task, 2, 5)
    assert [graph.architecture for graph in random] == [graph.architecture for graph in first]


def test_arms_are_compared_task_by_task():
    choices = [Choice(0.0, "cosine", False), Choice(0.01, "constant", True)]
    a = ArmResult("a", choices, torch.tensor([[[0.1, 0.2, 0.9], [0.5, 0.5, 0.5]], [[0.9, 0.9, 0.9], [0.8, 0.8, 0.8]]]))
    b = ArmResult("b", choices, torch.tensor([[[0.0, 0.3, 0.3], [0.4, 0.4, 0.4]], [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]]))
    rows = compare_arms([a, b], (0, 50), torch.tensor([0.3, 0.5]))
    assert [(row["arm"], row["budget"]) for row in rows] == [("a", 0), ("a", 50), ("b", 0), ("b", 50)]
    assert [row["ahead"] for row in rows] == [{"b": 0.5}, {"b": 1.0}, {"a": 0.5}, {"a": 0.0}]
    assert [row["reached"] for row in rows] == pytest.approx([4 / 6, 1, 2 / 6, 0])
    assert rows[0]["median"] == 0.5
    assert (rows[1]["rate"], rows[1]["schedule"], rows[1]["on_edge"]) == (0.01, "constant", True)
    steps = b.steps((0, 50), torch.tensor([0.3, 0.5]))
    assert steps.tolist() == [[math.inf, 0, 0], [math.inf] * 3]


def test_networks_that_are_not_finite_never_arrive():
    broken = untrained(3, 0)
    broken = broken.replace(state=torch.full_like(broken.state, float("nan")))
    result = measure_arm(Given([broken] * 3), [line(3)], [line(3)], CONFIG, 0)
    assert (result.r2 == -1).all()


def test_what_cannot_be_measured_is_named():
    def measure(graphs, *tasks):
        measure_arm(Given(graphs), tasks, tasks, CONFIG, 0)

    graphs = [untrained(3, 0)] * 3
    wide = NetGraph(Architecture((make_layer("Input", (), 3), make_layer("Linear", (0,), 2))), torch.zeros(8))
    with pytest.raises(NetGraphError, match="given: 0 tasks"):
        measure(graphs)
    with pytest.raises(NetGraphError, match=r"given: 2 networks .* for task 0; it needs 3 with \(3, 1\)"):
        measure(graphs[:2], line(3))
    with pytest.raises(NetGraphError, match=r"outputs \[\(3, 1\)\] for task 1; it needs 3 with \(2, 1\)"):
        measure(graphs, line(3), line(2))
    with pytest.raises(NetGraphError, match=r"outputs \[\(3, 1\), \(3, 2\)\] for task 0"):
        measure([graphs[0], wide, wide], line(3))
    with pytest.raises(NetGraphError, match="all with as many rows"):
        measure(graphs, line(3), line(3, rows=60))


def test_samples_of_a_model_start_beside_random_networks(zoo):
    model = RandomModel()
    first, again = (start_of_samples(model, zoo, 2, 2, Generator().manual_seed(0)) for _ in "ab")
    assert first == again
    assert {"sampled_share_reached", "random_share_reached"} <= set(first) <= set(MODEL)
    assert all(math.isfinite(value) for value in first.values())
    rows = {tuple(x.shape) for _, x, *_ in model.asked}
    assert {shape[0] for shape in rows} == {len(start_tasks(zoo, [0])[0].X)}

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, nn

from netgraph import NetGraph, NetGraphError, from_module, to_module
from netgraph.stack import Stack, chunks
from netgraph.zoo import OPTIMIZERS, FitConfig, fit_networks
from netgraph.zoo.architectures import ArchitectureRecipe, draw_architecture
from netgraph.zoo.fitting import fit_stack
from netgraph.zoo.initial import initialize
from tests.strategies import examples, graphs, randomize

ROWS = 32


def problem(count: int, seed: int = 0, **changes):
    """Architectures of ``count`` networks with 3 inputs, initial states, rows."""
    generator = Generator().manual_seed(seed)
    recipe = ArchitectureRecipe(**changes)
    architectures = [draw_architecture(recipe, 3, generator) for _ in range(count)]
    states = [initialize(architecture, generator) for architecture in architectures]
    x = torch.randn(ROWS, 3, generator=generator)
    rows = x.expand(count, -1, -1), torch.tanh(x.sum(1))[None, :, None].expand(count, -1, -1)
    return architectures, states, rows


def config(count: int, **changes) -> FitConfig:
    made = FitConfig.uniform(count, steps=100, batch_rows=ROWS, learning_rate=0.02, weight_decay=0.01)
    return replace(made, clip=1e9, **changes)


def alone(module: nn.Module, name: str, x: torch.Tensor, y: torch.Tensor) -> None:
    weights = [p for n, p in module.named_parameters() if n.endswith("weight")]
    biases = [p for n, p in module.named_parameters() if n.endswith("bias")]
    groups = [{"params": weights, "weight_decay": 0.01}, {"params": biases, "weight_decay": 0.0}]
    optimizer = {
        "sgd": lambda: torch.optim.SGD(groups, 0.02, momentum=0.9),
        "adam": lambda: torch.optim.Adam(groups, 0.02, (0.9, 0.99)),
        "adamw": lambda: torch.optim.AdamW(groups, 0.02, (0.9, 0.99)),
    }[name]()
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 100)
    for _ in range(100):
        optimizer.zero_grad()
        (module(x) - y).square().mean().backward()
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_optimizer_is_that_of_torch(name):
    module = randomize(nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1)), 0)
    graph = from_module(module)
    _, _, (x, y) = problem(1)
    kinds = torch.tensor([OPTIMIZERS.index(name)])
    stack = Stack([graph.architecture])
    settings_ = config(1, optimizer=kinds)
    fitted = fit_stack(stack, graph.state, (x, y), (x, y), settings_, Generator().manual_seed(0))
    alone(module, name, x[0], y[0])
    assert int(fitted.best_step) == 100
    rebuilt = to_module(NetGraph(graph.architecture, fitted.states[0]))
    assert torch.allclose(rebuilt(x[0]), module(x[0]), atol=1e-3)


def test_optimizers_do_not_touch_each_other():
    architectures, states, rows = problem(3, normalizations={"none": 1.0})
    stack = Stack(architectures)
    mixed = config(3, optimizer=torch.arange(3))
    together = fit_stack(stack, stack.flatten(states), rows, rows, mixed, Generator().manual_seed(0))
    for i in range(3):
        own = Stack([architectures[i]])
        one = [(x[i : i + 1], y[i : i + 1]) for x, y in (rows, rows)]
        lonely = fit_stack(own, states[i], *one, mixed.select(torch.tensor([i])), Generator().manual_seed(0))
        assert torch.allclose(lonely.states[0], together.states[i], atol=2e-3)


def test_a_constant_rate_passes_through_the_steps_of_shorter_trainings():
    architectures, states, rows = problem(4)

    def fit(steps: int, trajectory: tuple[int, ...], schedule="constant"):
        settings_ = config(4, steps=torch.full((4,), steps), trajectory=trajectory, schedule=schedule)
        return fit_networks(architectures, states, rows, rows, settings_, Generator().manual_seed(0)).trajectory

    for long, short in zip(fit(60, (20, 60)), fit(20, (20,)), strict=True):
        assert torch.equal(long[0], short[0])
    assert not torch.equal(fit(20, (20,))[0], fit(20, (20,), "cosine")[0])
    # Beside a network of another number of steps, each stops after its own.
    steps = torch.tensor([20, 60, 60, 60])
    mixed = config(4, steps=steps, trajectory=(20, 60), schedule="constant")
    fitted = fit_networks(architectures, states, rows, rows, mixed, Generator().manual_seed(0)).trajectory
    assert torch.equal(fitted[0][0], fitted[0][1])
    torch.testing.assert_close(fitted[1], fit(60, (20, 60))[1])


def test_each_network_takes_its_own_steps():
    architectures, states, rows = problem(6)
    steps = torch.tensor([50, 400, 150, 60, 100, 50])
    stack = Stack(architectures)
    fitted = fit_stack(stack, stack.flatten(states), rows, rows, config(6, steps=steps), Generator().manual_seed(0))
    assert torch.equal(fitted.steps, steps)
    assert (fitted.best_step <= steps).all()
    assert fitted.r2[1] > 0.9


def test_a_network_without_progress_stops_and_the_others_do_not_notice():
    architectures, states, rows = problem(5, normalizations={"none": 1.0}, skips={"none": 1.0})
    idle = torch.tensor([True, True, True, False, False])
    rates = torch.where(idle, 0.0, 0.02)
    stack = Stack(architectures)
    long = config(5, steps=torch.full((5,), 400), learning_rate=rates)
    patient = fit_stack(stack, stack.flatten(states), rows, rows, long, Generator().manual_seed(0))
    hasty = fit_stack(
        stack,
        stack.flatten(states),
        rows,
        rows,
        replace(long, patience=torch.full((5,), 2)),
        Generator().manual_seed(0),
    )
    assert hasty.steps[idle].tolist() == [100] * 3
    assert hasty.best_step[idle].tolist() == [0] * 3
    assert (patient.steps == 400).all()
    for i in (3, 4):
        assert torch.allclose(patient.states[i], hasty.states[i], atol=1e-3)


def test_a_network_that_diverges_is_marked_and_the_others_learn():
    architectures, states, rows = problem(3, normalizations={"none": 1.0})
    broken = [states[0], states[1].fill_(float("nan")), states[2]]
    stack = Stack(architectures)
    fitted = fit_stack(stack, stack.flatten(broken), rows, rows, config(3), Generator().manual_seed(0))
    assert fitted.diverged.tolist() == [False, True, False]
    assert fitted.r2[1] == -torch.inf
    assert (fitted.r2[[0, 2]] > 0.5).all()


def test_the_trajectory_runs_from_the_initial_state_to_the_last():
    architectures, states, rows = problem(4)
    stack = Stack(architectures)
    kept = config(4, trajectory=(0, 10, 100, 500))
    fitted = fit_stack(stack, stack.flatten(states), rows, rows, kept, Generator().manual_seed(0))
    for initial, course in zip(states, fitted.trajectory, strict=True):
        assert course.shape == (4, len(initial))
        assert torch.equal(course[0], initial)
        assert not torch.equal(course[1], course[2])
        assert torch.equal(course[2], course[3])


def test_gradients_are_clipped_for_each_network_alone():
    architectures, states, rows = problem(2, normalizations={"none": 1.0})
    loud = rows[0], rows[1].clone()
    loud[1][0] *= 1e6
    sgd = replace(config(2, optimizer=torch.zeros(2, dtype=torch.long)), clip=1.0)
    stack = Stack(architectures)
    both = fit_stack(stack, stack.flatten(states), loud, rows, sgd, Generator().manual_seed(0))
    calm = fit_stack(stack, stack.flatten(states), rows, rows, sgd, Generator().manual_seed(0))
    assert not both.diverged.any()
    assert torch.allclose(both.states[1], calm.states[1], atol=1e-5)


def test_chunks_train_as_the_whole_does(monkeypatch):
    monkeypatch.setattr("netgraph.stack.chunking.MAX_UNITS", 512)
    architectures, states, rows = problem(7, widths=(4, 200), normalizations={"none": 1.0})
    assert len(chunks(architectures)) > 1
    cut = fit_networks(architectures, states, rows, rows, config(7), Generator().manual_seed(0))
    for i in range(7):
        stack = Stack([architectures[i]])
        one = [(x[i : i + 1], y[i : i + 1]) for x, y in (rows, rows)]
        whole = fit_stack(stack, states[i], *one, config(1), Generator().manual_seed(0))
        assert abs(whole.r2[0] - cut.r2[i]) < 0.02
        assert cut.states[i].shape == states[i].shape


@examples(30)
@given(st.lists(graphs(), min_size=1, max_size=12))
def test_every_network_is_in_one_chunk(found):
    cut = chunks([graph.architecture for graph in found])
    assert sorted(i for members in cut for i in members) == list(range(len(found)))


def test_dropout_is_fixed_by_the_generator_also_before_a_batch_norm():
    module = nn.Sequential(nn.Linear(3, 6), nn.Dropout(0.5), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 1)).eval()
    graph = from_module(randomize(module, 0))
    _, _, rows = problem(1)
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)  # what a user's own program does must not matter
        stack = Stack([graph.architecture])
        found.append(fit_stack(stack, graph.state, rows, rows, config(1), Generator().manual_seed(0)).states[0])
    assert torch.equal(*found)


def test_a_network_that_no_step_improves_keeps_its_first_weights():
    module = randomize(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)), 0)
    graph = from_module(module)
    x = torch.randn(ROWS, 3, generator=Generator().manual_seed(1))
    rows = x[None], module(x).detach()[None]
    wild = replace(config(1), learning_rate=torch.tensor([5.0]))
    fitted = fit_stack(Stack([graph.architecture]), graph.state, rows, rows, wild, Generator().manual_seed(0))
    assert fitted.best_step.tolist() == [0]
    assert torch.equal(fitted.states[0], graph.state)
    assert fitted.r2[0] > 0.999999


def test_a_gradient_that_overflows_marks_its_network_and_no_other():
    architectures, states, (x, y) = problem(3, normalizations={"none": 1.0}, skips={"none": 1.0})
    train_y = y.clone()
    train_y[1] = 1e30  # its squared error is infinite, its validation error is not
    rows = [
        fit_networks(architectures, states, (x, t), (x, y), config(3), Generator().manual_seed(0)) for t in (y, train_y)
    ]
    assert rows[0].diverged.tolist() == [False, False, False]
    assert rows[1].diverged.tolist() == [False, True, False]
    for i in (0, 2):
        torch.testing.assert_close(rows[1].states[i], rows[0].states[i])


def test_each_network_has_its_own_patience():
    architectures, states, (x, _) = problem(3)
    noise = torch.randn(3, ROWS, 1, generator=Generator().manual_seed(3))
    settings_ = replace(config(3), steps=torch.full((3,), 1000), patience=torch.tensor([0, 2, 5]))
    fitted = fit_networks(architectures, states, (x, noise), (x, -noise), settings_, Generator().manual_seed(0))
    assert fitted.steps.tolist() == [1000, 100, 250]


@pytest.mark.parametrize("trajectory", [(10, 10, 20), (20, 10), (-1, 5)])
def test_a_trajectory_must_rise(trajectory):
    with pytest.raises(NetGraphError, match=r"trajectory is .* rising"):
        config(2, trajectory=trajectory)


def test_a_network_needs_a_step():
    with pytest.raises(NetGraphError, match="at least 1"):
        FitConfig.uniform(2, steps=0, batch_rows=8, learning_rate=0.1)


def test_networks_are_trained_alike_whatever_they_are_stacked_with(monkeypatch):
    architectures, states, rows = problem(12)
    found = []
    for units in (10_000, 8):
        monkeypatch.setattr("netgraph.stack.chunking.MAX_UNITS", units)
        monkeypatch.setattr("netgraph.stack.chunking.MAX_UNITS_PLAIN", units)
        found.append(fit_networks(architectures, states, rows, rows, config(12), Generator().manual_seed(0)))
    for one, other in zip(found[0].states, found[1].states, strict=True):
        torch.testing.assert_close(one, other, atol=5e-3, rtol=5e-3)

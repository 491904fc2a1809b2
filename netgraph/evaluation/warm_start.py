"""Warm starts under a fair protocol: each kind of start has the rate and schedule that suit it, for each step budget.

Peak rates of different starts differ more than a hundredfold: one rate for all measures which start the rate fits.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Protocol

import torch
from torch import Generator, Tensor

from netgraph.errors import NetGraphError
from netgraph.graph.netgraph import NetGraph
from netgraph.stack import Stack, first_outputs, solve_output_layers
from netgraph.tasks import standardize
from netgraph.zoo import FitConfig, Schedule, Zoo, ZooRecipe, fit_networks, pad_rows
from netgraph.zoo.given_data import GIVEN

#: Rows of a step and weight decay, as of the networks of the quick recipe.
BATCH_ROWS, DECAY = 48, 1e-4
#: Factor between two peak rates of a grid, and by which a grid is widened.
FACTOR = math.sqrt(10)
#: Median R^2 after trainings, by peak rate and schedule.
Scores = dict[tuple[float, Schedule], float]


@dataclass(frozen=True)
class StartTask:
    """A regression problem on which networks are trained.

    Attributes:
        X: Features of the training rows, [rows, features].
        y: Targets of the training rows, [rows].
        X_validation: Features of the validation rows, [validation rows, features].
        y_validation: Targets of the validation rows, [validation rows].
        target: Validation R^2 of the task's median trained network.
    """

    X: Tensor
    y: Tensor
    X_validation: Tensor
    y_validation: Tensor
    target: float


def start_tasks(zoo: Zoo, numbers: Iterable[int]) -> list[StartTask]:
    """Read tasks of a zoo, with the rows on which its networks were trained and validated.

    Args:
        zoo: The zoo.
        numbers: Of the tasks within it.

    Raises:
        NetGraphError: When a task has no networks, or has classes or several outputs.

    Example:
        >>> (task,) = start_tasks(netgraph.Zoo("my_zoo"), [0])
        >>> task.X.shape[0], task.X_validation.shape[0]
        (9, 3)
    """
    r2 = zoo.table.groupby("task")["validation_r2"].median()
    tasks = []
    for number in numbers:
        if number not in r2.index:
            raise NetGraphError(f"{zoo.folder}: task {number} has no networks to take a target from")
        task = zoo.task(number)
        if task.has_classes or task.n_outputs != 1:
            kind = f"{task.loss} and {task.n_outputs} outputs"
            raise NetGraphError(f"{zoo.folder}: task {number} has {kind}; starts are compared on one regression target")
        cut = task.rows - (zoo.recipes or [ZooRecipe()])[0].training.n_validation(task.rows)
        x, y = task.x, task.y[:, 0]
        if task.family == GIVEN:  # in its own units
            x, y = (torch.from_numpy(standardize(values.double().numpy())[0]).float() for values in (x, y))
        tasks.append(StartTask(x[:cut], y[:cut], x[cut:], y[cut:], float(r2[number])))
    return tasks


class Arm(Protocol):
    """A kind of start."""

    @property
    def name(self) -> str:
        """Name of the arm, in tables."""

    @property
    def solved(self) -> bool:
        """Whether output layers are fitted to the training rows, by ridge regression, before the first step."""

    def networks(self, task: StartTask, n: int, seed: int) -> list[NetGraph]:
        """Return n networks of one output for a task; nothing is read of its validation rows."""


@dataclass(frozen=True)
class StartConfig:
    """How networks of all arms are trained, by AdamW.

    Attributes:
        budgets: Numbers of steps, in rising order; with each the training of a network ends.
        rates: Peak rates of the grid at first, in rising order.
        widenings: Most rates that are added beyond either end of the grid while the best one lies there.
        schedules: Schedules of the grid.
        networks: Networks of an arm for each task.
    """

    budgets: tuple[int, ...] = (0, 10, 50, 100, 500)
    rates: tuple[float, ...] = (1e-4, 3.2e-4, 1e-3, 3.2e-3, 1e-2, 3.2e-2, 1e-1)
    widenings: int = 4
    schedules: tuple[Schedule, ...] = ("cosine", "constant")
    networks: int = 5


@dataclass(frozen=True)
class Choice:
    """The training of an arm for a budget.

    Attributes:
        rate: Peak rate; 0 where the networks are best left as they are.
        schedule: Schedule of the rate.
        on_edge: Whether the rate is the least or the largest that was tried, though the grid was widened.
    """

    rate: float
    schedule: Schedule
    on_edge: bool


@dataclass(frozen=True)
class ArmResult:
    """An arm on tasks that its rates were not chosen on.

    Attributes:
        name: Name of the arm.
        choices: Its training for each budget.
        r2: R^2 on validation rows after each budget, at least -1, [budgets, tasks, networks].
    """

    name: str
    choices: list[Choice]
    r2: Tensor

    def steps(self, budgets: Sequence[int], targets: Tensor) -> Tensor:
        """Return the least budget with which each network reaches its task's target, [tasks, networks]; inf if none."""
        reached = self.r2 >= targets[:, None]
        least = torch.tensor(budgets).double()[reached.int().argmax(dim=0)]
        return torch.where(reached.any(dim=0), least, torch.inf)


def measure_arm(
    arm: Arm, selection: Sequence[StartTask], held_out: Sequence[StartTask], config: StartConfig, seed: int
) -> ArmResult:
    """Choose an arm's rate and schedule for each budget on some tasks, and measure it on others.

    The choice is the one with the best median R^2 over all networks. Training with a constant rate passes through all
    budgets; with a rate that falls, each budget is a training of its own.

    Args:
        arm: The arm.
        selection: Tasks on which rates and schedules are chosen.
        held_out: Tasks on which R^2 is measured.
        config: How to train.
        seed: Seed of the networks and of the rows of each step.

    Raises:
        NetGraphError: When there is no task, numbers of rows differ, or a network does not fit its task.

    Example:
        >>> measure_arm(arm, selection, held_out, StartConfig(), seed=0).r2.shape  # doctest: +SKIP
        torch.Size([5, 8, 5])
    """
    choices = _choose(_Networks(arm, selection, config, seed), config)
    networks = _Networks(arm, held_out, config, seed)
    trained = [
        networks.train([choice.rate], choice.schedule, [budget])[0, 0] if choice.rate else networks.initial
        for choice, budget in zip(choices, config.budgets, strict=True)
    ]
    return ArmResult(arm.name, choices, torch.stack(trained).view(len(trained), len(held_out), -1))


def compare_arms(results: Sequence[ArmResult], budgets: Sequence[int], targets: Tensor) -> list[dict[str, Any]]:
    """Compare arms that were measured on the same tasks.

    Args:
        results: The arms.
        budgets: Numbers of steps.
        targets: R^2 of each task's median trained network, [tasks].

    Returns:
        A row for each arm and budget: ``rate``, ``schedule`` and ``on_edge``; ``median`` and ``tenth``, R^2 over all
        networks; ``reached``, the share of networks that reach their task's target; ``ahead``, for each other arm the
        share of tasks on which the arm's median network is better than the other's.

    Example:
        >>> choice = Choice(rate=0.01, schedule="cosine", on_edge=False)
        >>> result = ArmResult("random", [choice], torch.ones(1, 2, 3))
        >>> compare_arms([result], [100], torch.zeros(2))[0]["reached"]
        1.0
    """
    rows = []
    for result, (i, budget) in product(results, enumerate(budgets)):
        r2, medians = result.r2[i], result.r2[i].quantile(0.5, dim=1)
        others = [other for other in results if other is not result]
        figures = {
            "median": float(r2.quantile(0.5)),
            "tenth": float(r2.quantile(0.1)),
            "reached": float((r2 >= targets[:, None]).double().mean()),
            "ahead": {one.name: float((medians > one.r2[i].quantile(0.5, dim=1)).double().mean()) for one in others},
        }
        rows.append({"arm": result.name, "budget": budget} | vars(result.choices[i]) | figures)
    return rows


def _choose(networks: "_Networks", config: StartConfig) -> list[Choice]:
    """Search a grid for the best rate and schedule of each budget; widen it for budgets with a choice at its edge."""
    untrained = {(0.0, config.schedules[0]): float(networks.initial.quantile(0.5))}
    scores: dict[int, Scores] = {budget: dict(untrained) for budget in config.budgets}
    rates, added = list(config.rates), list(config.rates)
    budgets = [budget for budget in config.budgets if budget]
    for _ in range(config.widenings + 1):
        if not budgets:
            break
        for schedule in config.schedules:
            medians = networks.train(added, schedule, budgets).quantile(0.5, dim=2)
            for (k, rate), (i, budget) in product(enumerate(added), enumerate(budgets)):
                scores[budget][rate, schedule] = float(medians[k, i])
        budgets = [budget for budget in budgets if _best(scores[budget]).on_edge]
        low, high = (any(_best(scores[budget]).rate == edge for budget in budgets) for edge in (rates[0], rates[-1]))
        added = [rates[0] / FACTOR] * low + [rates[-1] * FACTOR] * high
        rates = sorted(rates + added)
    return [_best(scores[budget]) for budget in config.budgets]


def _best(scores: Scores) -> Choice:
    """Return the choice with the best score."""
    rate, schedule = max(scores, key=lambda choice: scores[choice])
    tried = [other for other, _ in scores if other]
    return Choice(rate, schedule, rate > 0 and rate in (min(tried), max(tried)))


class _Networks:
    """The n networks of an arm, task after task, with the rows of each.

    Attributes:
        initial: R^2 before the first step, [n].
    """

    def __init__(self, arm: Arm, tasks: Sequence[StartTask], config: StartConfig, seed: int) -> None:
        if not tasks or len({(len(task.X), len(task.X_validation)) for task in tasks}) > 1:
            raise NetGraphError(f"{arm.name}: {len(tasks)} tasks; at least 1 is needed, all with as many rows")
        graphs = []
        for i, task in enumerate(tasks):
            networks = arm.networks(task, config.networks, seed + i)
            shapes = {(graph.architecture.n_inputs, graph.architecture.n_outputs) for graph in networks}
            needed = task.X.shape[1], 1
            if len(networks) != config.networks or shapes != {needed}:
                counts = f"{len(networks)} networks with inputs and outputs {sorted(shapes)} for task {i}"
                raise NetGraphError(f"{arm.name}: {counts}; it needs {config.networks} with {needed}")
            graphs += networks
        owners, width = [task for task in tasks for _ in range(config.networks)], max(task.X.shape[1] for task in tasks)
        self.seed = seed
        self.x = pad_rows([torch.cat([task.X, task.X_validation]) for task in owners], width)
        self.y = torch.stack([torch.cat([task.y, task.y_validation]) for task in owners])
        self.cut = len(tasks[0].X)
        self.architectures, self.states = [graph.architecture for graph in graphs], [graph.state for graph in graphs]
        if arm.solved:
            stack = Stack(self.architectures)
            x, y = self.x[:, : self.cut], self.y[:, : self.cut]
            self.states = stack.split(solve_output_layers(stack, stack.flatten(self.states), x, y[..., None]).state)
        self.initial = self._r2(self.states, 1)

    def train(self, rates: Sequence[float], schedule: Schedule, budgets: Sequence[int]) -> Tensor:
        """Return R^2 on the validation rows after trainings with all peak rates at once, [rates, budgets, n]."""
        if schedule == "cosine" and len(budgets) > 1:
            return torch.cat([self.train(rates, schedule, [budget]) for budget in budgets], dim=1)
        times, count = len(rates), len(rates) * len(self.states)
        config = FitConfig.uniform(
            count, steps=budgets[-1], batch_rows=BATCH_ROWS, learning_rate=0.0, weight_decay=DECAY
        )
        peaks = torch.tensor(rates).repeat_interleave(len(self.states))
        x, y = self.x.repeat(times, 1, 1), self.y.repeat(times, 1)[..., None]
        fitted = fit_networks(
            self.architectures * times,
            self.states * times,
            (x[:, : self.cut], y[:, : self.cut]),
            (x[:, self.cut :], y[:, self.cut :]),
            replace(config, learning_rate=peaks, trajectory=tuple(budgets), schedule=schedule),
            Generator().manual_seed(self.seed),
        )
        looks = [[states[i] for states in fitted.trajectory] for i in range(len(budgets))]
        return torch.stack([self._r2(states, times).view(times, -1) for states in looks], dim=1)

    def _r2(self, states: Sequence[Tensor], times: int) -> Tensor:
        """Return R^2 on the validation rows, at least -1, of several states of each network, [times * n]."""
        x, y = self.x[:, self.cut :].repeat(times, 1, 1), self.y[:, self.cut :].repeat(times, 1)
        outputs = first_outputs(self.architectures * times, states, x)
        total = (y - y.mean(dim=1, keepdim=True)).square().sum(dim=1).clamp(min=1e-12)
        return (1 - (outputs - y).square().sum(dim=1) / total).nan_to_num(nan=-1.0).clamp(min=-1.0)

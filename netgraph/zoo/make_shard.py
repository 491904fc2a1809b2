"""Making a shard: its tasks and architectures are drawn, its networks trained, measured and made canonical."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from netgraph.graph.architecture import Architecture
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.symmetry import canonical_moves, canonicalize
from netgraph.stack import sensitivities
from netgraph.tasks import Task, check_meta_vector, draw_tasks, get_meta_features, real_task
from netgraph.zoo.architectures import draw_architectures, initialize
from netgraph.zoo.best import Fitted
from netgraph.zoo.fit_config import FitConfig
from netgraph.zoo.fitting import fit_networks, pad_rows
from netgraph.zoo.recipe import ZooRecipe
from netgraph.zoo.store import EncodedShard, Shard, encode_shard

#: Rows on which sensitivity is measured.
SENSITIVITY_ROWS = 64


@dataclass(frozen=True)
class ShardJob:
    """Makes one shard; it depends on the recipe and the shard's number, and on the kind of device.

    Attributes:
        recipe: The zoo's recipe.
        device: Where its networks are trained.
    """

    recipe: ZooRecipe
    device: str = "cpu"

    def __call__(self, number: int) -> EncodedShard:
        """Make a shard."""
        return encode_shard(make_shard(self.recipe, number, self.device), self.recipe.digest)


@dataclass(frozen=True)
class _Drawn:
    """The networks of a shard before they are trained.

    Attributes:
        tasks: The tasks.
        task: Number of each network's task within the shard, [n].
        architectures: Of each network.
        copies: Which of the networks of its architecture on its task each is, from 0 on, [n].
        states: Their initial states, each [P].
        config: Their trainings.
    """

    tasks: list[Task]
    task: Tensor
    architectures: list[Architecture]
    copies: Tensor
    states: list[Tensor]
    config: FitConfig

    @property
    def rows(self) -> tuple[Tensor, Tensor]:
        """x, [n, rows, inputs] zero padded, and y, [n, rows, 1]."""
        width = max(task.n_features for task in self.tasks)
        x, y = pad_rows([task.x for task in self.tasks], width), torch.stack([task.y for task in self.tasks])
        return x[self.task], y[self.task, :, None]


def make_shard(recipe: ZooRecipe, number: int, device: str = "cpu") -> Shard:
    """Draw, train and measure the networks of a shard.

    Args:
        recipe: The zoo's recipe.
        number: The shard's number.
        device: Where to train.
    """
    generator = Generator().manual_seed((recipe.seed * 1_000_003 + number) % 2**63)
    first = number * recipe.tasks_per_shard
    drawn = _draw(recipe, _tasks(recipe, first), generator)
    x, y = drawn.rows
    started = time.perf_counter()
    fitted = _fit(drawn, x, y, recipe, generator, device)
    seconds = time.perf_counter() - started
    kept = _sound(fitted, recipe).nonzero().flatten()
    graphs = _graphs(drawn, fitted, x, kept.tolist(), device)
    return Shard(
        graphs=[canonicalize(graph) for graph in graphs],
        task=drawn.task[kept],
        columns={name: values[kept] for name, values in _columns(drawn, fitted).items()},
        tasks=drawn.tasks,
        meta_features=torch.cat([check_meta_vector(get_meta_features(task.x, task.y)) for task in drawn.tasks]),
        first_task=first,
        excluded=_excluded(drawn, fitted, kept),
        seconds=seconds,
        trajectory=_trajectory(graphs, [fitted.trajectory[i] for i in kept.tolist()]),
        trajectory_steps=recipe.training.trajectory,
    )


def _tasks(recipe: ZooRecipe, first: int) -> list[Task]:
    """Tasks of a shard: real data sets are the zoo's first and last ones, all others are random."""
    numbers = range(first, min(first + recipe.tasks_per_shard, recipe.n_tasks))
    named = dict(enumerate(recipe.real))
    named |= {recipe.n_tasks - len(recipe.real_test) + i: name for i, name in enumerate(recipe.real_test)}
    return [
        real_task(named[number], recipe.tasks.rows, recipe.tasks.n_features[1], recipe.seed)
        if number in named
        else draw_tasks(1, recipe.tasks, seed=recipe.seed, start=number)[0]
        for number in numbers
    ]


def _draw(recipe: ZooRecipe, tasks: list[Task], generator: Generator) -> _Drawn:
    networks = [
        (architecture, copy)
        for task in tasks
        for architecture, copy in draw_architectures(
            recipe.architectures, task.n_features, recipe.nets_per_task, recipe.copies, generator
        )
    ]
    architectures = [architecture for architecture, _ in networks]
    return _Drawn(
        tasks=tasks,
        task=torch.arange(len(tasks)).repeat_interleave(recipe.nets_per_task),
        architectures=architectures,
        copies=torch.tensor([copy for _, copy in networks]),
        states=[initialize(architecture, generator) for architecture in architectures],
        config=recipe.training.draw(len(networks), generator),
    )


def _fit(drawn: _Drawn, x: Tensor, y: Tensor, recipe: ZooRecipe, generator: Generator, device: str) -> Fitted:
    cut = len(x[0]) - recipe.training.n_validation(len(x[0]))
    train, validation = (x[:, :cut], y[:, :cut]), (x[:, cut:], y[:, cut:])
    return fit_networks(drawn.architectures, drawn.states, train, validation, drawn.config, generator, device)


def _graphs(drawn: _Drawn, fitted: Fitted, x: Tensor, kept: Sequence[int], device: str) -> list[NetGraph]:
    """The networks that are kept, with their sensitivities."""
    architectures, states = [drawn.architectures[i] for i in kept], [fitted.states[i] for i in kept]
    measured = sensitivities(architectures, states, x[kept, :SENSITIVITY_ROWS].to(device)) if kept else []
    return [NetGraph(a, state, one.cpu()) for a, state, one in zip(architectures, states, measured, strict=True)]


def _columns(drawn: _Drawn, fitted: Fitted) -> dict[str, Tensor]:
    return {
        "r2": fitted.r2,
        "best_step": fitted.best_step,
        "steps": fitted.steps,
        "seed_index": drawn.copies,
        "optimizer": drawn.config.optimizer,
        "learning_rate": drawn.config.learning_rate,
        "weight_decay": drawn.config.weight_decay,
    }


def _excluded(drawn: _Drawn, fitted: Fitted, kept: Tensor) -> list[dict[str, Any]]:
    """Say which networks are left out, and why."""
    left = sorted(set(range(len(drawn.architectures))) - set(kept.tolist()))
    return [
        {
            "task": int(drawn.task[i]),
            "architecture": repr(drawn.architectures[i]),
            "reason": _reason(fitted, i),
        }
        for i in left
    ]


def _sound(fitted: Fitted, recipe: ZooRecipe) -> Tensor:
    return (fitted.r2 > recipe.training.least_r2) & ~fitted.diverged & (fitted.best_step > 0)


def _reason(fitted: Fitted, i: int) -> str:
    if fitted.diverged[i]:
        return "diverged"
    return "not improved" if fitted.best_step[i] == 0 else f"R^2 of {float(fitted.r2[i]):.3g}"


def _trajectory(graphs: Sequence[NetGraph], states: Sequence[Tensor]) -> Tensor | None:
    """The states of earlier steps, units in the order of the canonical networks', [checkpoints, sum P]."""
    if not states or not len(states[0]):
        return None
    moves = [torch.from_numpy(canonical_moves(graph)) for graph in graphs]
    return torch.cat([one[:, move] for one, move in zip(states, moves, strict=True)], dim=1)

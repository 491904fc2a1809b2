"""Making a shard: its tasks and architectures are drawn, its networks trained, measured and made canonical."""

import time
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from netgraph.graph.architecture import Architecture
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.symmetry import canonical_moves, canonicalize
from netgraph.stack import sensitivities
from netgraph.tasks import Task, check_meta_vector, draw_tasks, get_meta_features, real_task
from netgraph.zoo.architectures import draw_architectures, initialize
from netgraph.zoo.fitting import Fitted, fit_networks, pad_rows
from netgraph.zoo.recipe import ZooRecipe
from netgraph.zoo.store import EncodedShard, Shard, encode_shard

#: Rows on which sensitivity is measured.
SENSITIVITY_ROWS = 64


def make_encoded(recipe: ZooRecipe, device: str, number: int) -> EncodedShard:
    """Make and encode a shard; it depends on the recipe and the shard's number, and on the kind of device."""
    return encode_shard(make_shard(recipe, number, device), recipe.digest)


def make_shard(recipe: ZooRecipe, number: int, device: str = "cpu") -> Shard:
    """Draw, train and measure the networks of a shard.

    Args:
        recipe: The zoo's recipe.
        number: The shard's number.
        device: Where to train.
    """
    generator = Generator().manual_seed((recipe.seed * 1_000_003 + number) % 2**63)
    first = number * recipe.tasks_per_shard
    tasks = _tasks(recipe, first)
    sizes = recipe.nets_per_task, recipe.copies
    drawn = [
        network
        for task in tasks
        for network in draw_architectures(recipe.architectures, task.n_features, *sizes, generator)
    ]
    architectures = [architecture for architecture, _ in drawn]
    task = torch.arange(len(tasks)).repeat_interleave(recipe.nets_per_task)
    states = [initialize(architecture, generator) for architecture in architectures]
    config = recipe.training.draw(len(drawn), generator)
    x = pad_rows([one.x for one in tasks], max(one.n_features for one in tasks))[task]
    y = torch.stack([one.y for one in tasks])[task, :, None]
    cut = x.shape[1] - recipe.training.n_validation(x.shape[1])
    started = time.perf_counter()
    train, validation = (x[:, :cut], y[:, :cut]), (x[:, cut:], y[:, cut:])
    fitted = fit_networks(architectures, states, train, validation, config, generator, device)
    seconds = time.perf_counter() - started
    reasons = [_reason(fitted, i, recipe.training.least_r2) for i in range(len(drawn))]
    kept = [i for i, reason in enumerate(reasons) if reason is None]
    graphs = _graphs(architectures, fitted, x, kept, device)
    columns = {
        "r2": fitted.r2,
        "best_step": fitted.best_step,
        "steps": fitted.steps,
        "seed_index": torch.tensor([copy for _, copy in drawn]),
        "optimizer": config.optimizer,
        "learning_rate": config.learning_rate,
        "weight_decay": config.weight_decay,
    }
    return Shard(
        graphs=[canonicalize(graph) for graph in graphs],
        task=task[kept],
        columns={name: values[kept] for name, values in columns.items()},
        tasks=tasks,
        meta_features=torch.cat([check_meta_vector(get_meta_features(one.x, one.y)) for one in tasks]),
        first_task=first,
        excluded=[
            {"task": int(task[i]), "architecture": repr(architectures[i]), "reason": reason}
            for i, reason in enumerate(reasons)
            if reason is not None
        ],
        seconds=seconds,
        trajectory=_trajectory(graphs, [fitted.trajectory[i] for i in kept]),
        trajectory_steps=recipe.training.trajectory,
    )


def _tasks(recipe: ZooRecipe, first: int) -> list[Task]:
    """Draw the tasks of a shard: real data sets are the zoo's first and last ones, all others are random."""
    numbers = range(first, min(first + recipe.tasks_per_shard, recipe.n_tasks))
    named = dict(enumerate(recipe.real))
    named |= {recipe.n_tasks - len(recipe.real_test) + i: name for i, name in enumerate(recipe.real_test)}
    return [
        real_task(named[number], recipe.tasks.rows, recipe.tasks.n_features[1], recipe.seed)
        if number in named
        else draw_tasks(1, recipe.tasks, seed=recipe.seed, start=number)[0]
        for number in numbers
    ]


def _reason(fitted: Fitted, i: int, least_r2: float) -> str | None:
    """Return why a network is left out of the zoo; None where it is not."""
    if fitted.diverged[i]:
        return "diverged"
    if fitted.best_step[i] == 0:
        return "not improved"
    return None if fitted.r2[i] > least_r2 else f"R^2 of {float(fitted.r2[i]):.3g}"


def _graphs(
    architectures: Sequence[Architecture], fitted: Fitted, x: Tensor, kept: Sequence[int], device: str
) -> list[NetGraph]:
    """Measure the sensitivity of the networks that are kept."""
    chosen, states = [architectures[i] for i in kept], [fitted.states[i] for i in kept]
    measured = sensitivities(chosen, states, x[kept, :SENSITIVITY_ROWS].to(device)) if kept else []
    return [NetGraph(a, state, one.cpu()) for a, state, one in zip(chosen, states, measured, strict=True)]


def _trajectory(graphs: Sequence[NetGraph], states: Sequence[Tensor]) -> Tensor | None:
    """Return the states of earlier steps, units in the order of the canonical networks', [checkpoints, sum P]."""
    if not states or not len(states[0]):
        return None
    moves = [torch.from_numpy(canonical_moves(graph)) for graph in graphs]
    return torch.cat([one[:, move] for one, move in zip(states, moves, strict=True)], dim=1)

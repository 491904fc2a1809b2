"""Making a shard: its tasks and architectures are drawn, its networks trained, measured and canonicalized."""

import time
from dataclasses import replace

import torch
from torch import Generator

from netgraph.files import EncodedTensors
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.symmetry import canonical_moves, canonicalize
from netgraph.stack import sensitivities
from netgraph.tasks import Task, check_meta_vector, draw_tasks, get_meta_features, real_task
from netgraph.zoo.architectures import draw_architectures
from netgraph.zoo.fitting import fit_networks, pad_rows
from netgraph.zoo.initial import initialize
from netgraph.zoo.recipe import ZooRecipe
from netgraph.zoo.storage import Shard, encode
from netgraph.zoo.training_state import Fitted

#: Rows on which sensitivity is measured.
SENSITIVITY_ROWS = 64
#: Most bytes of a file of tensors, unless the networks of one task alone take more.
MAX_BYTES = 64 * 2**20


def make_encoded(recipe: ZooRecipe, device: str, number: int) -> list[EncodedTensors]:
    """Make and encode a shard; it depends on the recipe, the shard's number and the kind of device."""
    return encode_parts(make_shard(recipe, number, device), recipe.digest)


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
        for network in draw_architectures(recipe.architectures, task.n_features, *sizes, generator, task.n_outputs)
    ]
    architectures = [architecture for architecture, _ in drawn]
    task = torch.arange(len(tasks)).repeat_interleave(recipe.nets_per_task)
    states = [initialize(architecture, generator) for architecture in architectures]
    config = recipe.training.draw(len(drawn), generator)
    x = pad_rows([one.x for one in tasks], max(one.n_features for one in tasks))[task]
    y = pad_rows([one.y for one in tasks], max(one.n_outputs for one in tasks))[task]  # [networks, rows, outputs]
    cut = x.shape[1] - recipe.training.n_validation(x.shape[1])
    started = time.perf_counter()
    train, validation = (x[:, :cut], y[:, :cut]), (x[:, cut:], y[:, cut:])
    losses = [tasks[i].loss for i in task.tolist()]
    fitted = fit_networks(architectures, states, train, validation, config, generator, device, losses)
    seconds = time.perf_counter() - started
    reasons = [_reason(fitted, i, recipe.training.least_r2) for i in range(len(drawn))]
    kept = [i for i, reason in enumerate(reasons) if reason is None]
    chosen, states = [architectures[i] for i in kept], [fitted.states[i] for i in kept]
    measured = sensitivities(chosen, states, x[kept, :SENSITIVITY_ROWS].to(device)) if kept else []
    graphs = [NetGraph(*network[:2], network[2].cpu()) for network in zip(chosen, states, measured, strict=True)]
    trajectory = None
    if kept and recipe.training.trajectory:
        moves = [torch.from_numpy(canonical_moves(graph)) for graph in graphs]
        trajectory = torch.cat([fitted.trajectory[i][:, move] for i, move in zip(kept, moves, strict=True)], dim=1)
    of_classes = (
        {"validation_loss": fitted.loss, "validation_accuracy": fitted.accuracy}
        if any(one.has_classes for one in tasks)
        else {}
    )
    columns = {
        "r2": fitted.r2,
        **of_classes,
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
        meta_features=torch.cat([check_meta_vector(get_meta_features(one)) for one in tasks]),
        first_task=first,
        excluded=[
            {"task": int(task[i]), "architecture": repr(architectures[i]), "reason": reason}
            for i, reason in enumerate(reasons)
            if reason is not None
        ],
        seconds=seconds,
        trajectory=trajectory,
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


def encode_parts(shard: Shard, digest: str, max_bytes: int = MAX_BYTES) -> list[EncodedTensors]:
    """Encode a shard, cut between tasks into files of at most ``max_bytes``; the first record names the other files."""
    first, *others = _encoded(shard, digest, max_bytes)
    record = first.record | {"parts": [part.record["sha256"] for part in others]}
    return [EncodedTensors(first.payload, record), *others]


def _encoded(shard: Shard, digest: str, max_bytes: int) -> list[EncodedTensors]:
    whole, n_tasks = encode(shard, digest), len(shard.tasks)
    if n_tasks == 1 or len(whole.payload) <= max_bytes:
        return [whole]
    del whole  # memory for the halves
    halves = _part(shard, 0, n_tasks // 2), _part(shard, n_tasks // 2, n_tasks)
    return [encoded for half in halves for encoded in _encoded(half, digest, max_bytes)]


def _part(shard: Shard, first: int, end: int) -> Shard:
    """Return the tasks ``first`` to ``end`` of a shard with their networks."""
    networks = slice(*torch.searchsorted(shard.task, torch.tensor([first, end])).tolist())
    start, size = (
        sum(len(graph.state) for graph in graphs) for graphs in (shard.graphs[: networks.start], shard.graphs[networks])
    )
    return replace(
        shard,
        graphs=shard.graphs[networks],
        task=shard.task[networks] - first,
        columns={name: values[networks] for name, values in shard.columns.items()},
        tasks=shard.tasks[first:end],
        meta_features=shard.meta_features[first:end],
        first_task=shard.first_task + first,
        excluded=[row | {"task": row["task"] - first} for row in shard.excluded if first <= row["task"] < end],
        seconds=shard.seconds * (end - first) / len(shard.tasks),
        trajectory=None if shard.trajectory is None else shard.trajectory[:, start : start + size],
    )

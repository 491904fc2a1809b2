"""Zoos built in this process, and stores of untrained networks, there at once."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator

from netgraph import NetGraph, Zoo, build_zoo
from netgraph.files import make_folder, write_atomically
from netgraph.graph.architecture import Architecture, make_layer
from netgraph.tasks.task import Task, make_task
from netgraph.zoo import ZooRecipe
from netgraph.zoo.build import entries_of
from netgraph.zoo.engines import ENGINES
from netgraph.zoo.make_shard import MAX_BYTES, encode_parts
from netgraph.zoo.manifest import ZOO_FORMAT as FORMAT
from netgraph.zoo.manifest import ZOO_VERSION as VERSION
from netgraph.zoo.manifest import write_manifest
from netgraph.zoo.storage import Shard, write_parts

#: A recipe of 18 networks on 6 tasks, 3 of them test tasks, in 3 shards, which are made in a moment.
SMALL = ZooRecipe.load("tiny").changed(
    n_tasks=6, n_test_tasks=3, nets_per_task=3, tasks_per_shard=2, tasks={"rows": 32}, training={"steps": (20, 20)}
)


def build_here(recipe: ZooRecipe | str, folder: Path) -> Zoo:
    """Build a zoo in this process: workers, which have to import torch first, are for the tests of engines."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ENGINES, "local", lambda job, numbers, workers: ((number, job(number)) for number in numbers))
        return build_zoo(recipe, folder, progress=False)


def checksums(root: Path) -> list[str]:
    """Return the checksums of a zoo's shards."""
    return [row["sha256"] for row in json.loads((root / "manifest.json").read_text())["shards"]]


def small_recipe(n_tasks: int, tasks_per_shard: int) -> ZooRecipe:
    """A recipe with so many tasks, of which the last is a test task."""
    return replace(ZooRecipe(), n_tasks=n_tasks, n_test_tasks=1, tasks_per_shard=tasks_per_shard)


def network(inputs: int, width: int, generator: Generator) -> NetGraph:
    """One of a few architectures with every kind of state, its numbers random."""
    kind = int(torch.randint(4, (), generator=generator))
    layers = [make_layer("Input", (), inputs, "x"), make_layer("Linear", (0,), width, "0", {"bias": kind != 1})]
    layers.append(make_layer(("Tanh", "LayerNorm", "BatchNorm1d", "LeakyReLU")[kind], (1,), width, "1"))
    if kind == 0:
        layers.append(make_layer("Add", (2, 1), width, "2"))
    elif kind == 1:
        layers.append(make_layer("Concat", (2, 0), width + inputs, "2"))
    for size in (width, 1):
        layers.append(make_layer("Linear", (len(layers) - 1,), size, str(len(layers) - 1)))
    architecture = Architecture(tuple(layers))
    state = torch.randn(architecture.state_size, generator=generator)
    return NetGraph(architecture, state, torch.rand(architecture.num_nodes, generator=generator))


def noise_task(seed: int, generator: Generator) -> Task:
    """A task of noise with 2 to 5 inputs."""
    inputs = int(torch.randint(2, 6, (), generator=generator))
    x, y = torch.randn(12, inputs, generator=generator), torch.randn(12, generator=generator)
    return make_task(x.numpy(), y.numpy(), family="noise", seed=seed)


def random_shard(
    first: int, n_tasks: int, *, nets: int = 3, widths: tuple[int, int] = (1, 4), checkpoints: int = 0
) -> Shard:
    """A shard of ``nets`` networks on each of its tasks; of each task one network was left out."""
    generator = Generator().manual_seed(first)
    tasks = [noise_task(first + i, generator) for i in range(n_tasks)]
    drawn = torch.randint(widths[0], widths[1] + 1, (n_tasks * nets,), generator=generator).tolist()
    graphs = [network(tasks[i // nets].n_features, width, generator) for i, width in enumerate(drawn)]
    elements = sum(len(graph.state) for graph in graphs)
    return Shard(
        graphs=graphs,
        task=torch.arange(n_tasks).repeat_interleave(nets),
        columns={"r2": torch.rand(len(graphs), generator=generator), "seed_index": torch.zeros(len(graphs)).long()},
        tasks=tasks,
        meta_features=torch.randn(n_tasks, 37, generator=generator),
        first_task=first,
        excluded=[{"task": i, "architecture": "Input(1)", "reason": "diverged"} for i in range(n_tasks)],
        seconds=float(n_tasks),
        trajectory=torch.randn(checkpoints, elements, generator=generator) if checkpoints else None,
        trajectory_steps=tuple(range(checkpoints)),
    )


def write_store(
    root: Path,
    recipe: ZooRecipe,
    max_bytes: int = MAX_BYTES,
    make: Callable[..., Shard] = random_shard,
    **sizes: Any,
) -> Zoo:
    """Write a zoo of such shards."""
    make_folder(root)
    record = {"format": FORMAT, "version": VERSION, "digest": recipe.digest, "recipes": [asdict(recipe)]}
    write_atomically(root / "zoo.json", json.dumps(record).encode())
    for number in range(recipe.n_shards):
        first = number * recipe.tasks_per_shard
        shard = make(first, min(recipe.tasks_per_shard, recipe.n_tasks - first), **sizes)
        write_parts(root, number, encode_parts(shard, recipe.digest, max_bytes))
    write_manifest(root, entries_of(root, recipe))
    return Zoo(root)


def write_zoo(root: Path, names: list[str], seed: int = 0) -> Zoo:
    """Write a zoo whose tasks are of these families, the last one a test task, two tasks a shard."""

    def make(first: int, n_tasks: int) -> Shard:
        shard = random_shard(first + 100 * seed, n_tasks)
        families = names[first : first + n_tasks]
        tasks = [replace(one, family=name, seed=seed) for one, name in zip(shard.tasks, families, strict=True)]
        return replace(shard, tasks=tasks, first_task=first)

    return write_store(root, small_recipe(len(names), 2), make=make)

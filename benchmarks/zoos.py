"""The zoos that a checkpoint is measured on, drawn from the recipe of its card."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from netgraph import NetGraph, NetGraphError, NetVAE, Zoo, build_zoo
from netgraph.training import Example
from netgraph.zoo import ZooRecipe

#: Folders of networks of tasks that the checkpoint was not trained on, one a task; of a class of small networks, two a
#: task; of networks that classify, one a task; and of its own training networks.
UNSEEN, SMALL, CLASSES = "runs/benchmark_unseen", "runs/benchmark_small", "runs/benchmark_classes"
SEEN = "runs/benchmark_seen"
#: Tasks and seed of the former; chosen: so that two halves hold 700 networks each when a few have been left out, and
#: a seed of no recipe that comes with netgraph.
TASKS, SEED = 1600, 10**6
#: Numbers of a zoo of so many tasks, with one network each.
ONE_EACH = {"n_tasks": TASKS, "n_test_tasks": TASKS - 1, "nets_per_task": 1, "tasks_per_shard": TASKS // 4}
#: What is small about the small networks, and numbers of their tasks.
SMALL_CLASS: dict[str, Any] = {
    "tasks": {"n_features": (2, 10)},
    "architectures": {"depths": {"1": 1.0, "2": 1.0, "3": 1.0}, "widths": (4, 16), "width_scale": "even"},
}
SMALL_TASKS = 600


@lru_cache(maxsize=1)
def checkpoint_of(path: str | None) -> NetVAE:
    """Load a checkpoint, once; the one that ships when None."""
    return NetVAE.from_pretrained(path)


def recipe_of(path: str | None) -> ZooRecipe:
    """Return the recipe of the zoo that a checkpoint was trained on.

    Raises:
        NetGraphError: When its card names none.
    """
    card = checkpoint_of(path).card
    if "recipe" not in card:
        raise NetGraphError(f"{path}: its card has no recipe; give --zoo and --training_zoo")
    return ZooRecipe.from_dict(card["recipe"], "the checkpoint's recipe")


def without_classes(path: str | None) -> ZooRecipe:
    """Return that recipe with regression tasks alone, whose networks have one output."""
    recipe = recipe_of(path)
    numbers = {name: value for name, value in recipe.tasks.modifiers.items() if name != "classes"}
    return recipe.changed(tasks={"modifiers": numbers})


def open_or_build(folder: str, recipe: Callable[[], ZooRecipe | str]) -> Zoo:
    """Open a zoo; it is built where there is none, and completed where its build was interrupted."""
    complete = (Path(folder) / "manifest.json").exists()
    return Zoo(folder) if complete else build_zoo(recipe(), folder)


@lru_cache(maxsize=2)
def unseen(folder: str, path: str | None) -> Zoo:
    """Open a zoo of regression tasks that a checkpoint was not trained on; one network a task where it is built."""
    return open_or_build(folder, lambda: without_classes(path).changed(seed=SEED, **ONE_EACH))


@lru_cache(maxsize=1)
def small(folder: str, path: str | None) -> Zoo:
    """Open a zoo of small networks of such tasks: 2 to 10 inputs, 1 to 3 hidden layers of 4 to 16 units."""
    counts = {"n_tasks": SMALL_TASKS, "n_test_tasks": SMALL_TASKS - 1, "nets_per_task": 2, "tasks_per_shard": 150}
    return open_or_build(folder, lambda: without_classes(path).changed(seed=SEED + 2, **counts, **SMALL_CLASS))


@lru_cache(maxsize=1)
def classes(folder: str, path: str | None) -> Zoo:
    """Open a zoo of classification tasks that a checkpoint was not trained on; one network a task."""

    def recipe() -> ZooRecipe:
        recipe = recipe_of(path)
        settings = {**recipe.tasks.modifiers.get("classes", {}), "probability": 1.0}
        return recipe.changed(
            seed=SEED + 3, **ONE_EACH, tasks={"modifiers": {**recipe.tasks.modifiers, "classes": settings}}
        )

    return open_or_build(folder, recipe)


@lru_cache(maxsize=2)
def seen_zoo(folder: str, path: str | None) -> Zoo:
    """Open the training zoo of a checkpoint; the first shard of its own zoo is built where there is none."""

    def recipe() -> ZooRecipe:
        recipe = recipe_of(path)  # the networks of a shard do not depend on the number of shards
        return recipe.changed(n_tasks=recipe.tasks_per_shard, n_test_tasks=0)

    return open_or_build(folder, recipe)


@lru_cache(maxsize=2)
def seen(folder: str, path: str | None) -> list[NetGraph]:
    """Read the training networks of a checkpoint from a zoo, see :func:`seen_zoo`."""
    zoo = seen_zoo(folder, path)
    return list(zoo.stream(zoo.split("train")))


def covered(zoo: Zoo, vae: NetVAE, split: str = "test") -> list[NetGraph]:
    """Read the networks of a split of a zoo that are inside of a model's coverage."""
    return [graph for graph in zoo.stream(zoo.split(split)) if vae.coverage.covers(graph.architecture)]


def with_rows(zoo: Zoo, vae: NetVAE, n: int) -> tuple[list[NetGraph], list[Tensor]]:
    """Draw at most n test networks of a zoo that a model covers, with the rows of their tasks."""
    known = covered(zoo, vae)
    graphs = [known[i] for i in torch.randperm(len(known), generator=Generator().manual_seed(0))[:n].tolist()]
    return graphs, [zoo.tasks[graph.task].x for graph in graphs]


def examples(zoo: Zoo, split: str) -> list[Example]:
    """Read the networks of a split with the meta-features of their tasks."""
    return [Example(graph, zoo.meta_features[graph.task]) for graph in zoo.stream(zoo.split(split))]

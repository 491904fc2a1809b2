"""A small model, networks to train it on, and an interrupt."""

from dataclasses import replace
from functools import cache

from lightning import Callback

from netgraph.training import Example
from netgraph.zoo import ZooRecipe
from netgraph.zoo.make_shard import make_shard
from tests.model import small

CONFIG = replace(small.CONFIG, max_nodes=96)


@cache
def examples_of(nets_per_task: int, steps: int) -> list[Example]:
    """Networks of two training tasks, trained for some steps."""
    changes = {"n_tasks": 3, "n_test_tasks": 1, "tasks_per_shard": 3, "nets_per_task": nets_per_task}
    shard = make_shard(ZooRecipe.load("tiny").changed(**changes, training={"steps": (steps, steps)}), 0)
    pairs = zip(shard.graphs, shard.task.tolist(), strict=True)
    return [Example(graph, shard.meta_features[i]) for graph, i in pairs]


class Interrupt(Callback):
    """An interrupt after some steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def on_train_batch_end(self, *args, **kwargs) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt

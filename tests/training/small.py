"""A small model, networks to train it on, and an interrupt."""

from functools import cache

from lightning import Callback

from netgraph.model import PriorConfig, VAEConfig
from netgraph.training import Example
from netgraph.zoo import ZooRecipe
from netgraph.zoo.make_shard import make_shard

PRIOR = PriorConfig(width=16, heads=2, place_layers=1, layout_layers=1, steps=2)
CONFIG = VAEConfig(width=16, heads=2, slot_size=4, max_nodes=96, max_fan=24, prior=PRIOR)


@cache
def examples_of(nets_per_task: int, steps: int) -> list[Example]:
    """Networks of two training tasks, trained for some steps."""
    changes = {"n_tasks": 3, "n_test_tasks": 1, "tasks_per_shard": 3, "nets_per_task": nets_per_task}
    shard = make_shard(ZooRecipe.load("tiny").changed(**changes, training={"steps": (steps, steps)}), 0)
    return [
        Example(g, shard.tasks[i].x, shard.meta_features[i])
        for g, i in zip(shard.graphs, shard.task.tolist(), strict=True)
    ]


class Interrupt(Callback):
    """An interrupt after some steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def on_train_batch_end(self, *args, **kwargs) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt

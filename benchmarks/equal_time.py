"""Trainings of equal time: the schedule of each ends when its time is over, on whatever machine."""

from typing import Any

import lightning

from netgraph.training.module import Paced


def pace(module: Paced, seconds: float) -> None:
    """Set the steps of a schedule to those that would be done in a time, at the speed so far."""
    share = module.seconds / seconds
    steps = module.steps_done / share if share > 0 else module.total_steps
    module.total_steps = max(1, min(module.total_steps, round(steps)))


class EqualTime(lightning.Callback):
    """Paces parts of a training.

    Args:
        seconds: Time of each part, by its name; others keep their steps.
    """

    def __init__(self, seconds: dict[str, float]) -> None:
        self.seconds = seconds
        self.most: dict[str, int] = {}

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Set the steps anew before each of them."""
        if pl_module.part in self.seconds:
            pl_module.total_steps = self.most.setdefault(pl_module.part, pl_module.total_steps)
            pace(pl_module, self.seconds[pl_module.part])

"""Trainings of equal time: their schedules run by time, not by steps."""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import lightning
import torch
from torch import Tensor, nn

#: Share of the time in which the learning rate rises, and the largest norm of a gradient; chosen: as netgraph's own.
WARMUP, CLIP = 0.03, 1.0


def learning_rate(peak: float, share: float) -> float:
    """Return the learning rate after a share of the time, in [0, 1]: a linear rise, then a cosine."""
    return peak * min(1.0, (share + 1e-3) / WARMUP) * (1 + math.cos(math.pi * min(1.0, share))) / 2


def train_for(
    module: nn.Module,
    loss: Callable[[Tensor], Tensor],
    vectors: Tensor,
    seconds: float,
    batch_size: int,
    peak: float,
    weight_decay: float,
) -> None:
    """Train a module for some time, at least for one step, and leave it in evaluation mode.

    Args:
        module: Encoder and decoder.
        loss: Loss of a batch of vectors, [batch, P].
        vectors: Training vectors, [n, P], in a new order in every epoch.
        seconds: Training time.
        batch_size: Vectors of a batch.
        peak: Peak learning rate.
        weight_decay: Weight decay.
    """
    optimizer = torch.optim.AdamW(module.parameters(), peak, weight_decay=weight_decay, fused=True)
    started, share = time.monotonic(), 0.0
    module.train()
    while share < 1:
        for batch in torch.randperm(len(vectors)).split(batch_size):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(peak, share)
            optimizer.zero_grad()
            loss(vectors[batch]).backward()
            nn.utils.clip_grad_norm_(module.parameters(), CLIP)
            optimizer.step()
            share = (time.monotonic() - started) / seconds
            if share >= 1:
                break
    module.eval()


class EqualTime(lightning.Callback):
    """Callback of netgraph's own training: it sets the steps of a schedule by its time and the speed so far.

    Args:
        seconds: Time of each part of a training, by its name (``VAE``, ``prior``, ``hypernet``); others keep theirs.
    """

    def __init__(self, seconds: Mapping[str, float]) -> None:
        self.seconds = seconds

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Set the steps anew before each of them."""
        limit = self.seconds.get(pl_module.part)
        if limit is not None and pl_module.seconds > 0:
            steps = round(pl_module.steps_done * limit / pl_module.seconds)
            pl_module.total_steps = max(1, pl_module.steps_done, steps)

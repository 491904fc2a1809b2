"""Trainings of equal time: their schedules run by time, not by steps."""

import math
import time
from collections.abc import Callable

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
    count: int,
    seconds: float,
    batch_size: int,
    peak: float,
    weight_decay: float,
) -> None:
    """Train a module for some time, at least for one step, and leave it in evaluation mode.

    Args:
        module: Encoder and decoder.
        loss: Loss of a batch of training vectors, by their numbers, [batch].
        count: Number of training vectors, in a new order in every epoch.
        seconds: Training time.
        batch_size: Vectors of a batch.
        peak: Peak learning rate.
        weight_decay: Weight decay.
    """
    optimizer = torch.optim.AdamW(module.parameters(), peak, weight_decay=weight_decay, fused=True)
    started, share = time.monotonic(), 0.0
    module.train()
    while share < 1:
        for batch in torch.randperm(count).split(batch_size):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(peak, share)
            optimizer.zero_grad()
            loss(batch).backward()
            nn.utils.clip_grad_norm_(module.parameters(), CLIP)
            optimizer.step()
            share = (time.monotonic() - started) / seconds
            if share >= 1:
                break
    module.eval()

"""What the peers that are trained share: the loop, by time, and the terms of their losses."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

Composer = Callable[[Generator], Sequence[Tensor]]


@dataclass(frozen=True)
class Schedule:
    """How a peer is trained.

    Attributes:
        seconds: How long, > 0.
        learning_rate: Peak of AdamW's learning rate, after a rise and before a fall along a cosine, both by time.
        weight_decay: Its weight decay.
        warmup: Share of the time in which the learning rate rises.
        clip: Largest norm of a gradient.
    """

    seconds: float
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    warmup: float = 0.03
    clip: float = 1.0

    def rate(self, share: float) -> float:
        """Give the learning rate at a share of the time, in [0, 1]."""
        rise = min(1.0, share / self.warmup)
        return self.learning_rate * rise * (1 + math.cos(math.pi * min(1.0, share))) / 2


@contextmanager
def seeded(seed: int) -> Iterator[Generator]:
    """Seed what torch draws inside, initial weights above all, and give a generator for the rest."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        yield Generator().manual_seed(seed)


def train_for(
    module: nn.Module,
    loss: Callable[[Tensor], Tensor],
    batches: Composer,
    schedule: Schedule,
    generator: Generator,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Train a module for some time, at least for one step.

    Args:
        module: What is trained; it is left in evaluation mode.
        loss: Gives the loss of some training networks, by their numbers, [batch] long.
        batches: Composes the batches of an epoch.
        schedule: How long and how fast.
        generator: Of the batches.
        clock: Gives seconds.

    Returns:
        The number of steps.
    """
    parameters, decay = module.parameters(), schedule.weight_decay
    optimizer = torch.optim.AdamW(parameters, schedule.learning_rate, weight_decay=decay, fused=True)
    started, steps, share = clock(), 0, 0.0
    module.train()
    for batch in _epochs(batches, generator):
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate(share)
        _step(module, loss(batch), optimizer, schedule.clip)
        steps += 1
        share = (clock() - started) / schedule.seconds
        if share >= 1:
            break
    module.eval()
    return steps


def _epochs(batches: Composer, generator: Generator) -> Iterator[Tensor]:
    while True:
        yield from batches(generator)


def _step(module: nn.Module, loss: Tensor, optimizer: torch.optim.Optimizer, clip: float) -> None:
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(module.parameters(), clip)
    optimizer.step()


def shuffled(count: int, batch_size: int) -> Composer:
    """Compose batches of ``count`` networks in a new order in every epoch."""
    return lambda generator: torch.randperm(count, generator=generator).split(batch_size)


def by_length(lengths: Tensor, batch_size: int) -> Composer:
    """Compose batches of networks of similar length, [n], in a new order in every epoch."""

    def compose(generator: Generator) -> list[Tensor]:
        noise = torch.rand(len(lengths), generator=generator) * 30
        batches = (lengths + noise).argsort().split(batch_size)
        return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]

    return compose


def masked_error(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error where a mask holds: divided by what the mask holds and not by the padding."""
    return ((prediction - target).square() * mask).sum() / mask.sum().clamp(min=1)


def code_error(logits: Tensor, codes: Tensor) -> Tensor:
    """Mean cross-entropy of zeros and ones."""
    return F.binary_cross_entropy_with_logits(logits, codes)


def noisy(mean: Tensor, log_variance: Tensor, generator: Generator) -> Tensor:
    """Draw from N(mean, exp(log_variance))."""
    return mean + (log_variance / 2).exp() * torch.randn(mean.shape, generator=generator)


def kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL divergence from N(0, I), in nats for each network."""
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum() / 2 / len(mean)


@torch.no_grad()
def in_parts(function: Callable[[Tensor], Tensor], rows: Tensor, size: int = 256) -> Tensor:
    """Apply a function to some rows at a time."""
    return torch.cat([function(part) for part in rows.split(size)])

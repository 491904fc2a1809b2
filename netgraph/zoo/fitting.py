"""Training many networks at once: AdamW on their concatenated states, every network with its own rates."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from netgraph.graph.architecture import SLOT_KINDS
from netgraph.stack import Stack

BETAS, EPSILON = (0.9, 0.99), 1e-8
#: Steps between two looks at the validation rows.
LOOK = 50
_EDGE, _BIAS = SLOT_KINDS.index("edge"), SLOT_KINDS.index("bias")


@dataclass(frozen=True)
class FitConfig:
    """Training of a stack.

    Attributes:
        steps: Number of steps; the learning rate falls along a cosine.
        batch_rows: Rows drawn in a step; all of them when there are fewer.
        learning_rate: Peak learning rate of each network, [M].
        weight_decay: Decoupled weight decay of each network's weights, [M].
        clip: Largest norm of a network's gradient.
    """

    steps: int
    batch_rows: int
    learning_rate: Tensor
    weight_decay: Tensor
    clip: float = 5.0


@dataclass(frozen=True)
class Fitted:
    """The outcome.

    Attributes:
        state: Concatenated states at each network's best step, [sum P].
        r2: R^2 on the validation rows, [M]; -inf for a network that diverged.
        best_step: Step after which each network was best, [M].
    """

    state: Tensor
    r2: Tensor
    best_step: Tensor


def fit_stack(
    stack: Stack,
    state: Tensor,
    train: tuple[Tensor, Tensor],
    validation: tuple[Tensor, Tensor],
    config: FitConfig,
    generator: Generator,
) -> Fitted:
    """Train every network of a stack on its own task, least squares, and keep each one's best step.

    The loss is summed over networks, so that none slows another down (a mean would divide every gradient by M).

    Args:
        stack: M networks.
        state: Their initial states, [sum P].
        train: x [M, rows, inputs] and y [M, rows, outputs].
        validation: Likewise.
        config: How.
        generator: Draws the rows of each step and the dropout.
    """
    optimizer = _AdamW(stack, config)
    best = _Best(stack, state, validation)
    state = state.detach().clone()
    batches = _batches(train, config.batch_rows, generator)
    for step in range(config.steps):
        state = optimizer.step(state, _gradient(stack, state, *next(batches), generator), step)
        if (step + 1) % LOOK == 0 or step + 1 == config.steps:
            best.look(stack.with_batch_statistics(state, train[0]), step + 1)
    return best.result()


def _batches(rows: tuple[Tensor, Tensor], size: int, generator: Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Shuffle the rows, the same way for every network, and cut them into whole batches, over and over."""
    count = rows[0].shape[1]
    while True:
        order = torch.randperm(count, generator=generator)
        x, y = (one[:, order] for one in rows)
        for start in range(0, max(1, count - size + 1), size):
            yield x[:, start : start + size].contiguous(), y[:, start : start + size]


def _gradient(stack: Stack, state: Tensor, x: Tensor, y: Tensor, generator: Generator) -> Tensor:
    leaf = state.detach().requires_grad_()
    error = stack(leaf, x, training=True, generator=generator) - y
    (gradient,) = torch.autograd.grad(error.square().mean(dim=(1, 2)).sum(), leaf)
    return gradient


class _AdamW:
    """AdamW (Loshchilov & Hutter 2019) with a learning rate and a weight decay for each network."""

    def __init__(self, stack: Stack, config: FitConfig) -> None:
        self.config = config
        kind = torch.cat([torch.from_numpy(a.slot_kind) for a in stack.architectures]).to(stack.device)
        self.network = torch.repeat_interleave(torch.arange(len(stack), device=stack.device), stack.state_ptr.diff())
        self.learned = ((kind == _EDGE) | (kind == _BIAS)).float()
        self.rate = config.learning_rate.to(stack.device)[self.network] * self.learned
        self.decay = self.rate * config.weight_decay.to(stack.device)[self.network] * (kind == _EDGE)
        self.first = torch.zeros_like(self.rate)
        self.second = torch.zeros_like(self.rate)

    def step(self, state: Tensor, gradient: Tensor, step: int) -> Tensor:
        """Give the states after a step; a network whose gradient is not finite stays where it is."""
        gradient = gradient.nan_to_num(0.0, 0.0, 0.0) * self._clipping(gradient)
        self.first.lerp_(gradient, 1 - BETAS[0])
        self.second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        falling = 0.5 * (1 + math.cos(math.pi * step / self.config.steps))
        root = (self.second / (1 - BETAS[1] ** (step + 1))).sqrt_().add_(EPSILON)
        update = self.rate * (self.first / (1 - BETAS[0] ** (step + 1))) / root + self.decay * state
        return state - falling * update

    def _clipping(self, gradient: Tensor) -> Tensor:
        square = gradient.new_zeros(len(self.config.learning_rate)).index_add(0, self.network, gradient.square())
        return (self.config.clip / square.sqrt().clamp(min=self.config.clip)).nan_to_num(0.0)[self.network]


class _Best:
    """The best state of every network so far, by its error on the validation rows."""

    def __init__(self, stack: Stack, state: Tensor, validation: tuple[Tensor, Tensor]) -> None:
        self.stack, self.validation = stack, validation
        self.state = state.detach().clone()
        self.error = torch.full((len(stack),), math.inf, device=stack.device)
        self.step = torch.zeros(len(stack), dtype=torch.long, device=stack.device)
        self.network = torch.repeat_interleave(torch.arange(len(stack), device=stack.device), stack.state_ptr.diff())

    def look(self, state: Tensor, step: int) -> None:
        with torch.no_grad():
            error = (self.stack(state, self.validation[0]) - self.validation[1]).square().mean(dim=(1, 2))
        better = error < self.error  # False for NaN
        self.error = torch.where(better, error, self.error)
        self.step = torch.where(better, step, self.step)
        self.state = torch.where(better[self.network], state, self.state)

    def result(self) -> Fitted:
        y = self.validation[1]
        variance = (y - y.mean(dim=1, keepdim=True)).square().mean(dim=(1, 2)).clamp(min=1e-12)
        return Fitted(self.state, 1 - self.error / variance, self.step)


def pad_rows(rows: Sequence[Tensor], width: int) -> Tensor:
    """Lay rows of different widths, each [rows, n], side by side, zero padded, [M, rows, width]."""
    padded = torch.zeros(len(rows), len(rows[0]), width)
    for target, source in zip(padded, rows, strict=True):
        target[:, : source.shape[1]] = source
    return padded

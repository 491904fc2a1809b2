"""Batched training: least squares of many networks at once, each with its own optimizer, rates and number of steps."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import count

import torch
from torch import Generator, Tensor

from netgraph.graph.architecture import Architecture
from netgraph.stack import PlainGradient, Stack, can_run, stacked
from netgraph.zoo.fit_recipe import FitConfig
from netgraph.zoo.optimizers import Optimizer

#: Steps between two measurements of the validation error.
VALIDATION_STEPS = 50
#: Epochs between two shuffles of the rows.
SHUFFLE_EPOCHS = 8
Rows = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Fitted:
    """Outcome of the training of M networks.

    Attributes:
        states: Their states at their best steps, each [P].
        r2: R^2 on the validation rows at the best step, [M]; -inf for a network that was never finite.
        best_step: Step after which each was best, [M] long; 0 where no step improved it.
        steps: Steps that each took, [M] long.
        diverged: Whether its validation error or its gradient was ever infinite or NaN, [M] bool.
        trajectory: Their states after the steps of the configuration, each [checkpoints, P].
    """

    states: list[Tensor]
    r2: Tensor
    best_step: Tensor
    steps: Tensor
    diverged: Tensor
    trajectory: list[Tensor]

    @classmethod
    def join(cls, parts: "Sequence[Fitted]", order: Sequence[int]) -> "Fitted":
        """Join outcomes; ``order`` has the numbers of their networks, one outcome after the other."""
        back = torch.tensor(order).argsort()

        def joined(name: str) -> Tensor | list[Tensor]:
            values = [getattr(part, name) for part in parts]
            if isinstance(values[0], Tensor):
                return torch.cat(values)[back]
            together = [state for states in values for state in states]
            return [together[i] for i in back.tolist()]

        return cls(**{field.name: joined(field.name) for field in fields(cls)})  # type: ignore[arg-type]


def fit_networks(
    architectures: Sequence[Architecture],
    states: Sequence[Tensor],
    train: Rows,
    validation: Rows,
    config: FitConfig,
    generator: Generator,
    device: torch.device | str = "cpu",
) -> Fitted:
    """Train networks of any sizes, those of similar size side by side.

    Args:
        architectures: M architectures.
        states: Their initial states, each [P].
        train: x [M, rows, inputs], zero padded, and y [M, rows, outputs].
        validation: x and y of the validation rows, in the same shapes.
        config: Settings of the training.
        generator: Draws the rows of each step, the same whatever the networks are stacked with, and the dropout.
        device: Where to train.

    Example:
        >>> graph = netgraph.from_module(torch.nn.Linear(1, 1))
        >>> x = torch.linspace(-1, 1, 32)[None, :, None]
        >>> config = FitConfig.uniform(1, steps=200, batch_rows=32, learning_rate=0.1)
        >>> rows = x, 3 * x + 1
        >>> fitted = fit_networks([graph.architecture], [graph.state], rows, rows, config, Generator())
        >>> bool(fitted.r2 > 0.99)
        True
    """
    parts = []
    seed = int(torch.randint(2**62, (), generator=generator))
    order: list[int] = []
    for members, stack, state in stacked(architectures, states, device):
        order += members
        chosen = torch.tensor(members)
        rows = [(x[chosen], y[chosen]) for x, y in (train, validation)]
        parts.append(fit_stack(stack, state, rows[0], rows[1], config.select(chosen), Generator().manual_seed(seed)))
    return Fitted.join(parts, order)


def fit_stack(
    stack: Stack, state: Tensor, train: Rows, validation: Rows, config: FitConfig, generator: Generator
) -> Fitted:
    """Train every network of a stack on its own task and keep each one's best step.

    The loss is summed over networks, so that none slows another down (a mean would divide every gradient by M). Once
    fewer than half of the networks still train, the stack is compiled again without the others.

    ``stack`` holds M networks, ``state`` their initial states, [sum P]; other arguments as of :func:`fit_networks`.
    """
    training = _Training(stack, state, train, validation, config)
    noise = Generator(stack.device).manual_seed(int(torch.randint(2**62, (), generator=generator)))
    batches = _batches(train[0].shape[1], config.batch_rows, generator)
    training.checkpoint(0)
    training.validate(0)
    last = int(config.steps.max())
    for step in range(1, last + 1):
        order, rows = next(batches)
        if order is not None:
            training.shuffle(order)
        training.step(rows, step, noise)
        training.checkpoint(step)
        if step % VALIDATION_STEPS == 0 or step == last:
            training.validate(step)
            running = training.running[training.numbers]
            if not running.any():
                break
            if 2 * int(running.sum()) < len(running):
                training.narrow(running)
    return training.result(stack, validation[1])


def _batches(rows: int, size: int, generator: Generator) -> Iterator[tuple[Tensor | None, slice]]:
    """Cut the rows into whole batches, epoch after epoch, the same for every network.

    Within an epoch no row comes twice. Batches are cut from shuffled rows, each epoch from another row on; the rows are
    shuffled anew every :data:`SHUFFLE_EPOCHS` epochs, as moving all of them costs as much as some steps.

    Yields:
        The order of the rows, [rows + size], when they are shuffled, and the slice of the batch's rows.
    """
    size = min(size, rows)
    for epoch in count():
        order = None
        if epoch % SHUFFLE_EPOCHS == 0:
            order = torch.randperm(rows, generator=generator)
            order = torch.cat([order, order[:size]])
        first = int(torch.randint(rows, (), generator=generator))
        for start in range(first, first + rows - size + 1, size):
            yield order, slice(start % rows, start % rows + size)
            order = None


class _Training:
    """Training state of M networks, and per-network early stopping: best state, trajectory, divergence.

    Attributes:
        running: Whether each still trains, [M] bool.
        numbers: Numbers among all M of the m networks of the stack; a slice while these are all.
        elements: Numbers of their state elements, among all; a slice while these are all.
    """

    def __init__(self, stack: Stack, state: Tensor, train: Rows, validation: Rows, config: FitConfig) -> None:
        count, device = len(stack), stack.device
        self.config, self.limit, self.patience = config, config.steps.to(device), config.patience.to(device)
        self.alike = bool((config.steps == config.steps[0]).all())
        self.best, self.latest = (state.detach().clone().to(device) for _ in range(2))
        self.error = torch.full((count,), math.inf, device=device)
        self.best_step, self.taken, self.stale = torch.zeros(3, count, dtype=torch.long, device=device)
        self.running = torch.ones(count, dtype=torch.bool, device=device)
        self.diverged = torch.zeros(count, dtype=torch.bool, device=device)
        self.trajectory: list[Tensor] = []
        self.numbers: Tensor | slice = slice(None)
        self.elements: Tensor | slice = slice(None)
        self.optimizer = Optimizer.of(stack, config.learning_rate, config.weight_decay, config.optimizer, config.clip)
        self.order = torch.arange(train[0].shape[1])
        self._enter(stack, state.detach().to(device), *((x.to(device), y.to(device)) for x, y in (train, validation)))

    def _enter(self, stack: Stack, state: Tensor, train: Rows, validation: Rows) -> None:
        """Set the networks that train, their states and their rows."""
        self.stack, self.state, self.train, self.validation = stack, state, train, validation
        rows = min(self.config.batch_rows, train[0].shape[1])
        self._plain = PlainGradient(stack, rows) if can_run(stack) else None
        self.shuffle(self.order)

    def shuffle(self, order: Tensor) -> None:
        """Sort the rows by ``order``, in which the first ones may come again at the end."""
        self.order = order.to(self.stack.device)
        x, y = (rows.index_select(1, self.order) for rows in self.train)
        self._inputs = self.stack.arrange(x).contiguous()  # [m, inputs, rows]
        self._target = (y if self._plain is None else y[self._plain.order]).mT.contiguous()  # [m, outputs, rows]

    def step(self, rows: slice, step: int, generator: Generator) -> None:
        """Take the ``step``-th step, on some of the rows, by the gradient of their mean squared error."""
        inputs, target = self._inputs[:, :, rows], self._target[:, :, rows]
        if self._plain is not None:
            gradient = self._plain.gradient(self.state, inputs, target)
        else:
            leaf = self.state.detach().requires_grad_()
            error = self.stack.run(leaf, inputs, training=True, generator=generator).mT - target
            gradient = torch.autograd.grad(error.square().mean(dim=(1, 2)).sum(), leaf)[0]
        with torch.no_grad():
            self.state = self.optimizer.step(self.stack, self.state, gradient, self._annealing(step - 1))

    def _annealing(self, step: int) -> Tensor | float:
        """Return the factor of each learning rate after ``step`` steps: cosine annealing to 0, or 1, [m].

        One number stands for all while every network trains equally long; 0 for a network that stopped.
        """
        constant = self.config.schedule == "constant"
        if self.alike:
            return 1.0 if constant else 0.5 + 0.5 * math.cos(math.pi * step / int(self.config.steps[0]))
        share = (step / self.limit[self.numbers]).clamp(max=1)
        factor = (share < 1).to(share) if constant else torch.cos(math.pi * share).add(1).mul(0.5)
        return factor.mul(self.running[self.numbers])

    def _finished(self) -> Tensor:
        """Return the states with running statistics of all training rows."""
        return self.stack.with_batch_statistics(self.state, self.train[0])

    def checkpoint(self, step: int) -> None:
        """Keep the states, with their running statistics, if ``step`` is one of the trajectory."""
        if step in self.config.trajectory:
            self.latest[self.elements] = self._finished() if step else self.state
            self.trajectory.append(self.latest.clone())

    def validate(self, step: int) -> None:
        """Measure the validation error, keep the states of least error so far, stop finished networks."""
        at, state, running = self.numbers, self._finished(), self.running[self.numbers]
        with torch.no_grad():
            error = (self.stack(state, self.validation[0]) - self.validation[1]).square().mean(dim=(1, 2))
        self.taken[at] = torch.where(running, self.limit[at].clamp(max=step), self.taken[at])
        self.diverged[at] |= running & ~(error.isfinite() & self.optimizer.finite)
        better = running & (error < self.error[at])  # False for NaN
        self.error[at] = torch.where(better, error, self.error[at])
        self.best_step[at] = torch.where(better, self.taken[at], self.best_step[at])
        self.best[self.elements] = torch.where(self.stack.spread(better), state, self.best[self.elements])
        self.stale[at] = torch.where(better, 0, self.stale[at] + 1)
        if self.config.trajectory:
            self.latest[self.elements] = state
        impatient = (self.patience[at] > 0) & (self.stale[at] >= self.patience[at])
        self.running[at] = running & ~(self.diverged[at] | (self.limit[at] <= step) | impatient)
        self.alike = self.alike and bool(self.running.all())

    def narrow(self, running: Tensor) -> None:
        """Compile the stack again for the networks that are ``running``, [m] bool."""
        kept = running.nonzero().flatten()
        elements = self.stack.spread(running).nonzero().flatten()
        self.numbers = torch.arange(len(self.running), device=kept.device)[self.numbers][kept]
        self.elements = torch.arange(len(self.best), device=kept.device)[self.elements][elements]
        self.optimizer = self.optimizer.select(elements, kept)
        stack = Stack([self.stack.architectures[i] for i in kept.tolist()], self.stack.device)
        self._enter(stack, self.state[elements], *((x[kept], y[kept]) for x, y in (self.train, self.validation)))

    def result(self, stack: Stack, y: Tensor) -> Fitted:
        """Return the outcome.

        Args:
            stack: All M networks.
            y: Targets of the validation rows, [M, rows, outputs].
        """
        y = y.to(stack.device)
        variance = (y - y.mean(dim=1, keepdim=True)).square().mean(dim=(1, 2)).clamp(min=1e-12)
        missing = len(self.config.trajectory) - len(self.trajectory)  # due after every network had stopped
        states = torch.stack([*self.trajectory, *[self.latest] * missing, self.best]).cpu()  # [checkpoints + 1, sum P]
        parts = states.split(stack.state_ptr.diff().tolist(), dim=1)
        return Fitted(
            states=[part[-1].clone() for part in parts],
            r2=(1 - self.error / variance).cpu(),
            best_step=self.best_step.cpu(),
            steps=self.taken.cpu(),
            diverged=self.diverged.cpu(),
            trajectory=[part[:-1].clone() for part in parts],
        )


def pad_rows(rows: Sequence[Tensor], width: int) -> Tensor:
    """Stack rows of different widths, each [rows, n], zero padded, [M, rows, width].

    Example:
        >>> pad_rows([torch.ones(1, 1), torch.ones(1, 2)], 2)
        tensor([[[1., 0.]],
        <BLANKLINE>
                [[1., 1.]]])
    """
    padded = torch.zeros(len(rows), len(rows[0]), width)
    for target, source in zip(padded, rows, strict=True):
        target[:, : source.shape[1]] = source
    return padded

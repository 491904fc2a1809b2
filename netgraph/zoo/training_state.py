"""Training state of many networks at once: a step, per-network early stopping, trajectories, divergence."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Generator, Tensor

from netgraph.errors import NetGraphError
from netgraph.lines import Compact
from netgraph.stack import PlainGradient, Stack, can_run
from netgraph.zoo.fit_recipe import FitConfig
from netgraph.zoo.network_losses import NetworkLosses
from netgraph.zoo.optimizers import Optimizer

Rows = tuple[Tensor, Tensor]


@dataclass(frozen=True, repr=False)
class Fitted(Compact):
    """Outcome of the training of M networks.

    Attributes:
        states: Their states at their best steps, each [P].
        loss: Loss on the validation rows at the best step, [M]; inf for a network that was never finite.
        r2: Share of the validation loss that the best step explains, 1 - loss / loss of the best constant output, [M]:
            R^2 for squared error, McFadden's R^2 for classes; -inf for a network that was never finite.
        accuracy: Share of right classes on the validation rows at the best step, [M]; NaN for squared error.
        best_step: Step after which each was best, [M] long; 0 where no step improved it.
        steps: Steps that each took, [M] long.
        diverged: Whether its validation error or its gradient was ever infinite or NaN, [M] bool.
        trajectory: Their states after the steps of the configuration, each [checkpoints, P].
    """

    states: list[Tensor]
    loss: Tensor
    r2: Tensor
    accuracy: Tensor
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


class TrainingState:
    """Training state of M networks, and per-network early stopping: best state, trajectory, divergence.

    Attributes:
        running: Whether each still trains, [M] bool.
        numbers: Numbers among all M of the m networks of the stack; a slice while these are all.
        elements: Numbers of their state elements, among all; a slice while these are all.
    """

    def __init__(
        self, stack: Stack, state: Tensor, train: Rows, validation: Rows, config: FitConfig, losses: Sequence[str]
    ) -> None:
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
        self._enter(
            stack, losses, state.detach().to(device), *((x.to(device), y.to(device)) for x, y in (train, validation))
        )

    def _enter(self, stack: Stack, losses: Sequence[str], state: Tensor, train: Rows, validation: Rows) -> None:
        """Set the networks that train, their states and their rows."""
        self.stack, self.state = stack, state
        self.train, self.validation = ((x, own_columns(stack, y)) for x, y in (train, validation))
        rows = min(self.config.batch_rows, train[0].shape[1])
        self._plain = PlainGradient(stack, rows) if can_run(stack) else None
        self.losses = NetworkLosses(losses, stack.n_outputs)
        #: Networks in the order of the targets, [m].
        self._networks = torch.arange(len(stack), device=stack.device) if self._plain is None else self._plain.order
        ordered = [losses[i] for i in self._networks.tolist()]
        self._target_losses = NetworkLosses(ordered, stack.n_outputs[self._networks], dim=-2)
        self.shuffle(self.order)

    def shuffle(self, order: Tensor) -> None:
        """Sort the rows by ``order``, in which the first ones may come again at the end."""
        self.order = order.to(self.stack.device)
        x, y = (rows.index_select(1, self.order) for rows in self.train)
        self._inputs = self.stack.arrange(x).contiguous()  # [m, inputs, rows]
        self._target = y[self._networks].mT.contiguous()  # [m, outputs, rows]

    def step(self, rows: slice, step: int, generator: Generator) -> None:
        """Take the ``step``-th step, by the gradient of the loss of some of the rows."""
        inputs, target = self._inputs[:, :, rows], self._target[:, :, rows]

        def at_outputs(output: Tensor, out: Tensor) -> Tensor:
            return self._target_losses.gradient(output, target, out)

        if self._plain is not None:
            gradient = self._plain.gradient(self.state, inputs, at_outputs)
        else:
            leaf = self.state.detach().requires_grad_()
            output = self.stack.run(leaf, inputs, training=True, generator=generator).mT  # [m, outputs, rows]
            gradient = torch.autograd.grad(output, leaf, at_outputs(output.detach(), torch.empty_like(output)))[0]
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
        """Measure the validation loss, keep the states of least loss so far, stop finished networks."""
        at, state, running = self.numbers, self._finished(), self.running[self.numbers]
        with torch.no_grad():
            x, y = self.validation
            error = self.losses.value(self.stack(state, x), y)
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
        losses = [self.losses.names[i] for i in kept.tolist()]
        self._enter(
            stack, losses, self.state[elements], *((x[kept], y[kept]) for x, y in (self.train, self.validation))
        )

    def result(self, stack: Stack, validation: Rows, losses: Sequence[str]) -> Fitted:
        """Return the outcome.

        Args:
            stack: All M networks.
            validation: Their validation rows.
            losses: Name of each one's loss.
        """
        x, y = validation[0], own_columns(stack, validation[1]).to(stack.device)
        every = NetworkLosses(losses, stack.n_outputs)
        accuracy = torch.full_like(self.error, torch.nan)
        if every.have_classes:
            with torch.no_grad():
                accuracy = every.accuracy(stack(self.best, x), y)
        missing = len(self.config.trajectory) - len(self.trajectory)  # due after every network had stopped
        states = torch.stack([*self.trajectory, *[self.latest] * missing, self.best]).cpu()  # [checkpoints + 1, sum P]
        parts = states.split(stack.state_ptr.diff().tolist(), dim=1)
        return Fitted(
            states=[part[-1].clone() for part in parts],
            loss=self.error.cpu(),
            r2=every.explained(self.error, y).cpu(),
            accuracy=accuracy.cpu(),
            best_step=self.best_step.cpu(),
            steps=self.taken.cpu(),
            diverged=self.diverged.cpu(),
            trajectory=[part[:-1].clone() for part in parts],
        )


def own_columns(stack: Stack, y: Tensor) -> Tensor:
    """Return the columns of y, [M, rows, outputs], that a network of the stack has an output for."""
    if y.shape[2] < stack.max_outputs:
        raise NetGraphError(f"y has {y.shape[2]} columns; a network has {stack.max_outputs} outputs")
    return y[:, :, : stack.max_outputs]

"""What becomes of every network while it trains: its best state, its course, whether it diverged."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from netgraph.stack import Stack
from netgraph.zoo.cohort import Cohort
from netgraph.zoo.fit_config import FitConfig


@dataclass(frozen=True)
class Fitted:
    """The outcome, for M networks.

    Attributes:
        states: Their states at their best steps, each [P].
        r2: R^2 on the validation rows at the best step, [M]; -inf for a network that was never finite.
        best_step: Step after which each was best, [M] long; 0 where no step made it better.
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
        """Join outcomes, whose networks, one part after the other, have the numbers of ``order``."""
        back = torch.tensor(order).argsort()

        def figures(name: str) -> Tensor:
            return torch.cat([getattr(part, name) for part in parts])[back]

        def lists(name: str) -> list[Tensor]:
            joined = [one for part in parts for one in getattr(part, name)]
            return [joined[i] for i in back.tolist()]

        return cls(
            lists("states"),
            figures("r2"),
            figures("best_step"),
            figures("steps"),
            figures("diverged"),
            lists("trajectory"),
        )


class Best:
    """Follows every network of a training.

    Args:
        stack: All M networks.
        state: Their initial states, [sum P].
        config: Of the training.

    Attributes:
        running: Whether each still trains, [M] bool.
    """

    def __init__(self, stack: Stack, state: Tensor, config: FitConfig) -> None:
        count, device = len(stack), stack.device
        self.stack, self.config = stack, config
        self.limit, self.patience = config.steps.to(device), config.patience.to(device)
        self.alike = bool((config.steps == config.steps[0]).all())
        self.state, self.latest = state.detach().clone().to(device), state.detach().clone().to(device)
        self.error = torch.full((count,), math.inf, device=device)
        self.step, self.taken, self.stale = torch.zeros(3, count, dtype=torch.long, device=device)
        self.running = torch.ones(count, dtype=torch.bool, device=device)
        self.diverged = torch.zeros(count, dtype=torch.bool, device=device)
        self.course: list[Tensor] = []

    def falling(self, cohort: Cohort, step: int) -> Tensor | float:
        """Give what each network's learning rate is multiplied with after ``step`` steps, [m]: 0 once it stopped.

        One number stands for all while every network trains equally long.
        """
        if self.alike:
            return 0.5 + 0.5 * math.cos(math.pi * step / int(self.config.steps[0]))
        share = (step / self.limit[cohort.numbers]).clamp(max=1)
        running = self.running[cohort.numbers]
        return torch.cos(math.pi * share).add(1).mul(0.5).mul(running)

    def keep(self, cohort: Cohort, step: int) -> None:
        """Keep the states of the trajectory, with the running statistics that go with them."""
        if step in self.config.trajectory:
            self._put(self.latest, cohort, cohort.finished() if step else cohort.state)
            self.course.append(self.latest.clone())

    def look(self, cohort: Cohort, step: int) -> None:
        """Look at the validation rows: keep what is better, stop what is done."""
        at = cohort.numbers
        state = cohort.finished()
        error = cohort.error(state)
        running = self.running[at]
        self.taken[at] = torch.where(running, self.limit[at].clamp(max=step), self.taken[at])
        self.diverged[at] |= running & ~(error.isfinite() & cohort.optimizer.finite)
        better = running & (error < self.error[at])  # False for NaN
        self.error[at] = torch.where(better, error, self.error[at])
        self.step[at] = torch.where(better, self.taken[at], self.step[at])
        self._put(self.state, cohort, torch.where(cohort.stack.spread(better), state, self._get(self.state, cohort)))
        self.stale[at] = torch.where(better, 0, self.stale[at] + 1)
        if self.config.trajectory:
            self._put(self.latest, cohort, state)
        self.running[at] = running & ~self._done(at, step)
        self.alike = self.alike and bool(self.running.all())

    @staticmethod
    def _get(values: Tensor, cohort: Cohort) -> Tensor:
        return values if len(values) == len(cohort.elements) else values[cohort.elements]

    @staticmethod
    def _put(values: Tensor, cohort: Cohort, found: Tensor) -> None:
        """Write the state elements of a cohort; at once where it is still whole."""
        if len(values) == len(found):
            values.copy_(found)
        else:
            values[cohort.elements] = found

    def _done(self, at: Tensor, step: int) -> Tensor:
        impatient = (self.patience[at] > 0) & (self.stale[at] >= self.patience[at])
        done: Tensor = self.diverged[at] | (self.limit[at] <= step) | impatient
        return done

    def result(self, y: Tensor) -> Fitted:
        """Give the outcome; ``y`` are the targets of the validation rows, [M, rows, outputs]."""
        variance = (y - y.mean(dim=1, keepdim=True)).square().mean(dim=(1, 2)).clamp(min=1e-12)
        course = [self.stack.split(states) for states in self._whole_course()]
        return Fitted(
            states=[one.cpu().clone() for one in self.stack.split(self.state)],
            r2=(1 - self.error / variance).cpu(),
            best_step=self.step.cpu(),
            steps=self.taken.cpu(),
            diverged=self.diverged.cpu(),
            trajectory=[
                torch.stack([states[i] for states in course]).cpu() if course else self.state.new_zeros(0, size)
                for i, size in enumerate(self.stack.state_ptr.diff().tolist())
            ],
        )

    def _whole_course(self) -> list[Tensor]:
        """The kept states; those that were due after every network had stopped are the last ones."""
        missing = len(self.config.trajectory) - len(self.course)
        return [*self.course, *[self.latest] * missing]

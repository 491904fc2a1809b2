"""How many networks are trained at once."""

from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.zoo.optimizers import OPTIMIZERS


@dataclass(frozen=True)
class FitConfig:
    """Training of M networks.

    Attributes:
        steps: Most steps of each network, [M] long; its learning rate falls along a cosine to 0.
        batch_rows: Rows drawn in a step; all of them when there are fewer.
        learning_rate: Peak learning rate of each network, [M].
        weight_decay: Weight decay of each network's weights, [M].
        optimizer: Index into :data:`~netgraph.zoo.optimizers.OPTIMIZERS` of each network, [M] long.
        patience: Looks at the validation rows, one every 50 steps, without improvement after which each network stops,
            [M] long; 0 for never.
        clip: Largest norm of a network's gradient.
        trajectory: Steps after which the states are kept, in rising order; 0 for the initial ones.

    Raises:
        NetGraphError: When a network has less than one step, or the trajectory does not rise.
    """

    steps: Tensor
    batch_rows: int
    learning_rate: Tensor
    weight_decay: Tensor
    optimizer: Tensor
    patience: Tensor
    clip: float = 5.0
    trajectory: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be trained or kept."""
        if bool((self.steps < 1).any()):
            raise NetGraphError(f"steps has {int(self.steps.min())}; a network needs at least 1")
        check_trajectory("trajectory", self.trajectory)

    @classmethod
    def uniform(
        cls, count: int, *, steps: int, batch_rows: int, learning_rate: float, weight_decay: float = 0.0
    ) -> Self:
        """Train ``count`` networks alike, with AdamW."""
        rates = torch.full((count,), learning_rate), torch.full((count,), weight_decay)
        adamw = torch.full((count,), OPTIMIZERS.index("adamw"))
        return cls(torch.full((count,), steps), batch_rows, *rates, adamw, torch.zeros(count, dtype=torch.long))

    def select(self, networks: Tensor) -> Self:
        """Give the training of some of the networks, by their numbers."""
        names = ("steps", "learning_rate", "weight_decay", "optimizer", "patience")
        return replace(self, **{name: getattr(self, name)[networks] for name in names})


def check_trajectory(key: str, steps: Any, most: int | None = None) -> None:
    """Refuse steps that do not rise from 0 or more, or that no network ever takes, which has ``most`` at most.

    Raises:
        NetGraphError: It names the key.
    """
    whole = isinstance(steps, tuple) and all(isinstance(step, int) and step >= 0 for step in steps)
    rises = whole and list(steps) == sorted(set(steps))
    if not rises or (most is not None and steps and steps[-1] > most):
        limits = "at least 0" if most is None else f"from 0 to {most}"
        raise NetGraphError(f"{key} is {steps!r}; it must be a list of whole numbers {limits}, rising")

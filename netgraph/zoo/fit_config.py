"""How many networks are trained at once."""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

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
        patience: Looks at the validation rows, one every 50 steps, without improvement after which a network stops; 0
            for never.
        clip: Largest norm of a network's gradient.
        trajectory: Steps after which the states are kept, in rising order; 0 for the initial ones.
    """

    steps: Tensor
    batch_rows: int
    learning_rate: Tensor
    weight_decay: Tensor
    optimizer: Tensor
    patience: int = 0
    clip: float = 5.0
    trajectory: tuple[int, ...] = ()

    @classmethod
    def uniform(
        cls, count: int, *, steps: int, batch_rows: int, learning_rate: float, weight_decay: float = 0.0
    ) -> Self:
        """Train ``count`` networks alike, with AdamW."""
        rates = torch.full((count,), learning_rate), torch.full((count,), weight_decay)
        adamw = torch.full((count,), OPTIMIZERS.index("adamw"))
        return cls(torch.full((count,), steps), batch_rows, *rates, adamw)

    def select(self, networks: Tensor) -> Self:
        """Give the training of some of the networks, by their numbers."""
        names = ("steps", "learning_rate", "weight_decay", "optimizer")
        return replace(self, **{name: getattr(self, name)[networks] for name in names})

"""How the networks of a zoo are trained: the distributions from which each network's training is drawn."""

from dataclasses import dataclass, field
from typing import Annotated

import torch
from torch import Generator, Tensor

from netgraph.errors import NetGraphError
from netgraph.tasks.settings import Between, Range, Weighted, Weights, Whole, check_settings
from netgraph.zoo.fit_config import FitConfig, check_trajectory
from netgraph.zoo.optimizers import OPTIMIZERS


@dataclass(frozen=True)
class FitRecipe:
    """What trainings are made of; each network draws its own.

    Attributes:
        optimizers: Weight of ``sgd`` (momentum 0.9), ``adam`` and ``adamw``.
        steps: Fewest and most steps. An epoch is as many steps as ``batch_rows`` fits whole into the training rows: 2
            for 128 rows, a quarter of them for validation, and 48 rows a step.
        batch_rows: Rows of a step.
        learning_rate: Least and largest peak learning rate, drawn log-uniformly; it falls along a cosine to 0.
        weight_decay: Least and largest weight decay, drawn log-uniformly; or both 0.
        patience: Least and largest number of looks at the validation rows, one every 50 steps, without improvement
            after which a network stops; 0 for never. The best state is kept in either case.
        clip: Largest norm of a network's gradient.
        validation_share: Share of a task's rows on which the best state is chosen.
        trajectory: Steps after which the states are stored too, in rising order; 0 for the initial ones. A network that
            ends earlier repeats its last state.
        least_r2: A network that explains less of its validation rows is left out of the zoo, and recorded as left out,
            like one that diverged or that no step made better.
    """

    optimizers: Annotated[Weights, Weighted(OPTIMIZERS)] = field(default_factory=lambda: {"adamw": 1.0})
    steps: Annotated[Whole, Between(1)] = (300, 300)
    batch_rows: Annotated[int, Between(1)] = 48
    learning_rate: Annotated[Range, Between(1e-9, 1e3)] = (0.005, 0.1)
    weight_decay: Annotated[Range, Between(0, 1e3)] = (1e-5, 1e-3)
    patience: Annotated[Whole, Between(0)] = (0, 0)
    clip: Annotated[float, Between(1e-9)] = 5.0
    validation_share: Annotated[float, Between(0.01, 0.9)] = 0.25
    trajectory: tuple[int, ...] = ()
    least_r2: Annotated[float, Between(-1e30, 1)] = -1.0

    def __post_init__(self) -> None:
        """Check the fields.

        Raises:
            NetGraphError: A value is not allowed; the message names ``training.<key>``.
        """
        check_settings(self, "training")
        check_trajectory("training.trajectory", self.trajectory, self.steps[1])
        if self.weight_decay[0] == 0 < self.weight_decay[1]:
            raise NetGraphError(
                f"training.weight_decay is {self.weight_decay!r}; it must be two numbers above 0, or both 0"
            )

    def n_validation(self, rows: int) -> int:
        """Give the number of validation rows of a task with so many rows."""
        return round(rows * self.validation_share)

    def draw(self, count: int, generator: Generator) -> FitConfig:
        """Draw the trainings of some networks."""
        shares = torch.tensor([self.optimizers.get(name, 0.0) for name in OPTIMIZERS], dtype=torch.float64)
        return FitConfig(
            steps=_whole(self.steps, count, generator),
            batch_rows=self.batch_rows,
            learning_rate=_log_uniform(self.learning_rate, count, generator),
            weight_decay=_log_uniform(self.weight_decay, count, generator),
            optimizer=torch.multinomial(shares, count, replacement=True, generator=generator),
            patience=_whole(self.patience, count, generator),
            clip=self.clip,
            trajectory=self.trajectory,
        )


def _whole(bounds: Whole, count: int, generator: Generator) -> Tensor:
    return torch.randint(bounds[0], bounds[1] + 1, (count,), generator=generator)


def _log_uniform(bounds: Range, count: int, generator: Generator) -> Tensor:
    low, high = torch.tensor(bounds, dtype=torch.float64).log()
    share = torch.rand(count, generator=generator, dtype=torch.float64)
    drawn: Tensor = (low + (high - low) * share).nan_to_num(nan=-torch.inf).exp()
    return drawn.float()

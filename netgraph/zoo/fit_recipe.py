"""How networks are trained: settings of each, and the distributions from which a zoo draws them."""

from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal, Self

import torch
from torch import Generator, Tensor

from netgraph.errors import NetGraphError
from netgraph.tasks.settings import Between, Range, Settings, Weights, Whole, check_settings, require, weighted
from netgraph.zoo.optimizers import OPTIMIZERS

Schedule = Literal["cosine", "constant"]


@dataclass(frozen=True)
class FitConfig:
    """Training of M networks.

    Attributes:
        steps: Most steps of each network, [M] long.
        batch_rows: Rows drawn in a step; all of them when there are fewer.
        learning_rate: Peak learning rate of each network, [M].
        weight_decay: Weight decay of each network's weights, [M].
        optimizer: Index into :data:`~netgraph.zoo.optimizers.OPTIMIZERS` of each network, [M] long.
        patience: Validations, one every 50 steps, without improvement after which each network stops, [M] long; 0 for
            never.
        clip: Largest norm of a network's gradient.
        trajectory: Steps after which the states are kept, in rising order; 0 for the initial ones.
        schedule: Whether learning rates fall along a cosine to 0, or stay.

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
    schedule: Schedule = "cosine"

    def __post_init__(self) -> None:
        """Check the steps and the trajectory."""
        if bool((self.steps < 1).any()):
            raise NetGraphError(f"steps has {int(self.steps.min())}; a network needs at least 1")
        check_trajectory("trajectory", self.trajectory)

    @classmethod
    def uniform(
        cls, count: int, *, steps: int, batch_rows: int, learning_rate: float, weight_decay: float = 0.0
    ) -> Self:
        """Return the same training for ``count`` networks, with AdamW.

        Example:
            >>> FitConfig.uniform(3, steps=100, batch_rows=32, learning_rate=0.01).steps
            tensor([100, 100, 100])
        """
        rates = torch.full((count,), learning_rate), torch.full((count,), weight_decay)
        adamw = torch.full((count,), OPTIMIZERS.index("adamw"))
        return cls(torch.full((count,), steps), batch_rows, *rates, adamw, torch.zeros(count, dtype=torch.long))

    def select(self, networks: Tensor) -> Self:
        """Return the training of some of the networks, by their numbers."""
        names = ("steps", "learning_rate", "weight_decay", "optimizer", "patience")
        return replace(self, **{name: getattr(self, name)[networks] for name in names})


def check_trajectory(key: str, steps: Any, most: int | None = None) -> None:
    """Check that steps rise, from 0 or more to at most ``most``.

    Raises:
        NetGraphError: When they do not; it names the key.
    """
    whole = isinstance(steps, tuple) and all(isinstance(step, int) and step >= 0 for step in steps)
    rises = whole and list(steps) == sorted(set(steps))
    limits = "at least 0" if most is None else f"from 0 to {most}"
    within = most is None or not steps or (rises and steps[-1] <= most)
    require(rises and within, key, steps, f"a list of whole numbers {limits}, rising")


@dataclass(frozen=True, repr=False)
class FitRecipe(Settings):
    """Distribution of trainings; each network draws its own.

    Attributes:
        optimizers: Weight of ``sgd`` (momentum 0.9), ``adam`` and ``adamw``.
        steps: Fewest and most steps. An epoch has the whole batches of the training rows: 2 for 128 rows, a quarter of
            them for validation, and 48 rows a step.
        batch_rows: Rows of a step.
        learning_rate: Least and largest peak learning rate, drawn log-uniformly; it falls along a cosine to 0.
        weight_decay: Least and largest weight decay, drawn log-uniformly; or both 0.
        patience: Least and largest number of validations, one every 50 steps, without improvement after which a network
            stops; 0 for never. The best state is kept in either case.
        clip: Largest norm of a network's gradient.
        validation_share: Share of a task's rows on which the best state is chosen.
        trajectory: Steps after which the states are stored too, in rising order; 0 for the initial ones. A network that
            ends earlier repeats its last state.
        least_r2: Validation R^2, of classes McFadden's R^2, below which a network is left out of the zoo, and recorded
            as left out, as are networks that diverged or that no step improved.
    """

    optimizers: Annotated[Weights, weighted(OPTIMIZERS)] = field(default_factory=lambda: {"adamw": 1.0})
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
        low, high = self.weight_decay
        require(low > 0 or high == 0, "training.weight_decay", self.weight_decay, "two numbers above 0, or both 0")

    def n_validation(self, rows: int) -> int:
        """Return the number of validation rows among the rows of a task."""
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

"""How the VAE is trained."""

import math
from dataclasses import dataclass, replace
from typing import Self

from netgraph.errors import NetGraphError

#: Least value of each number of :class:`TrainConfig` that has one.
LEAST = {
    "batch_size": 1, "max_epochs": 1, "max_steps": 1, "max_seconds": 0, "learning_rate": 0, "prior_batch_size": 1,
    "prior_epochs": 1, "prior_steps": 1, "prior_seconds": 0, "prior_learning_rate": 0, "transformations": 0,
    "weight_decay": 0, "warmup": 0, "clip": 0, "checkpoint_seconds": 0, "log_every": 1, "threads": 1, "patience": 1,
}  # fmt: skip


@dataclass(frozen=True)
class TrainConfig:
    """Training of the VAE: encoder, decoder and hypernet at once, then the prior on the codes of encoded networks.

    The schedules run by steps: each part ends after its epochs or its steps, whichever are fewer. Its time limit, if it
    has one, only cuts it short.

    Attributes:
        batch_size: Networks in a batch.
        learning_rate: Peak learning rate of AdamW.
        weight_decay: Its weight decay.
        warmup: Share of the steps in which the learning rate rises; it then falls along a cosine.
        max_epochs: Passes over the training networks.
        max_steps: Most steps; no limit when None.
        max_seconds: Time limit, for safety; none when None.
        prior_batch_size: Codes in a batch of the prior.
        prior_learning_rate: Peak learning rate of the prior.
        prior_epochs: Its passes over the codes.
        prior_steps: Its most steps.
        prior_seconds: Its time limit.
        transformations: Copies of each network whose inputs are permuted and change sign, for the prior to learn from.
        clip: Largest norm of a gradient.
        checkpoint_seconds: Time between checkpoints.
        log_every: Steps between TensorBoard points.
        mixed: Whether the transformers' products are computed in bfloat16 while training.
        threads: Threads of torch while it trains.
        seed: Of the batches, the weights' initialization and all noise.
        patience: Epochs without a lower loss on held-out networks after which each part ends, with the weights that had
            the lowest; the whole schedule when None.
    """

    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    warmup: float = 0.03
    max_epochs: int = 40
    max_steps: int | None = None
    max_seconds: float | None = None
    prior_batch_size: int = 1024
    prior_learning_rate: float = 2e-3
    prior_epochs: int = 40
    prior_steps: int | None = None
    prior_seconds: float | None = None
    transformations: int = 4
    clip: float = 1.0
    checkpoint_seconds: float = 20.0
    log_every: int = 10
    mixed: bool = False
    threads: int = 1
    seed: int = 0
    patience: int | None = None

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            NetGraphError: When one is too small or not finite; it names the field.
        """
        for name, least in LEAST.items():
            value = getattr(self, name)
            if value is not None and not least <= value < math.inf:
                raise NetGraphError(f"TrainConfig: {name} is {value}; it must be at least {least} and finite")

    def total_steps(self, batches: int) -> int:
        """Return the steps of the schedule on a number of batches."""
        steps = self.max_epochs * batches
        return steps if self.max_steps is None else min(steps, self.max_steps)

    def of_prior(self, most: int | None = None) -> Self:
        """Return the training of the prior, with its own rate and limits, and batches of at most ``most`` codes."""
        size = self.prior_batch_size if most is None else max(1, min(most, self.prior_batch_size))
        limits = {f"max_{unit}": getattr(self, f"prior_{unit}") for unit in ("epochs", "steps", "seconds")}
        return replace(self, seed=self.seed + 1, batch_size=size, learning_rate=self.prior_learning_rate, **limits)

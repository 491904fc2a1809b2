"""How the VAE is trained."""

import math
from dataclasses import dataclass, replace
from typing import Self

from netgraph.errors import NetGraphError

#: Least value of each number of :class:`TrainConfig` that has one.
LEAST = {
    "batch_size": 1, "rows": 1, "max_epochs": 1, "prior_epochs": 1, "generator_epochs": 1, "max_steps": 1,
    "prior_steps": 1, "generator_steps": 1, "max_seconds": 0, "prior_seconds": 0, "generator_seconds": 0,
    "learning_rate": 0, "prior_learning_rate": 0, "generator_learning_rate": 0, "weight_decay": 0, "warmup": 0,
    "clip": 0, "checkpoint_seconds": 0, "log_every": 1, "threads": 1,
}  # fmt: skip


@dataclass(frozen=True)
class PortfolioConfig:
    """How a portfolio of layouts is chosen.

    Attributes:
        size: Layouts for each number of columns.
        pool: Layouts of which they are chosen.
        tasks: Tasks that they are tried on.
    """

    size: int = 32
    pool: int = 128
    tasks: int = 24


@dataclass(frozen=True)
class TrainConfig:
    """Training of the VAE.

    The schedules run by steps: each part ends after its epochs or its steps, whichever are fewer. Its time limit, if it
    has one, only cuts it short.

    Attributes:
        batch_size: Networks in a batch.
        rows: Rows of its task on which a network's behavior is compared.
        learning_rate: Peak learning rate of AdamW.
        weight_decay: Its weight decay.
        warmup: Share of the steps in which the learning rate rises; it then falls along a cosine.
        max_epochs: Passes over the training networks.
        max_steps: Most steps; no limit when None.
        max_seconds: Time limit, for safety; none when None.
        prior_learning_rate: Peak learning rate of the prior, which is trained after encoder and decoder.
        prior_epochs: Its passes over the training networks.
        prior_steps: Its most steps.
        prior_seconds: Its time limit.
        generator_learning_rate: Peak learning rate of the generator, which is trained last.
        generator_epochs: Its passes over the training networks.
        generator_steps: Its most steps.
        generator_seconds: Its time limit.
        portfolio: How layouts are chosen for searches to begin with, once the generator is trained; None for none.
        clip: Largest norm of a gradient.
        checkpoint_seconds: Time between checkpoints.
        log_every: Steps between TensorBoard points.
        mixed: Whether the transformers' products are computed in bfloat16 while training.
        threads: Threads of torch while it trains.
        seed: Of the batches, the weights' initialization and the latent noise.
    """

    batch_size: int = 64
    rows: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    warmup: float = 0.03
    max_epochs: int = 40
    max_steps: int | None = None
    max_seconds: float | None = None
    prior_learning_rate: float = 2e-3
    prior_epochs: int = 40
    prior_steps: int | None = None
    prior_seconds: float | None = None
    generator_learning_rate: float = 2e-3
    generator_epochs: int = 40
    generator_steps: int | None = None
    generator_seconds: float | None = None
    portfolio: PortfolioConfig | None = None
    clip: float = 1.0
    checkpoint_seconds: float = 20.0
    log_every: int = 10
    mixed: bool = False
    threads: int = 1
    seed: int = 0

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

    def of_prior(self) -> Self:
        """Return the training of the prior, with its own rate and limits."""
        return self._of("prior", self.seed + 1)

    def of_generator(self) -> Self:
        """Return the training of the hypernet, with its own rate and limits."""
        return self._of("generator", self.seed + 2)

    def _of(self, part: str, seed: int) -> Self:
        limits = {f"max_{unit}": getattr(self, f"{part}_{unit}") for unit in ("epochs", "steps", "seconds")}
        return replace(self, learning_rate=getattr(self, f"{part}_learning_rate"), seed=seed, **limits)

"""How the VAE is trained."""

from dataclasses import dataclass, replace
from typing import Self


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

    Attributes:
        batch_size: Networks in a batch.
        rows: Rows of its task on which a network's behavior is compared.
        learning_rate: Peak learning rate of AdamW.
        weight_decay: Its weight decay.
        warmup: Share of the training in which the learning rate rises; it then falls along a cosine.
        max_epochs: Passes over the training networks.
        max_seconds: Time budget; the schedule ends at whichever limit comes first.
        kl_warmup: Share of the training in which the weight of the KL divergence rises.
        behavior_warmup: Share of the training in which the weights of the behavior terms rise.
        prior_learning_rate: Peak learning rate of the prior, which is trained after encoder and decoder.
        prior_epochs: Its passes over the training networks.
        prior_seconds: Its time budget.
        generator_learning_rate: Peak learning rate of the generator, which is trained last.
        generator_epochs: Its passes over the training networks.
        generator_seconds: Its time budget.
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
    max_seconds: float = 260.0
    kl_warmup: float = 0.0
    behavior_warmup: float = 0.0
    prior_learning_rate: float = 2e-3
    prior_epochs: int = 40
    prior_seconds: float = 120.0
    generator_learning_rate: float = 2e-3
    generator_epochs: int = 40
    generator_seconds: float = 60.0
    portfolio: PortfolioConfig | None = None
    clip: float = 1.0
    checkpoint_seconds: float = 20.0
    log_every: int = 10
    mixed: bool = False
    threads: int = 1
    seed: int = 0

    def of_prior(self) -> Self:
        """Give the training of the prior, which has its own rate and limits."""
        return replace(
            self,
            learning_rate=self.prior_learning_rate,
            max_epochs=self.prior_epochs,
            max_seconds=self.prior_seconds,
            seed=self.seed + 1,
        )

    def of_generator(self) -> Self:
        """Give the training of the generator, likewise."""
        return replace(
            self,
            learning_rate=self.generator_learning_rate,
            max_epochs=self.generator_epochs,
            max_seconds=self.generator_seconds,
            seed=self.seed + 2,
        )

"""How the VAE is trained."""

from dataclasses import dataclass


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
    clip: float = 1.0
    checkpoint_seconds: float = 20.0
    log_every: int = 10
    mixed: bool = False
    threads: int = 1
    seed: int = 0

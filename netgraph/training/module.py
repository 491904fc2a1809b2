"""The Lightning modules: one optimizer step on one batch, every term of the loss logged alone."""

import math
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import lightning
import torch
from torch import Tensor
from torch.optim import Optimizer

from netgraph.errors import NetGraphError
from netgraph.graph.netgraph import NetGraph
from netgraph.model.attention import Block
from netgraph.model.encoder import draw_codes
from netgraph.model.vae import NetVAE
from netgraph.stack import Stack
from netgraph.training.config import TrainConfig

#: Steps in a row whose gradients are not finite, after which a training is given up.
MOST_SKIPPED = 50


class Paced(lightning.LightningModule):
    """Trains a part of a :class:`~netgraph.model.vae.NetVAE` with AdamW.

    The schedule runs by steps, so that a training is the same on every machine; a time limit only ends it. A subclass
    names the parameters that it trains, and computes the loss.

    Args:
        vae: The model.
        config: The training.
        steps_per_epoch: Batches in an epoch.
        clock: Returns seconds; the first step is the start.

    Attributes:
        part: Name of the part that is trained.
        total_name: Name of the term that is minimized.
        learned: Beginnings of the names of its entries of the model's state.
        held_out_networks: Held-out networks, for callbacks; none where none are held out.
        steps_per_epoch: Batches in an epoch.
        total_steps: Steps of the schedule.
        steps_done: Steps so far, those before an interruption included.
        held_out: Last loss on held-out networks; infinite before the first.
        lowest: The lowest one.
        epochs_waited: Epochs since then.
        skipped: Steps whose gradient was not finite, which were left out.
        skipped_in_a_row: Those of them since the last finite one.
    """

    part = "model"
    total_name = "loss/total"
    learned: tuple[str, ...] = ()

    def __init__(
        self, vae: NetVAE, config: TrainConfig, steps_per_epoch: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self.vae, self.config, self.clock, self.steps_per_epoch = vae, config, clock, steps_per_epoch
        self.held_out_networks: Sequence[NetGraph] = ()
        for part in vae.modules():
            if isinstance(part, Block):
                part.mixed = config.mixed
        self.total_steps, self.skipped, self.skipped_in_a_row = config.total_steps(steps_per_epoch), 0, 0
        self.steps_done, self.seconds_before, self.started = 0, 0.0, None  # type: tuple[int, float, float | None]
        self.held_out, self.lowest, self.epochs_waited = math.inf, math.inf, 0

    @property
    def seconds(self) -> float:
        """Seconds of training so far, those before an interruption included."""
        return self.seconds_before + (0.0 if self.started is None else self.clock() - self.started)

    @property
    def progress(self) -> float:
        """Share of the steps that are done, 0 to 1."""
        return min(1.0, self.steps_done / self.total_steps)

    @property
    def out_of_time(self) -> bool:
        """Whether the time limit is reached."""
        return self.config.max_seconds is not None and self.seconds >= self.config.max_seconds

    @property
    def out_of_patience(self) -> bool:
        """Whether the loss on held-out networks has not fallen for too many epochs."""
        return self.config.patience is not None and self.epochs_waited >= self.config.patience

    def learning_rate(self) -> float:
        """Return the learning rate of the next step: a linear rise, then a cosine."""
        decay = 0.5 * (1 + math.cos(math.pi * self.progress))
        warmup = self.config.warmup
        rise = min(1.0, (self.progress + 1e-3) / warmup) if warmup else 1.0
        return self.config.learning_rate * rise * decay

    def learns(self, name: str) -> bool:
        """Return whether an entry of the model's state is of the part that is trained."""
        return name.startswith(self.learned)

    def losses(self, batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of a batch, and its terms to be logged."""
        raise NotImplementedError

    def configure_optimizers(self) -> Optimizer:
        """Return AdamW; its learning rate is set at every step."""
        learned = [value for name, value in self.vae.named_parameters() if self.learns(name)]
        return torch.optim.AdamW(learned, self.config.learning_rate, (0.9, 0.98), weight_decay=self.config.weight_decay)

    def setup(self, stage: str) -> None:
        """Spare the gradients of the other parts, before devices agree on a set of shared ones."""
        for name, value in self.vae.named_parameters():
            value.requires_grad_(self.learns(name))

    def on_train_end(self) -> None:
        """Warn of skipped steps, and of a schedule that was cut."""
        if not self.trainer.is_global_zero:
            return
        if self.skipped:
            warnings.warn(f"steps left out because their gradients were not finite: {self.skipped}", stacklevel=2)
        if self.progress < 1 and self.out_of_time:
            limit, done = self.config.max_seconds, f"{self.steps_done:,} of {self.total_steps:,} steps"
            warnings.warn(f"{self.part}: the schedule was cut after {done} by the limit of {limit:g} s", stacklevel=2)

    def configure_gradient_clipping(
        self, optimizer: Optimizer, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Clip by the norm; a gradient that is not finite changes nothing, as one such step would end the training.

        Raises:
            NetGraphError: When there are :data:`MOST_SKIPPED` such steps in a row.
        """
        learned = [value for group in optimizer.param_groups for value in group["params"]]
        if torch.nn.utils.clip_grad_norm_(learned, self.config.clip).isfinite():
            self.skipped_in_a_row = 0
            return
        optimizer.zero_grad()
        self.skipped, self.skipped_in_a_row = self.skipped + 1, self.skipped_in_a_row + 1
        if self.skipped_in_a_row == MOST_SKIPPED:
            raise NetGraphError(f"the gradients of {MOST_SKIPPED} steps in a row are not finite; try a lower rate")

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> int | None:
        """Set the learning rate, or end the training when its steps are done or its time is over."""
        if self.started is None:
            self.started = self.clock()
        timed_out = self.trainer.strategy.reduce_boolean_decision(self.out_of_time, all=False)  # on any device
        if self.progress >= 1 or self.out_of_patience or timed_out:
            self.trainer.should_stop = True
            return -1
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = self.learning_rate()
        return None

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Move the networks and their executor, or codes; an executor is compiled for the device once."""
        return tuple(part.on(device) if isinstance(part, Stack) else part.to(device) for part in batch)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Compute the loss of a batch and log every term."""
        total, terms = self.losses(batch)
        schedule = {"learning_rate": self.learning_rate(), "seconds": self.seconds}
        schedule["epoch"] = self.steps_done / self.steps_per_epoch
        logged = terms | {f"schedule/{name}": value for name, value in schedule.items()}
        logged["step"] = float(self.steps_done)  # on TensorBoard's axis, resumed or not
        self.log_dict(logged, batch_size=len(batch[0]))
        return total

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Take the step; only then it counts as done."""
        super().optimizer_step(*args, **kwargs)
        self.steps_done += 1


class VAEModule(Paced):
    """Trains encoder, decoder and hypernet."""

    part = "VAE"
    learned = ("encoder.", "decoder.")

    def losses(self, batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """Weigh and add the terms."""
        losses = self.vae.loss(*batch)
        total = losses.total(self.vae.config.loss)
        return total, {"loss/total": total, **{f"loss/{name}": value for name, value in losses.items()}}


class PriorModule(Paced):
    """Trains the prior on the codes of encoded networks; encoder and decoder stay as they are."""

    part = "prior"
    total_name = "loss/architecture_flow"
    learned = ("prior.",)

    def losses(self, batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """Draw from the aggregated posterior, then compute the flow-matching loss."""
        f, mean, log_variance, counts, meta_features = batch
        loss = self.vae.prior.loss(f, draw_codes(mean, log_variance), counts, meta_features)
        return loss, {"loss/architecture_flow": loss}

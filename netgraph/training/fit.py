"""Training one part of the model with Lightning: devices, logging, resuming, and the loss on held-out networks."""

import logging
import signal
import sys
import threading
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from netgraph.errors import NetGraphError
from netgraph.files import record_path
from netgraph.machine import check_device
from netgraph.training.callbacks import HeldOut, Shown
from netgraph.training.charts import describe_charts
from netgraph.training.data import Batches, Codes, Epochs
from netgraph.training.history import remove_events
from netgraph.training.module import Paced
from netgraph.training.resume import Resume, restore_weights, seeded

#: Difference of the seed of the noise in training from that of the initial weights, so that the two are independent.
NOISE = 1_000_003


class Events(TensorBoardLogger):
    """The events of a run, and no other files; epochs are those of the training, resumed or not, in ``schedule``."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Leave out the epochs that Lightning counts from its start."""
        super().log_metrics({name: value for name, value in metrics.items() if name != "epoch"}, step)

    def save(self) -> None:
        """Write no file of hyperparameters, which are those of the run ``final``."""


def check_devices(device: str, devices: int) -> None:
    """Raise unless there are as many devices of a kind.

    Raises:
        NetGraphError: When the device is unknown, or there are fewer, or several are asked for where no script can be
            started for each.
    """
    on = torch.device(check_device(device))
    if type(devices) is not int or devices < 1:
        raise NetGraphError(f"devices is {devices!r}; it must be a whole number, at least 1")
    if devices == 1:
        return
    if on.index is not None:
        raise NetGraphError(f"device {device!r} is one; {devices} devices are of the kind {on.type!r}")
    if on.type == "cuda" and devices > torch.cuda.device_count():
        raise NetGraphError(f"devices is {devices}; torch finds {torch.cuda.device_count()} GPUs here")
    if hasattr(sys, "ps1"):
        raise NetGraphError(f"{devices} devices need a script; netgraph train ZOO --devices {devices} is one")


def fit_part(
    module: Paced,
    name: str,
    batches: Batches | Codes,
    held_out: Batches | Codes | None,
    *,
    folder: Path,
    callbacks: Sequence[Callback],
    device: str,
    devices: int,
) -> None:
    """Train a part; its model's parameters have gradients afterwards where they had them before.

    Args:
        module: The part.
        name: Name of its file.
        batches: Its training batches.
        held_out: Batches on which its loss is measured after each epoch.
        folder: Folder of the training.
        callbacks: More Lightning callbacks.
        device: ``cpu`` or ``cuda``.
        devices: Number of devices.
    """
    training, checkpoints = module.config, folder / "checkpoints"
    resume = Resume(checkpoints / f"{name}.safetensors", training.checkpoint_seconds)
    best = checkpoints / f"best_{name}.safetensors"
    watch = [] if held_out is None else [HeldOut(held_out, best)]
    for library in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(library).setLevel(logging.WARNING)
    logger = Events(folder, name="tensorboard", version=module.part.lower())
    if rank_zero_only.rank == 0 and not record_path(resume.path).exists():
        remove_events(Path(logger.log_dir))  # of a training that was killed before its first checkpoint
        describe_charts(logger.experiment, module.part)
    order = Epochs(batches, training.seed, lambda: module.steps_done, devices, lambda: module.global_rank)
    trainer = lightning.Trainer(
        **_devices(device, devices),
        max_epochs=training.max_epochs + 1,  # one more for what an interrupted epoch had left; the steps end it
        logger=logger,
        callbacks=[*watch, Shown(), *callbacks, resume],
        log_every_n_steps=min(training.log_every, len(order)),
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
    )
    handler, parameters = signal.getsignal(signal.SIGINT), dict(module.vae.named_parameters())
    learned = {name: value.requires_grad for name, value in parameters.items()}
    with seeded(NOISE + training.seed + rank_zero_only.rank), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*")  # Lightning's own use of torch
        warnings.filterwarnings("ignore", message=".*in eval mode at the start of training.*")  # what is not trained
        try:
            trainer.fit(module, order)
        except SystemExit:  # Lightning turns an interrupt into an exit
            raise KeyboardInterrupt from None
        finally:
            for name, value in parameters.items():
                value.requires_grad_(learned[name])
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGINT, handler)  # and silences the signal
    if trainer.interrupted:
        raise KeyboardInterrupt
    if training.patience is not None and best.exists():
        trainer.strategy.barrier()
        restore_weights(best, module)


def _devices(device: str, devices: int) -> dict[str, Any]:
    """Return the arguments of a trainer for one device, or for several, whose gradients are averaged (DDP)."""
    on = torch.device(device)
    if devices == 1:
        return {"accelerator": on.type, "devices": 1 if on.index is None else [on.index]}
    return {"accelerator": on.type, "devices": devices, "strategy": "ddp"}

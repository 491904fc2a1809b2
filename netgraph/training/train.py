"""Training the VAE from networks to a checkpoint."""

import logging
import signal
import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger

from netgraph.machine import check_device, threads
from netgraph.model.config import VAEConfig
from netgraph.model.vae import NetVAE
from netgraph.training.config import TrainConfig
from netgraph.training.data import Batches, Codes, Epochs, Example
from netgraph.training.module import Paced, PriorModule, Shown, VAEModule
from netgraph.training.resume import Resume, seeded

#: Lightning's names of the devices.
ACCELERATORS = {"cpu": "cpu", "cuda": "gpu"}
#: What the seed of the noise in training is ahead of that of the initial weights, so that the two are independent.
NOISE = 1_000_003


def train(
    examples: Sequence[Example],
    folder: str | Path,
    config: VAEConfig | None = None,
    training: TrainConfig | None = None,
    *,
    callbacks: Sequence[Callback] = (),
    device: str = "cpu",
    card: Mapping[str, Any] | None = None,
) -> NetVAE:
    """Train a VAE; an interrupted training goes on where it stopped when called again with the same folder.

    Args:
        examples: Canonical training networks with the meta-features of their tasks.
        folder: Takes ``checkpoints/vae.safetensors``, the state of each part's training beside it, and
            ``tensorboard/``.
        config: The model's sizes.
        training: How it is trained.
        callbacks: More Lightning callbacks.
        device: ``cpu`` or ``cuda``.
        card: What the checkpoint's card says beside how it was trained.

    Returns:
        The trained model, on the CPU and in evaluation mode.

    Raises:
        NetGraphError: When there is no example, one cannot be trained on, or the device is unknown.
    """
    check_device(device)
    folder, config, training = Path(folder), config or VAEConfig(), training or TrainConfig()
    batches = Batches(examples, config, training, progress=True)
    with threads(training.threads):
        with seeded(training.seed):
            vae = NetVAE.from_config(config)
        vae.fit_statistics(batches.networks)
        module = VAEModule(vae, training, len(batches))
        _fit(module, "training", batches, folder, callbacks, device)
        vae.eval()
        codes = Codes(vae, batches, training.of_prior())
        vae.prior.fit(*codes.statistics())
        vae.prior.train()
        prior = PriorModule(vae, training.of_prior(), len(codes))
        _fit(prior, "prior", codes, folder, callbacks, device)
    vae.card = {"training": asdict(training), "networks": len(examples), **(card or {})}
    vae.card |= {"coverage": vae.coverage.describe(), "steps": module.steps_done, "seconds": module.seconds}
    vae.card |= {"prior_steps": prior.steps_done, "prior_seconds": prior.seconds}
    vae.cpu().save(folder / "checkpoints" / "vae.safetensors")
    return vae.eval()


def _fit(
    module: Paced,
    name: str,
    batches: Batches | Codes,
    folder: Path,
    callbacks: Sequence[Callback],
    device: str,
) -> None:
    """Train a part; its model's parameters have gradients afterwards where they had them before."""
    training, place = module.config, torch.device(device)
    resume = Resume(folder / "checkpoints" / f"{name}.safetensors", training.checkpoint_seconds)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    (folder / "tensorboard").mkdir(parents=True, exist_ok=True)
    trainer = lightning.Trainer(
        accelerator=ACCELERATORS[place.type],
        devices=1 if place.index is None else [place.index],
        max_epochs=training.max_epochs + 1,  # one more for what an interrupted epoch had left; the steps end it
        logger=TensorBoardLogger(folder, name="tensorboard", version=""),
        callbacks=[Shown(), *callbacks, resume],
        log_every_n_steps=min(training.log_every, len(batches)),
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
    )
    order = Epochs(batches, training.seed, lambda: module.steps_done)
    handler, parameters = signal.getsignal(signal.SIGINT), dict(module.vae.named_parameters())
    learned = {name: value.requires_grad for name, value in parameters.items()}
    with seeded(NOISE + training.seed), warnings.catch_warnings():
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

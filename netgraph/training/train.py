"""Training the VAE from networks to a checkpoint."""

import logging
import signal
import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger

from netgraph.errors import NetGraphError
from netgraph.files import record_path
from netgraph.machine import check_device
from netgraph.model.config import VAEConfig
from netgraph.model.vae import NetVAE
from netgraph.threads import threads
from netgraph.training.config import TrainConfig
from netgraph.training.data import Batches, Epochs, Example
from netgraph.training.episodes import Episodes
from netgraph.training.module import GeneratorModule, Paced, PriorModule, Shown, VAEModule
from netgraph.training.portfolio import build_portfolio
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
    episodes: Episodes | None = None,
    callbacks: Sequence[Callback] = (),
    device: str = "cpu",
    card: Mapping[str, Any] | None = None,
) -> NetVAE:
    """Train a VAE; an interrupted training goes on where it stopped when called again with the same folder.

    Args:
        examples: Canonical training networks with rows of their tasks and meta-features.
        folder: Takes ``checkpoints/vae.safetensors``, ``checkpoints/training.safetensors`` and ``tensorboard/``.
        config: The model's sizes.
        training: How it is trained.
        episodes: Tasks that the generator is trained on, where the model has one.
        callbacks: More Lightning callbacks.
        device: ``cpu`` or ``cuda``.
        card: What the checkpoint's card says beside how it was trained.

    Returns:
        The trained model, its prior and its generator too, in evaluation mode.

    Raises:
        NetGraphError: When there is no example, a network's sensitivity was not measured, the device is unknown, or
            there are no episodes for a generator.
    """
    check_device(device)
    folder, config, training = Path(folder), config or VAEConfig(), training or TrainConfig()
    if config.generator is not None and episodes is None:
        raise NetGraphError("a model with a generator needs episodes to train it on")
    batches = Batches(examples, config, training, progress=True)
    with threads(training.threads):
        with seeded(training.seed):
            vae = NetVAE(config)
        vae.fit_statistics(batches.networks)
        module = VAEModule(vae, training, len(batches))
        _fit(module, "training", batches, folder, callbacks, device)
        vae.card = {"training": asdict(training), "networks": len(examples), **(card or {})}
        vae.card["coverage"] = vae.coverage.describe()
        vae.card |= {"steps": module.steps_done, "seconds": module.seconds}
        vae.cpu().eval().fit_prior_statistics(batches.networks)
        vae.prior.train()
        prior = PriorModule(vae, training.of_prior(), len(batches))
        _fit(prior, "prior", batches, folder, callbacks, device)
        vae.card |= {"prior_steps": prior.steps_done, "prior_seconds": prior.seconds}
        if config.generator is not None and episodes is not None:
            _fit_generator(vae, training, batches, folder, episodes, callbacks, device)
    vae.cpu().save(folder / "checkpoints" / "vae.safetensors")
    return vae.eval()


def train_generator(
    vae: NetVAE,
    examples: Sequence[Example],
    folder: str | Path,
    training: TrainConfig | None = None,
    *,
    episodes: Episodes,
    callbacks: Sequence[Callback] = (),
    device: str = "cpu",
    card: Mapping[str, Any] | None = None,
) -> NetVAE:
    """Train a model's generator alone, as :func:`train` does when all else is trained; it begins as it is.

    Args:
        vae: The model, which is trained in place; see :meth:`~netgraph.model.vae.NetVAE.with_generator` for a new
            generator.
        examples: Networks, sampled ones for instance, for whose layouts it is trained.
        folder: Takes ``checkpoints/vae.safetensors``, ``checkpoints/generator.safetensors`` and ``tensorboard/``; an
            interrupted training of the same model goes on.
        training: How it is trained; its limits count for this training, whatever came before.
        episodes: Tasks that it is trained on.
        callbacks: More Lightning callbacks.
        device: ``cpu`` or ``cuda``.
        card: What the checkpoint's card says besides; steps and seconds are added to those that it has.

    Returns:
        The model, on the CPU and in evaluation mode.

    Raises:
        NetGraphError: When it has no generator, there is no example, one is larger than the model allows or reads as
            many columns as no task has, there is no such device, or the folder holds another training.
    """
    check_device(device)
    if vae.generator is None:
        raise NetGraphError("this model was made without a generator: there is none to train")
    folder, training = Path(folder), training or TrainConfig()
    if record_path(folder / "checkpoints" / "training.safetensors").exists():
        raise NetGraphError(f"{folder}: holds the training of a whole model; choose another folder")
    unweighted = replace(vae.config, loss=replace(vae.config.loss, sensitivity=False))  # the generator needs none
    batches = Batches(examples, unweighted, training, progress=True)
    with threads(training.threads):
        _fit_generator(vae, training, batches, folder, episodes, callbacks, device)
    vae.card |= {"generator_training": asdict(training), **(card or {})}
    vae.cpu().save(folder / "checkpoints" / "vae.safetensors")
    return vae.eval()


def _fit_generator(
    vae: NetVAE,
    training: TrainConfig,
    batches: Batches,
    folder: Path,
    episodes: Episodes,
    callbacks: Sequence[Callback],
    device: str,
) -> None:
    """Train the generator, note it in the card, and choose the portfolio."""
    vae.eval().get_submodule("generator").train()
    module = GeneratorModule(vae, training.of_generator(), len(batches), episodes)
    _fit(module, "generator", batches, folder, callbacks, device)
    for name, done in (("generator_steps", module.steps_done), ("generator_seconds", module.seconds)):
        vae.card[name] = vae.card.get(name, 0) + done
    if training.portfolio is not None:
        vae.portfolio = build_portfolio(vae.to(device).eval(), episodes, training.portfolio, training.seed)


def _fit(
    module: Paced,
    name: str,
    batches: Batches,
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

"""Training the VAE: from networks, or from the networks of a zoo that its sizes fit, to a checkpoint."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities import rank_zero_only

from netgraph.errors import NetGraphError
from netgraph.machine import threads
from netgraph.model.config import VAEConfig
from netgraph.model.vae import NetVAE
from netgraph.progress import Progress
from netgraph.training.config import TrainConfig
from netgraph.training.data import Batches, Codes, Example
from netgraph.training.fit import check_devices, fit_part
from netgraph.training.module import PriorModule, VAEModule
from netgraph.training.parts import parts_of
from netgraph.training.resume import seeded
from netgraph.training.sizes import fit_to_zoo
from netgraph.training.start import check_vocabulary, start_of
from netgraph.zoo import Zoo


def train(
    examples: Sequence[Example],
    folder: str | Path,
    config: VAEConfig | None = None,
    training: TrainConfig | None = None,
    *,
    held_out: Sequence[Example] = (),
    start: NetVAE | str | Path | None = None,
    callbacks: Sequence[Callback] = (),
    device: str = "cpu",
    devices: int = 1,
    card: Mapping[str, Any] | None = None,
) -> NetVAE:
    """Train a VAE; an interrupted training is continued when called again with the same folder.

    With several devices the script that calls this is started once for each of them (Lightning's strategy ``ddp``).
    Each takes its share of an epoch's batches, and only the first one writes.

    Args:
        examples: Canonical training networks with the meta-features of their tasks.
        folder: Takes ``checkpoints/vae.safetensors``, the state of each part's training beside it, and
            ``tensorboard/``, with the runs ``vae`` and ``prior``.
        config: The model's sizes; those of ``start`` when None.
        training: The schedule, batch sizes and seed.
        held_out: Networks on which the loss is measured after each epoch, see ``TrainConfig.patience``.
        start: A model that is trained further: itself, its file, or ``shipped``, the checkpoint of the package.
        callbacks: More Lightning callbacks.
        device: ``cpu`` or ``cuda``.
        devices: Number of GPUs, or of processes on the CPU.
        card: Further entries of the checkpoint's card.

    Returns:
        The trained model, on the CPU and in evaluation mode.

    Raises:
        NetGraphError: When there is no example, one cannot be trained on, the device is unknown, there are fewer
            devices, none is held out for patience, or ``start`` has other sizes; it names the first that differs.

    Example:
        >>> from netgraph import canonicalize, from_module, with_sensitivity
        >>> module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))
        >>> network = with_sensitivity(canonicalize(from_module(module)), torch.randn(9, 2))
        >>> config, training = VAEConfig(n_rows=64, exemplars=8), TrainConfig(max_steps=1, prior_steps=1)
        >>> vae = train([Example(network, [0.0] * 37)], "trained", config, training)
        >>> vae.card["networks"]
        1
    """
    check_devices(device, devices)
    folder, training = Path(folder), training or TrainConfig()
    vae = None if start is None else start_of(start, config)
    config = (config or VAEConfig()) if vae is None else vae.config
    if vae is not None:
        check_vocabulary([example.graph for example in examples], vae)
    batches = Batches(examples, config, training, progress=rank_zero_only.rank == 0)
    apart = [example for example in held_out if example.graph.architecture.n_inputs in batches.inputs]
    if training.patience is not None and not apart:
        raise NetGraphError("patience asks for held-out networks, with as many inputs as some that are trained on")
    measured = Batches(apart, config, training) if apart else None
    with threads(training.threads):
        if vae is None:
            with seeded(training.seed):
                vae = NetVAE.from_config(config)
            vae.fit_statistics(batches.networks)
        else:  # statistics are part of the meaning of weights
            vae.train().decoder.architecture.cover(batches.architectures)
        fit = partial(fit_part, folder=folder, callbacks=callbacks, device=device, devices=devices)
        module = VAEModule(vae, training, len(batches) // devices)
        module.held_out_networks = [example.graph for example in apart]
        fit(module, "training", batches, measured)
        vae.eval()
        of_prior = training.of_prior(most=len(examples) * (1 + training.transformations) // devices)
        codes = Codes(vae, batches, of_prior)
        if start is None:
            vae.prior.fit(*codes.statistics())
        else:
            vae.prior.refit(*codes.statistics())
        vae.prior.train()
        prior = PriorModule(vae, of_prior, len(codes) // devices)
        fit(prior, "prior", codes, None if measured is None else Codes(vae, measured, of_prior))
    vae.card = {"training": asdict(training), "networks": len(examples), **(card or {})}
    vae.card |= {"coverage": vae.coverage.describe(), "steps": module.steps_done, "seconds": module.seconds}
    vae.card |= {"prior_steps": prior.steps_done, "prior_seconds": prior.seconds}
    if measured is not None:
        vae.card["held_out"] = len(apart)
        losses = {"held_out_loss": module.lowest, "prior_held_out_loss": prior.lowest}
        vae.card |= {name: value for name, value in losses.items() if math.isfinite(value)}
    vae.cpu()
    if rank_zero_only.rank == 0:
        vae.save(folder / "checkpoints" / "vae.safetensors")
    return vae.eval()


def train_on_zoo(
    zoo: Zoo,
    folder: str | Path,
    config: VAEConfig,
    training: TrainConfig,
    device: str = "cpu",
    card: Mapping[str, Any] | None = None,
    *,
    start: NetVAE | str | Path | None = None,
    callbacks: Sequence[Callback] = (),
    devices: int = 1,
    skip_too_large: bool = False,
) -> NetVAE:
    """Train a VAE on a zoo's training networks, with the sizes of :func:`.config_for`; see :func:`.train`.

    The held-out networks are those of the zoo's part ``val``, or, where it has none, of a tenth of the training tasks
    if early stopping needs some that are not test networks, and otherwise its test networks; at most 512 of them.

    Raises:
        NetGraphError: As of :func:`.train` and, before any work, of :func:`.config_for`.
    """
    vae = None if start is None else start_of(start)
    config, left_out = fit_to_zoo(zoo, config, vae, skip_too_large)
    known, apart = parts_of(zoo, left_out, training)
    meta_features = zoo.meta_features
    examples: list[Example] = []
    with Progress("read", len(known) + len(apart), "network", shown=rank_zero_only.rank == 0) as bar:
        for network in (network for numbers in (known, apart) for network in zoo.stream(numbers)):
            examples.append(Example(network, meta_features[network.task]))
            bar.update()
    examples, held_out = examples[: len(known)], examples[len(known) :]
    return train(
        examples,
        folder,
        config,
        training,
        held_out=held_out,
        start=vae,
        callbacks=callbacks,
        device=device,
        devices=devices,
        card={"left_out": len(left_out), **(card or {})},
    )

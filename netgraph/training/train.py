"""Training the VAE: from networks, or from the networks of a zoo that its sizes fit, to a checkpoint."""

import logging
import signal
import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import Ints
from netgraph.graph.layers import LAYER_TYPES
from netgraph.graph.table import LayerTable
from netgraph.machine import check_device, threads
from netgraph.model.config import VAEConfig
from netgraph.model.vae import NetVAE
from netgraph.progress import Progress
from netgraph.training.config import TrainConfig
from netgraph.training.data import Batches, Codes, Epochs, Example
from netgraph.training.module import Paced, PriorModule, Shown, VAEModule
from netgraph.training.resume import Resume, seeded
from netgraph.zoo import Zoo

_LINEAR = LAYER_TYPES["Linear"].code
#: Most nodes of a network. Chosen: attention grows with the square of the tokens, about half as many as nodes; at 1,024
#: nodes the weights of one layer's attention take half a gigabyte for a batch of 64 networks and 2 heads.
MOST_NODES = 1024
#: Fewest incoming numbers of a node: those of a BatchNorm1d.
LEAST_FAN = 4
#: Share of the networks whose linear layers are pooled apart; those of deeper ones share some.
OWN_POOLS = 0.995
#: Difference of the seed of the noise in training from that of the initial weights, so that the two are independent.
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
    """Train a VAE; an interrupted training is continued when called again with the same folder.

    Args:
        examples: Canonical training networks with the meta-features of their tasks.
        folder: Takes ``checkpoints/vae.safetensors``, the state of each part's training beside it, and
            ``tensorboard/``.
        config: The model's sizes.
        training: The schedule, batch sizes and seed.
        callbacks: More Lightning callbacks.
        device: ``cpu`` or ``cuda``.
        card: Further entries of the checkpoint's card.

    Returns:
        The trained model, on the CPU and in evaluation mode.

    Raises:
        NetGraphError: When there is no example, one cannot be trained on, or the device is unknown.

    Example:
        >>> from netgraph import canonicalize, from_module, with_sensitivity
        >>> module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))
        >>> network = with_sensitivity(canonicalize(from_module(module)), torch.randn(9, 2))
        >>> config, training = VAEConfig(n_rows=64, exemplars=8), TrainConfig(max_steps=1, prior_steps=1)
        >>> vae = train([Example(network, [0.0] * 37)], "trained", config, training)
        >>> vae.card["networks"]
        1
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
    training, on = module.config, torch.device(device)
    resume = Resume(folder / "checkpoints" / f"{name}.safetensors", training.checkpoint_seconds)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    (folder / "tensorboard").mkdir(parents=True, exist_ok=True)
    trainer = lightning.Trainer(
        accelerator=on.type,
        devices=1 if on.index is None else [on.index],
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


def config_for(zoo: Zoo, config: VAEConfig | None = None) -> VAEConfig:
    """Return a model's configuration with room for every network of a zoo, held-out ones included.

    Only the tables of architectures are read, so a zoo that no model can be trained on is refused at once.

    Args:
        zoo: The zoo.
        config: Everything else; the defaults when None.

    Returns:
        A configuration whose ``max_inputs``, ``max_nodes``, ``max_fan``, ``depths`` and ``weight_size`` are the zoo's.

    Raises:
        NetGraphError: When the zoo has no networks or too large ones.

    Example:
        >>> config_for(Zoo("my_zoo")).max_inputs
        5
    """
    config = config or VAEConfig()
    if not len(zoo):
        raise NetGraphError(f"{zoo.folder}: no networks to train on")
    shards = [shard for shard in map(zoo.shard, range(zoo.n_shards)) if len(shard)]
    parts = [_sizes(shard.table, shard.architecture_of) for shard in shards]
    nodes, inputs, fan, depth, state = (np.concatenate(values) for values in zip(*parts, strict=True))
    if nodes.max() > MOST_NODES:
        raise NetGraphError(
            f"{zoo.folder}: a network with {nodes.max():,} nodes; a model is trained on networks of at most "
            f"{MOST_NODES:,} (fewer or narrower layers: architectures.depths, architectures.widths)"
        )
    most_depths = config.architecture_size - 2
    return replace(
        config,
        max_inputs=int(inputs.max()),
        max_nodes=int(nodes.max()),
        max_fan=max(LEAST_FAN, int(fan.max())),
        depths=min(most_depths, int(np.quantile(depth, OWN_POOLS, method="higher"))),
        weight_size=int(state.max()),
    )


def _sizes(table: LayerTable, row: Ints) -> tuple[Ints, ...]:
    """Return nodes, inputs, largest fan-in, linear layers and state elements of networks, rows of a table, [n] each."""
    owner = np.repeat(np.arange(len(table)), table.count)
    linear, fan = table.code == _LINEAR, np.zeros(len(table), dtype=np.int64)
    np.maximum.at(fan, owner[linear], table.size[table.first_source][linear])
    depth = np.bincount(owner[linear], minlength=len(table))
    inputs = table.size[table.layer_start[:-1]]
    state = table.state_size
    return tuple(values[row] for values in (table.num_nodes, inputs, fan, depth, state))


def train_on_zoo(
    zoo: Zoo,
    folder: str | Path,
    config: VAEConfig,
    training: TrainConfig,
    device: str = "cpu",
    card: Mapping[str, Any] | None = None,
) -> NetVAE:
    """Train a VAE on a zoo's training networks, with the sizes of :func:`config_for`; see :func:`.train`.

    Raises:
        NetGraphError: As of :func:`.train` and, before any work, of :func:`config_for`.
    """
    config = config_for(zoo, config)
    numbers = zoo.split("train")
    examples = []
    with Progress("read", len(numbers), "network") as bar:
        for network in zoo.stream(numbers):
            examples.append(Example(network, zoo.meta_features[network.task]))
            bar.update()
    return train(examples, folder, config, training, device=device, card=card)

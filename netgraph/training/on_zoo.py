"""Training on the networks and tasks of a zoo, by a model with room for its networks."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import Ints
from netgraph.graph.layers import LAYER_TYPES
from netgraph.graph.table import LayerTable
from netgraph.model.config import VAEConfig
from netgraph.model.vae import NetVAE
from netgraph.progress import Progress
from netgraph.training.config import TrainConfig
from netgraph.training.data import Example
from netgraph.training.train import train
from netgraph.zoo import Zoo

_LINEAR = LAYER_TYPES["Linear"].code
#: Most nodes of a network. Chosen: attention grows with the square of the tokens, about half as many as nodes; at 1,024
#: nodes the weights of one layer's attention take half a gigabyte for a batch of 64 networks and 2 heads.
MOST_NODES = 1024
#: Fewest incoming numbers of a node: those of a BatchNorm1d.
LEAST_FAN = 4
#: Share of the networks whose linear layers are pooled apart; those of deeper ones share some.
OWN_POOLS = 0.995


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
    """
    config = config or VAEConfig()
    if not len(zoo):
        raise NetGraphError(f"{zoo.folder}: no networks to train on")
    shards = [shard for shard in map(zoo.shard, range(zoo.n_shards)) if len(shard)]
    parts = [_sizes(shard.table, shard.architecture_of) for shard in shards]
    nodes, inputs, fan, depth, state = (np.concatenate(values) for values in zip(*parts, strict=True))
    if nodes.max() > MOST_NODES:
        raise NetGraphError(
            f"{zoo.folder}: a network with {nodes.max():,} vertices; a model is trained on networks of at most "
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
    """Return nodes, inputs, largest fan-in, linear layers and elements of the state of networks, each [n].

    Args:
        table: Architectures.
        row: That of each network in the table, [n].
    """
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
    """Train a VAE on a zoo's training networks.

    Args:
        zoo: The zoo.
        folder: As of :func:`~netgraph.training.train.train`; an interrupted training goes on.
        config: The model; its sizes are those of :func:`~netgraph.training.on_zoo.config_for`.
        training: How it is trained.
        device: ``cpu`` or ``cuda``.
        card: What the checkpoint's card says besides.

    Raises:
        NetGraphError: As of :func:`~netgraph.training.train.train` and, before any work, of
            :func:`~netgraph.training.on_zoo.config_for`.
    """
    config = config_for(zoo, config)
    numbers = zoo.split("train")
    examples = []
    with Progress("read", len(numbers), "network") as bar:
        for network in zoo.stream(numbers):
            examples.append(Example(network, zoo.meta_features[network.task]))
            bar.update()
    return train(examples, folder, config, training, device=device, card=card)

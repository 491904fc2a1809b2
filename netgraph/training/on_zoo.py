"""Training on the networks and tasks of a zoo, by a model with room for its networks."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import Ints
from netgraph.graph.layers import LAYER_TYPES
from netgraph.graph.table import LayerTable
from netgraph.model.config import VAEConfig
from netgraph.model.slots import FIRST_INCOMING
from netgraph.model.vae import NetVAE
from netgraph.progress import Progress
from netgraph.tasks import Task, draw_tasks
from netgraph.training.config import TrainConfig
from netgraph.training.data import Example
from netgraph.training.episodes import LEAST_ROWS, Episodes
from netgraph.training.train import train
from netgraph.zoo import Zoo

_LINEAR = LAYER_TYPES["Linear"].code
#: Most nodes of a network. Chosen: attention grows with the square of the tokens, about half as many as nodes; at 1,024
#: nodes the weights of one layer's attention take half a gigabyte for a batch of 64 networks and 2 heads.
MOST_NODES = 1024
#: Fewest incoming numbers of a node: those of a BatchNorm1d.
LEAST_FAN = 4
#: Share of the networks whose neurons have slots of their own; those of deeper or wider ones share some.
OWN_SLOTS = 0.995


def config_for(zoo: Zoo, config: VAEConfig | None = None) -> VAEConfig:
    """Return a model's configuration with room for every network of a zoo, held-out ones included.

    Only the tables of architectures are read, so a zoo that no model can be trained on is refused at once.

    Args:
        zoo: The zoo.
        config: Everything else; the slot size is at least its own. The defaults when None.

    Returns:
        A configuration whose ``max_nodes``, ``max_fan``, ``place_depths``, ``place_positions`` and ``slot_size`` are
        the zoo's.

    Raises:
        NetGraphError: When the zoo has no networks or too large ones, or a hypernet cannot be trained on its tasks.
    """
    config = config or VAEConfig()
    if not len(zoo):
        raise NetGraphError(f"{zoo.folder}: no networks to train on")
    if config.generator is not None:
        _check_rows(zoo)
    shards = [shard for shard in map(zoo.shard, range(zoo.n_shards)) if len(shard)]
    parts = [_sizes(shard.table, shard.architecture_of) for shard in shards]
    nodes, inputs, fan, depth, width = (np.concatenate(values) for values in zip(*parts, strict=True))
    if nodes.max() > MOST_NODES:
        raise NetGraphError(
            f"{zoo.folder}: a network with {nodes.max():,} vertices; a model is trained on networks of at most "
            f"{MOST_NODES:,} (fewer or narrower layers: architectures.depths, architectures.widths)"
        )
    depths, positions = (np.quantile(values, OWN_SLOTS, method="higher").clip(min=1) for values in (depth, width))
    return replace(
        config,
        max_nodes=int(nodes.max()),
        max_fan=max(LEAST_FAN, int(fan.max())),
        place_depths=int(depths),
        place_positions=int(positions),
        slot_size=max(config.slot_size, FIRST_INCOMING + int(inputs.max())),
    )


def _check_rows(zoo: Zoo) -> None:
    """Check that tasks have rows for a hypernet to read and to be tested on, as many each."""
    rows = sorted({recipe.tasks.rows for recipe in zoo.recipes})
    if len(rows) > 1 or rows[0] < LEAST_ROWS:
        said = " and ".join(map(str, rows))
        raise NetGraphError(
            f"{zoo.folder}: tasks of {said} rows; a hypernet is trained on tasks of equally many rows, at least "
            f"{LEAST_ROWS} (tasks.rows)"
        )


def _sizes(table: LayerTable, row: Ints) -> tuple[Ints, ...]:
    """Return nodes, inputs, largest fan-in, hidden linear layers and units of the widest of networks, each [n].

    Args:
        table: Architectures.
        row: That of each network in the table, [n].
    """
    owner, last = np.repeat(np.arange(len(table)), table.count), table.layer_start[1:] - 1
    linear = table.code == _LINEAR
    hidden = linear.copy()
    hidden[last] = False
    fan, width = np.zeros((2, len(table)), dtype=np.int64)
    np.maximum.at(fan, owner[linear], table.size[table.first_source][linear])
    np.maximum.at(width, owner[hidden], table.size[hidden])
    depth = np.bincount(owner[hidden], minlength=len(table))
    inputs = table.size[table.layer_start[:-1]]
    return tuple(values[row] for values in (table.num_nodes, inputs, fan, depth, width))


def train_on_zoo(
    zoo: Zoo,
    folder: str | Path,
    config: VAEConfig,
    training: TrainConfig,
    n_tasks: int,
    device: str = "cpu",
    card: Mapping[str, Any] | None = None,
) -> NetVAE:
    """Train a VAE on a zoo's training networks, and its generator on their tasks and more of the same kind.

    Args:
        zoo: The zoo.
        folder: As of :func:`~netgraph.training.train.train`; an interrupted training goes on.
        config: The model; its sizes are those of :func:`~netgraph.training.on_zoo.config_for`.
        training: How it is trained.
        n_tasks: Tasks beside those of the zoo.
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
        for one in zoo.stream(numbers):
            examples.append(Example(one, zoo.tasks[one.task].x, zoo.meta_features[one.task]))
            bar.update()
    episodes = training_episodes(zoo, sorted({example.graph.task for example in examples}), n_tasks)
    return train(examples, folder, config, training, episodes=episodes, device=device, card=card)


def training_episodes(zoo: Zoo, numbers: Sequence[int], n_more: int) -> Episodes:
    """Take tasks of a zoo, and more of the same kind, which no network was trained on.

    Args:
        zoo: The zoo; of a merged one, each recipe gives its share of what is more.
        numbers: Those of its tasks that are taken.
        n_more: How many more; those of a number of columns that no task of the zoo has are left out.

    Raises:
        NetGraphError: When the tasks differ in their rows.
    """
    more: list[Task] = []
    for i, recipe in enumerate(zoo.recipes):
        share = n_more * (i + 1) // len(zoo.recipes) - len(more)
        more += draw_tasks(share, recipe.tasks, seed=recipe.seed, start=len(zoo.tasks))
    known, tasks = zoo.meta_features[list(numbers)], [zoo.tasks[number] for number in numbers]
    read = {task.n_features for task in tasks}
    tasks += [task for task in more if task.n_features in read]
    untold = torch.full((len(tasks) - len(known), known.shape[1]), torch.nan)
    return Episodes(tasks, torch.cat([known, untold]))

"""Sizes of a model that follow from the zoo it is trained on."""

from dataclasses import dataclass, replace

import numpy as np

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import Ints
from netgraph.graph.layers import LAYER_TYPES
from netgraph.graph.table import LayerTable
from netgraph.model.config import VAEConfig
from netgraph.model.slots import FIRST_INCOMING
from netgraph.training.episodes import LEAST_ROWS
from netgraph.zoo import Zoo

_LINEAR = LAYER_TYPES["Linear"].code
#: Most nodes of a network. Chosen: attention grows with the square of the tokens, about half as many as nodes; at 1,024
#: nodes the weights of one layer's attention take half a gigabyte for a batch of 64 networks and 2 heads.
MOST_NODES = 1024
#: Fewest incoming numbers of a node: those of a BatchNorm1d.
LEAST_FAN = 4
#: Share of the networks whose neurons have slots of their own; those of deeper or wider ones share some.
OWN_SLOTS = 0.995


@dataclass(frozen=True)
class _Sizes:
    """Sizes of n networks, each [n]: nodes, inputs, largest fan-in, hidden linear layers, units of the widest."""

    nodes: Ints
    inputs: Ints
    fan: Ints
    depth: Ints
    width: Ints


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
    sizes = _Sizes(*(np.concatenate([getattr(one, name) for one in parts]) for name in _Sizes.__dataclass_fields__))
    if sizes.nodes.max() > MOST_NODES:
        raise NetGraphError(
            f"{zoo.folder}: a network with {sizes.nodes.max():,} vertices; a model is trained on networks of at most "
            f"{MOST_NODES:,} (fewer or narrower layers: architectures.depths, architectures.widths)"
        )
    depth, width = (
        int(np.quantile(values, OWN_SLOTS, method="higher").clip(min=1)) for values in (sizes.depth, sizes.width)
    )
    return replace(
        config,
        max_nodes=int(sizes.nodes.max()),
        max_fan=max(LEAST_FAN, int(sizes.fan.max())),
        place_depths=depth,
        place_positions=width,
        slot_size=max(config.slot_size, FIRST_INCOMING + int(sizes.inputs.max())),
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


def _sizes(table: LayerTable, row: Ints) -> _Sizes:
    """Return the sizes of networks whose architectures are rows of a table."""
    owner, last = np.repeat(np.arange(len(table)), table.count), table.layer_start[1:] - 1
    linear = table.code == _LINEAR
    hidden = linear.copy()
    hidden[last] = False
    fan, width = np.zeros((2, len(table)), dtype=np.int64)
    np.maximum.at(fan, owner[linear], table.size[table.first_source][linear])
    np.maximum.at(width, owner[hidden], table.size[hidden])
    depth = np.bincount(owner[hidden], minlength=len(table))
    inputs = table.size[table.layer_start[:-1]]
    return _Sizes(*(values[row] for values in (table.num_nodes, inputs, fan, depth, width)))

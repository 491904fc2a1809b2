"""Sizes of a shard's networks, which its record and the manifest hold, so that a model's sizes follow from them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from netgraph.graph.architecture import Architecture
from netgraph.graph.modules.program import Program
from netgraph.zoo.manifest import ShardSizes

#: Sizes of which the largest counts.
_LARGEST = ("inputs", "outputs", "nodes", "fan", "state")


@dataclass(frozen=True)
class NetworkSizes:
    """Sizes of a feed-forward network.

    Attributes:
        inputs: Number of inputs.
        outputs: Number of outputs.
        nodes: Number of nodes.
        fan: Most inputs of a linear layer.
        depth: Number of linear layers.
        state: Number of state elements.
    """

    inputs: int
    outputs: int
    nodes: int
    fan: int
    depth: int
    state: int


@lru_cache(maxsize=2**12)
def network_sizes(architecture: Architecture) -> NetworkSizes:
    """Return the sizes of a feed-forward network."""
    layers = architecture.layers
    linear = [layer for layer in layers if layer.type == "Linear"]
    return NetworkSizes(
        architecture.n_inputs,
        architecture.n_outputs,
        architecture.num_nodes,
        max((layers[layer.inputs[0]].size for layer in linear), default=0),
        len(linear),
        architecture.state_size,
    )


def sum_up(architectures: Iterable[Architecture | Program]) -> ShardSizes:
    """Sum up the sizes of networks, each given by its architecture or program."""
    general, counts = 0, Counter[Architecture]()
    for architecture in architectures:
        if isinstance(architecture, Program):
            general += 1
        else:
            counts[architecture] += 1
    depths, sizes = Counter[int](), [network_sizes(architecture) for architecture in counts]
    for one, count in zip(sizes, counts.values(), strict=True):
        depths[one.depth] += count
    largest = {name: max((getattr(one, name) for one in sizes), default=0) for name in _LARGEST}
    layers = {layer for architecture in counts for layer in architecture.layers}
    return ShardSizes(
        general=general,
        depths=tuple(depths[i] for i in range(max(depths, default=-1) + 1)),
        types=tuple(sorted({layer.type for layer in layers})),
        settings=tuple(sorted({f"{layer.type}.{name}" for layer in layers for name, _ in layer.hyper})),
        **largest,
    )


def join_sizes(parts: Sequence[ShardSizes]) -> ShardSizes:
    """Sum up the sizes of several shards."""
    longest = max((len(part.depths) for part in parts), default=0)
    padded = [part.depths + (0,) * (longest - len(part.depths)) for part in parts]
    largest = {name: max((getattr(part, name) for part in parts), default=0) for name in _LARGEST}
    return ShardSizes(
        general=sum(part.general for part in parts),
        depths=tuple(map(sum, zip(*padded, strict=True))),
        types=tuple(sorted({name for part in parts for name in part.types})),
        settings=tuple(sorted({name for part in parts for name in part.settings})),
        **largest,
    )

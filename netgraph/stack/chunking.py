"""Cutting many networks into stacks of similar size, so that little is spent on padding."""

from collections.abc import Sequence

import numpy as np

from netgraph.graph.architecture import Architecture, Ints

#: Most units of a chunk, each network counted with its widest layer: its values then stay in the processor's cache.
MAX_UNITS = 16_384
#: Multiplications that padding may waste in a chunk, a row: as much time as another chunk's operations cost to start.
WASTE = 200_000
#: Share of a chunk's multiplications that padding may waste whatever the chunk's size.
WASTE_SHARE = 0.25


def chunks(architectures: Sequence[Architecture]) -> list[list[int]]:
    """Cut networks into chunks to be stacked.

    Networks are sorted by their layers' sizes. A chunk is closed when another network would make it too large for the
    cache, or when padding it to the new network's sizes would cost more than starting another chunk.

    Returns:
        Numbers of the networks of each chunk; each network is in one.
    """
    sizes = [_linear_sizes(architecture) for architecture in architectures]
    order = sorted(range(len(sizes)), key=lambda i: (len(sizes[i]), np.ceil(np.log2(sizes[i].max(axis=1))).tolist()))
    found: list[list[int]] = []
    chunk = _Chunk()
    for i in order:
        if not chunk.admits(sizes[i], architectures[i]):
            found.append(chunk.members)
            chunk = _Chunk()
        chunk.add(i, sizes[i], architectures[i])
    return [*found, chunk.members] if chunk.members else found


def _linear_sizes(architecture: Architecture) -> Ints:
    """Fan-in and size of each linear layer, in order, [linear layers, 2]; one of no size where there is none."""
    layers = architecture.layers
    pairs = [(layers[layer.inputs[0]].size, layer.size) for layer in layers if layer.kind.kind == "linear"]
    return np.array(pairs or [(1, 1)], dtype=np.int64)


class _Chunk:
    """Networks of one chunk, with the multiplications that they and their padded layers ask for."""

    def __init__(self) -> None:
        self.members: list[int] = []
        self.sizes = np.zeros((0, 2), dtype=np.int64)
        self.counts = np.zeros(0, dtype=np.int64)
        self.own = 0
        self.width = 0

    def admits(self, sizes: Ints, architecture: Architecture) -> bool:
        """Say whether another network is worth padding for."""
        if not self.members:
            return True
        if (len(self.members) + 1) * max(self.width, _width(architecture)) > MAX_UNITS:
            return False
        largest, counts = self._with(sizes)
        own = self.own + int(sizes.prod(axis=1).sum())
        padded = int((counts * largest.prod(axis=1)).sum())
        return padded - own <= WASTE + WASTE_SHARE * own

    def add(self, number: int, sizes: Ints, architecture: Architecture) -> None:
        self.sizes, self.counts = self._with(sizes)
        self.members.append(number)
        self.own += int(sizes.prod(axis=1).sum())
        self.width = max(self.width, _width(architecture))

    def _with(self, sizes: Ints) -> tuple[Ints, Ints]:
        """Sizes that all would be padded to, and how many have each layer."""
        deepest = max(len(self.sizes), len(sizes))
        mine, theirs = (np.pad(s, ((0, deepest - len(s)), (0, 0))) for s in (self.sizes, sizes))
        counts = np.pad(self.counts, (0, deepest - len(self.counts))) + (np.arange(deepest) < len(sizes))
        return np.maximum(mine, theirs), counts


def _width(architecture: Architecture) -> int:
    return max(layer.size for layer in architecture.layers)

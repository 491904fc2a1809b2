"""Retrieval of a training network."""

from collections.abc import Sequence

import torch
from torch import Tensor

from netgraph import NetGraph
from netgraph.training import Example
from peers.base import Peer
from peers.grid import Grid, Scaler, Tables
from peers.plan import Bounds


class Nearest(Peer):
    """The nearest training network, by padded weights, standardized layer by layer, and architecture codes.

    Its latent is that network's number: it has no size to be made equal.
    """

    name = "nearest training network"

    def __init__(self, latent_size: int = 1, seed: int = 0, bounds: Bounds = Bounds()) -> None:
        super().__init__(1, seed)
        self.grid = Grid(bounds)

    def fit(self, train: Sequence[Example], seconds: float) -> None:
        """Keep the training networks."""
        self.kept = [example.graph for example in train]
        tables = self.grid.lay(self.kept)
        self.scaler = Scaler(self.grid, tables)
        self.rows = self._rows(tables)

    def encode(self, graphs: Sequence[NetGraph]) -> Tensor:
        """Give the number of the nearest, [n, 1]."""
        return torch.cdist(self._rows(self.grid.lay(graphs)), self.rows).argmin(dim=1, keepdim=True)

    def decode(self, z: Tensor) -> list[NetGraph | None]:
        """Look it up."""
        return [self.kept[i] for i in z[:, 0].tolist()]

    def _rows(self, tables: Tables) -> Tensor:
        # Codes are 0 and 1, with a deviation of a half at most: twice as much weighs as a standardized weight does.
        return torch.cat([self.scaler.standardize(tables), 2 * tables.codes], dim=1)

"""A multilayer perceptron over the whole padded network."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from netgraph import NetGraph
from netgraph.training import Example
from peers.base import Peer
from peers.fit import Schedule, code_error, in_parts, masked_error, seeded, shuffled, train_for
from peers.grid import Grid, Scaler, Tables
from peers.plan import Bounds


class MLPAutoencoder(Peer):
    """A plain autoencoder (Hinton and Salakhutdinov 2006) on padded weights, standardized layer by layer.

    Presence of units and activations are further inputs and outputs, as zeros and ones. The error of the weights is
    taken where the true network has them. A linear path runs beside the hidden layers on either side, so that it can do
    what PCA does from the first step on.
    """

    name = "MLP autoencoder on padded weights"

    def __init__(self, latent_size: int, seed: int = 0, bounds: Bounds = Bounds(), width: int = 256) -> None:
        super().__init__(latent_size, seed)
        self.grid, self.width = Grid(bounds), width

    def fit(self, train: Sequence[Example], seconds: float) -> None:
        """Train it."""
        tables = self.grid.lay([example.graph for example in train])
        self.scaler = Scaler(self.grid, tables)
        rows = self._rows(tables)
        with seeded(self.seed) as generator:
            self.encoder = Perceptron(rows.shape[1], self.latent_size, self.width)
            self.decoder = Perceptron(self.latent_size, rows.shape[1], self.width)

            def loss(batch: Tensor) -> Tensor:
                values, logits = self._split(self.decoder(self.encoder(rows[batch])))
                weight = masked_error(values, rows[batch, : self.grid.size], tables.mask[batch])
                return weight + code_error(logits, tables.codes[batch])

            module = nn.ModuleList([self.encoder, self.decoder])
            train_for(module, loss, shuffled(len(rows), 128), Schedule(seconds, 3e-3, weight_decay=0.1), generator)

    def encode(self, graphs: Sequence[NetGraph]) -> Tensor:
        """Give the bottleneck."""
        return in_parts(self.encoder, self._rows(self.grid.lay(graphs)))

    def decode(self, z: Tensor) -> list[NetGraph | None]:
        """Read the output layer."""
        values, logits = self._split(in_parts(self.decoder, z))
        return self.grid.read(self.scaler.restore(values), logits.sigmoid())

    def _rows(self, tables: Tables) -> Tensor:
        return torch.cat([self.scaler.standardize(tables), 2 * tables.codes - 1], dim=1)

    def _split(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        return rows[:, : self.grid.size], rows[:, self.grid.size :]


class Perceptron(nn.Module):
    """Two hidden layers, with a linear path beside them."""

    def __init__(self, inputs: int, outputs: int, width: int) -> None:
        super().__init__()
        self.straight = nn.Linear(inputs, outputs)
        self.hidden = nn.Sequential(
            nn.Linear(inputs, width), nn.GELU(), nn.LayerNorm(width), nn.Linear(width, width), nn.GELU()
        )
        self.out = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Apply both paths, [n, inputs] to [n, outputs]."""
        return self.straight(x) + self.out(self.hidden(x))

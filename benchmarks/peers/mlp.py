"""A multilayer perceptron over the whole parameter vector."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.peers.base import VectorPeer
from benchmarks.peers.training import train_for
from netgraph import NetGraph

#: Units of the hidden layers. Chosen: wider ones overfit a few thousand networks within half a minute.
WIDTH = 128


class MLPAutoencoder(VectorPeer):
    """A plain autoencoder (Hinton and Salakhutdinov 2006) on standardized canonical parameters.

    A linear path runs beside the hidden layers on either side, so that it can do what PCA does from the first step on.
    """

    def fit_vectors(self, vectors: Tensor, seconds: float) -> None:
        """Train it on the squared error of the parameters."""
        self.encoder = Perceptron(vectors.shape[1], self.latent_size)
        self.decoder = Perceptron(self.latent_size, vectors.shape[1])

        def loss(batch: Tensor) -> Tensor:
            return F.mse_loss(self.decoder(self.encoder(batch)), batch)

        module = nn.ModuleList([self.encoder, self.decoder])
        train_for(module, loss, vectors, seconds, batch_size=128, peak=1e-3, weight_decay=1.0)

    @torch.no_grad()
    def encode(self, graphs: Sequence[NetGraph]) -> Tensor:
        """Return the bottleneck, [n, latent_size]."""
        return self.encoder(self.standardize(graphs))

    @torch.no_grad()
    def decode(self, z: Tensor) -> list[NetGraph]:
        """Return the decoded networks."""
        return self.networks(self.decoder(z))


class Perceptron(nn.Module):
    """Two hidden layers, with a linear path beside them."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.straight = nn.Linear(inputs, outputs)
        self.hidden = nn.Sequential(
            nn.Linear(inputs, WIDTH), nn.GELU(), nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH), nn.GELU()
        )
        self.out = nn.Linear(WIDTH, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Add both paths, [n, inputs] -> [n, outputs]."""
        return self.straight(x) + self.out(self.hidden(x))

"""Autoencoders of canonical parameter vectors: a multilayer perceptron, and a transformer over chunks of weights."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from benchmarks.peers.base import Peer, fit_length
from benchmarks.peers.training import train_for
from netgraph import NetGraph
from netgraph.graph import Architecture


class Autoencoder(Peer):
    """An encoder and a decoder, trained on the squared error of standardized canonical parameters, padding left out."""

    #: Batch size, peak learning rate and weight decay.
    rates: tuple[int, float, float]

    @abstractmethod
    def build(self, parameters: int) -> tuple[nn.Module, nn.Module]:
        """Build encoder and decoder, [n, parameters] -> [n, latent_size] and back."""

    def fit_vectors(self, vectors: Tensor, there: Tensor, train: Sequence[NetGraph], seconds: float) -> None:
        """Train both."""
        self.encoder, self.decoder = self.build(vectors.shape[1])

        def loss(batch: Tensor) -> Tensor:
            error = (self.decoder(self.encoder(vectors[batch])) - vectors[batch]) * there[batch]
            return error.square().sum() / there[batch].sum()

        train_for(nn.ModuleList([self.encoder, self.decoder]), loss, len(vectors), seconds, *self.rates)

    @torch.no_grad()
    def encode(self, graphs: Sequence[NetGraph]) -> Tensor:
        """Return the bottleneck, [n, latent_size]."""
        return self.encoder(self.standardize(graphs))

    @torch.no_grad()
    def decode(self, z: Tensor, architectures: Sequence[Architecture]) -> list[NetGraph]:
        """Return the decoded networks."""
        return self.networks(self.decoder(z), architectures)


class MLPAutoencoder(Autoencoder):
    """A plain autoencoder (Hinton and Salakhutdinov 2006).

    A linear path runs beside the hidden layers on either side, so that it can do what PCA does from the first step on.
    """

    # Chosen: wider ones and less decay overfit a few thousand networks within half a minute.
    rates = (128, 1e-3, 1.0)

    def build(self, parameters: int) -> tuple[nn.Module, nn.Module]:
        """Build two perceptrons."""
        return Perceptron(parameters, self.latent_size), Perceptron(self.latent_size, parameters)


class SANE(Autoencoder):
    """A transformer autoencoder over tokens of weights (Schürholt et al. 2022; 2024, arXiv 2406.09997).

    As in the paper: the parameter vector is cut into tokens of one size, a transformer encodes each into a latent of
    its own, another one decodes, and the error does not count padding. Otherwise: trained on whole networks and without
    the contrastive term, without which small networks are rebuilt better.
    """

    rates = (32, 2e-3, 1e-3)
    #: Most tokens of a vector; chosen: tokens of twenty numbers, as of one unit, would be four hundred.
    tokens = 64

    def build(self, parameters: int) -> tuple[nn.Module, nn.Module]:
        """Build two maps of tokens, with as many latent numbers a token as there is room for."""
        tokens = min(self.tokens, self.latent_size)
        chunk, size = -(-parameters // tokens), self.latent_size // tokens
        return TokenMap(tokens, chunk, size, self.latent_size), TokenMap(tokens, size, chunk, parameters)


class Perceptron(nn.Module):
    """Two hidden layers, with a linear path beside them."""

    def __init__(self, inputs: int, outputs: int, width: int = 128) -> None:
        super().__init__()
        first, second = nn.Linear(inputs, width), nn.Linear(width, width)
        self.deep = nn.Sequential(first, nn.GELU(), nn.LayerNorm(width), second, nn.GELU(), nn.Linear(width, outputs))
        self.straight = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Add both paths, [n, inputs] -> [n, outputs]."""
        return self.deep(x) + self.straight(x)


class TokenMap(nn.Module):
    """A transformer over the tokens of a vector, with learned positions and a linear path beside it.

    Args:
        tokens: Number of tokens.
        inputs: Numbers of a token before.
        outputs: Numbers of a token after.
        total: Length of the vector after, zero padded.
    """

    def __init__(self, tokens: int, inputs: int, outputs: int, total: int, width: int = 64) -> None:
        super().__init__()
        self.shape, self.total = (tokens, inputs), total
        self.enter, self.position = nn.Linear(inputs, width), nn.Parameter(torch.randn(tokens, width) * 0.1)
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        self.transformer = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.leave, self.straight = nn.Linear(width, outputs), nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Cut vectors into tokens and map these, [n, P] -> [n, total]."""
        tokens = fit_length(x, self.shape[0] * self.shape[1]).unflatten(1, self.shape)  # [n, tokens, inputs]
        mapped = self.leave(self.transformer(self.enter(tokens) + self.position)) + self.straight(tokens)
        return fit_length(mapped.flatten(1), self.total)

"""Chunked tokens of weights through a transformer, in the manner of SANE."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.peers.base import VectorPeer
from benchmarks.peers.training import train_for
from netgraph import NetGraph

#: Parameters of a token. Chosen: about the incoming weights of one unit of the benchmark's networks.
CHUNK = 20
#: Width, heads and layers of either transformer; chosen: those of netgraph's encoder.
WIDTH, HEADS, LAYERS = 64, 4, 2


class SANE(VectorPeer):
    """A transformer autoencoder over tokens of weights (Schürholt et al. 2022; 2024, arXiv 2406.09997).

    As in the paper: the standardized parameter vector is cut into tokens of one size, a transformer encodes each into
    a latent of its own, another one decodes, and the error does not count padding. Otherwise: trained on whole
    networks and without the contrastive term, without which small networks are rebuilt better.
    """

    def fit_vectors(self, vectors: Tensor, seconds: float) -> None:
        """Train it on the squared error of the parameters."""
        self.tokens = -(-vectors.shape[1] // CHUNK)
        size = max(1, self.latent_size // self.tokens)
        self.encoder, self.decoder = TokenMap(CHUNK, size, self.tokens), TokenMap(size, CHUNK, self.tokens)

        def loss(batch: Tensor) -> Tensor:
            return F.mse_loss(self._vectors(self.encoder(self._tokens(batch)).flatten(1)), batch)

        module = nn.ModuleList([self.encoder, self.decoder])
        train_for(module, loss, vectors, seconds, batch_size=32, peak=2e-3, weight_decay=1e-3)

    @torch.no_grad()
    def encode(self, graphs: Sequence[NetGraph]) -> Tensor:
        """Return the latents of all tokens, one after the other, [n, latent_size]."""
        return self.pad(self.encoder(self._tokens(self.standardize(graphs))).flatten(1))

    @torch.no_grad()
    def decode(self, z: Tensor) -> list[NetGraph]:
        """Return the decoded networks."""
        return self.networks(self._vectors(z))

    def _tokens(self, vectors: Tensor) -> Tensor:
        """Cut vectors into zero-padded tokens, [n, P] -> [n, tokens, CHUNK]."""
        return F.pad(vectors, (0, self.tokens * CHUNK - vectors.shape[1])).unflatten(1, (self.tokens, CHUNK))

    def _vectors(self, z: Tensor) -> Tensor:
        """Decode latents, [n, latent] -> [n, P]; padding of latents and of tokens is left out."""
        used = z[:, : z.shape[1] // self.tokens * self.tokens]
        return self.decoder(used.unflatten(1, (self.tokens, -1))).flatten(1)[:, : self.architecture.state_size]


class TokenMap(nn.Module):
    """A transformer over tokens with a learned embedding of their positions, and a linear path beside it."""

    def __init__(self, inputs: int, outputs: int, tokens: int) -> None:
        super().__init__()
        self.enter, self.position = nn.Linear(inputs, WIDTH), nn.Parameter(torch.randn(tokens, WIDTH) * 0.1)
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, 0.0, "gelu", batch_first=True, norm_first=True)
        self.transformer = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.leave, self.straight = nn.Linear(WIDTH, outputs), nn.Linear(inputs, outputs)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens, [n, tokens, inputs] -> [n, tokens, outputs]."""
        return self.leave(self.transformer(self.enter(tokens) + self.position)) + self.straight(tokens)

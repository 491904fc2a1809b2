"""Peers without training: principal components, and retrieval of a training network."""

from collections.abc import Sequence

import torch
from sklearn.decomposition import PCA
from torch import Tensor

from benchmarks.peers.base import Peer, fit_length
from netgraph import NetGraph
from netgraph.graph import Architecture


class PrincipalComponents(Peer):
    """Principal component analysis (scikit-learn's, randomized); closed form, so that it has no training time."""

    def fit_vectors(self, vectors: Tensor, there: Tensor, train: Sequence[NetGraph], seconds: float) -> None:
        """Compute as many components as the latent has numbers, or as the vectors have."""
        count = min(self.latent_size, *vectors.shape)
        self.pca = PCA(count, svd_solver="randomized", random_state=self.seed).fit(vectors.numpy())

    def encode(self, graphs: Sequence[NetGraph]) -> Tensor:
        """Return the scores, [n, latent_size]."""
        scores = torch.from_numpy(self.pca.transform(self.standardize(graphs).numpy()))
        return fit_length(scores.float(), self.latent_size)

    def decode(self, z: Tensor, architectures: Sequence[Architecture]) -> list[NetGraph]:
        """Return the networks of the scores."""
        scores = z[:, : self.pca.n_components_].numpy()
        return self.networks(torch.from_numpy(self.pca.inverse_transform(scores)).float(), architectures)


class NearestNetwork(Peer):
    """The nearest neighbor among the training networks of as many inputs, by standardized canonical parameters.

    The latent is that network's number alone, and its architecture its own: there is no size that could be made equal.
    """

    def fit_vectors(self, vectors: Tensor, there: Tensor, train: Sequence[NetGraph], seconds: float) -> None:
        """Keep the training networks."""
        self.known, self.train = vectors, train
        self.inputs = torch.tensor([graph.architecture.n_inputs for graph in train])

    def encode(self, graphs: Sequence[NetGraph]) -> Tensor:
        """Return the number of the nearest neighbor, followed by zeros, [n, latent_size]."""
        distance = torch.cdist(self.standardize(graphs), self.known)  # [n, training networks]
        inputs = torch.tensor([graph.architecture.n_inputs for graph in graphs])
        distance[inputs[:, None] != self.inputs] = torch.inf
        return fit_length(distance.argmin(dim=1, keepdim=True).float(), self.latent_size)

    def decode(self, z: Tensor, architectures: Sequence[Architecture]) -> list[NetGraph]:
        """Return the training networks of these numbers."""
        return [self.train[i] for i in z[:, 0].long().tolist()]

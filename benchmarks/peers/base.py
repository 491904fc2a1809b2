"""The contract of a peer, and the parameter vectors that most peers are fitted to."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from netgraph import NetGraph, NetGraphError
from netgraph.graph import Architecture
from netgraph.training import Example


class Peer(ABC):
    """A map of networks to latents of one size and back.

    It is fitted once to canonical training networks; :meth:`decode` depends on the latents alone, and networks of a
    batch do not see each other.

    Args:
        latent_size: Numbers in a latent, the same for every peer; a peer that uses fewer leaves the last ones 0.
        seed: Of initial weights and batches.
    """

    def __init__(self, latent_size: int, seed: int = 0) -> None:
        self.latent_size, self.seed = latent_size, seed

    @abstractmethod
    def fit(self, train: Sequence[Example], seconds: float) -> None:
        """Fit to training networks for some seconds, preparation not counted; a closed form has no such limit."""

    @abstractmethod
    def encode(self, graphs: Sequence[NetGraph]) -> Tensor:
        """Return the latents of canonical networks, [n, latent_size]."""

    @abstractmethod
    def decode(self, z: Tensor) -> list[NetGraph]:
        """Return the network of each latent."""


class VectorPeer(Peer):
    """A peer that reads canonical parameter vectors, [P], of one given architecture, standardized tensor by tensor."""

    def fit(self, train: Sequence[Example], seconds: float) -> None:
        """Fit the scales to the training networks, then the peer to their standardized vectors."""
        self.architecture: Architecture = train[0].graph.architecture
        self.mean, self.deviation = torch.zeros(self.architecture.state_size), torch.ones(self.architecture.state_size)
        states = self.standardize([example.graph for example in train])
        for tensor in self.architecture.tensors:
            part = slice(tensor.offset, tensor.offset + tensor.size)
            self.mean[part], self.deviation[part] = states[:, part].mean(), states[:, part].std().clamp(min=1e-3)
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(self.seed)
            self.fit_vectors((states - self.mean) / self.deviation, seconds)

    @abstractmethod
    def fit_vectors(self, vectors: Tensor, seconds: float) -> None:
        """Fit to the standardized parameter vectors of the training networks, [n, P]."""

    def standardize(self, graphs: Sequence[NetGraph]) -> Tensor:
        """Return standardized parameter vectors, [n, P].

        Raises:
            NetGraphError: When a network has another architecture than the training networks.
        """
        for i, graph in enumerate(graphs):
            if graph.architecture.key != self.architecture.key:
                raise NetGraphError(f"network {i}: {graph.architecture}; this peer knows {self.architecture} alone")
        return (torch.stack([graph.state for graph in graphs]) - self.mean) / self.deviation

    def networks(self, vectors: Tensor) -> list[NetGraph]:
        """Return the networks of standardized parameter vectors, [n, P]."""
        return [NetGraph(self.architecture, state) for state in vectors * self.deviation + self.mean]


def fit_length(vectors: Tensor, length: int) -> Tensor:
    """Append zeros to vectors, or cut them, [n, any] -> [n, length]."""
    return torch.nn.functional.pad(vectors, (0, length - vectors.shape[1]))

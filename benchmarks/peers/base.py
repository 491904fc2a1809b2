"""What every peer does."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor

from netgraph import NetGraph
from netgraph.training import Example


class Peer(ABC):
    """A way of bringing a network to a vector of fixed size and back, architecture and weights.

    It is fitted once, to canonical training networks, and then rebuilds others **free-running**: what :meth:`decode`
    gives depends on the latents alone. Networks of a batch do not see each other.

    Args:
        latent_size: Numbers in a latent, the same for every peer.
        seed: Of everything that is drawn.

    Attributes:
        name: What it is called in the results.
    """

    name: str

    def __init__(self, latent_size: int, seed: int = 0) -> None:
        self.latent_size, self.seed = latent_size, seed

    @abstractmethod
    def fit(self, train: Sequence[Example], seconds: float) -> None:
        """Fit to training networks.

        Args:
            train: Canonical networks with rows of their tasks and meta-features.
            seconds: Time that the training may take; the preparation of its tensors comes on top.
        """

    @abstractmethod
    def encode(self, graphs: Sequence[NetGraph]) -> Tensor:
        """Give the latents of canonical networks, [n, latent_size]."""

    @abstractmethod
    def decode(self, z: Tensor) -> list[NetGraph | None]:
        """Give the network of each latent, or None where the latent gives none that runs."""

"""Where the candidates of a search come from: the prior, or a strategy that learns from their errors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Generator, Tensor

from netgraph.errors import NetGraphError
from netgraph.graph.netgraph import NetGraph
from netgraph.model.vae import NetVAE
from netgraph.search.data import Data
from netgraph.search.strategies import Genetic, SeparableCMA, Strategy
from netgraph.tasks import check_meta_vector, get_meta_features

N_OUTPUTS = 1
#: Candidates drawn at once: by what learns nothing, and by a strategy before it is told of them.
BATCH, GENERATION = 128, 32


class Source(Protocol):
    """Gives candidates and is told what they were worth."""

    @property
    def batch(self) -> int:
        """Candidates that are drawn at once."""

    def draw(self, n: int, seed: int) -> list[NetGraph]:
        """Give n networks that read the data set's columns and have one output."""

    def learn(self, errors: Tensor) -> None:
        """Take the errors of the networks drawn last, [n]; inf for what failed."""


@dataclass(frozen=True)
class Drawn:
    """Networks that a function of a number and a seed gives; it learns nothing."""

    function: Callable[[int, int], list[NetGraph]]
    batch: int = BATCH

    def draw(self, n: int, seed: int) -> list[NetGraph]:
        """Give n networks."""
        return self.function(n, seed)

    def learn(self, errors: Tensor) -> None:
        """Forget the errors."""


class Prior:
    """Networks sampled for a data set's meta-features and number of columns.

    Args:
        vae: The model.
        data: The rows.

    Raises:
        NetGraphError: When the data set has more columns than the model can decode.
    """

    batch = BATCH

    def __init__(self, vae: NetVAE, data: Data) -> None:
        self.n_inputs = data.x.shape[1]
        if self.n_inputs + N_OUTPUTS > vae.config.max_nodes:
            most = vae.config.max_nodes
            raise NetGraphError(f"X has {self.n_inputs} columns; this model decodes at most {most} vertices")
        self.vae = vae
        self.meta_features = check_meta_vector(get_meta_features(data.x.numpy(), data.y.numpy()))[0]

    def draw(self, n: int, seed: int) -> list[NetGraph]:
        """Sample n networks."""
        return self.vae.sample(n, self.meta_features, seed, n_inputs=self.n_inputs, n_outputs=N_OUTPUTS)

    def learn(self, errors: Tensor) -> None:
        """Forget the errors: the prior stays what it is."""


class Searched(Prior):
    """Networks of the noise that a strategy asks for, which is told their errors.

    Args:
        vae: The model.
        data: The rows.
        strategy: One of :data:`STRATEGIES`.
        seed: Of the strategy.

    Raises:
        NetGraphError: As of the prior, and when the strategy is unknown.
    """

    batch = GENERATION

    def __init__(self, vae: NetVAE, data: Data, strategy: str, seed: int) -> None:
        super().__init__(vae, data)
        if strategy not in STRATEGIES:
            raise NetGraphError(f"unknown strategy {strategy!r}; known: {', '.join(('prior', *STRATEGIES))}")
        slots = torch.arange(vae.config.latent_size) // vae.config.slot_size
        generator = Generator().manual_seed(seed)
        self.strategy = STRATEGIES[strategy](vae.config.latent_size, generator, slots)
        self.points = torch.empty(0, vae.config.latent_size)

    def draw(self, n: int, seed: int) -> list[NetGraph]:
        """Ask for n points and decode them; all chance is the strategy's."""
        self.points = self.strategy.ask(n)
        noise, rows = self.points.to(self.vae.device), self.meta_features.expand(n, -1)
        return self.vae.carry(noise, rows, counts=[(self.n_inputs, N_OUTPUTS)] * n)[0]

    def learn(self, errors: Tensor) -> None:
        """Tell the strategy."""
        self.strategy.tell(self.points, errors)


#: Strategies by name, beside the prior itself.
STRATEGIES: Mapping[str, Callable[[int, Generator, Tensor], Strategy]] = {
    "genetic": lambda size, generator, slots: Genetic(size, generator, slots, population=GENERATION),
    "cma": SeparableCMA,
}


def source_of(strategy: str, vae: NetVAE, data: Data, seed: int) -> Source:
    """Give the source of a name: ``prior``, ``genetic`` or ``cma``.

    Raises:
        NetGraphError: When the name is unknown, or the model cannot decode networks for the data set.
    """
    return Prior(vae, data) if strategy == "prior" else Searched(vae, data, strategy, seed)

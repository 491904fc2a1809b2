"""Strategies by name."""

from collections.abc import Callable, Mapping

import torch
from torch import Generator, Tensor

from netgraph.model.config import VAEConfig
from netgraph.search.strategies.base import Strategy
from netgraph.search.strategies.evolution import SeparableCMA
from netgraph.search.strategies.genetic import Genetic

#: Candidates drawn at once by a strategy before it is told of them.
GENERATION = 32
#: Strategies by name, beside the prior itself.
STRATEGIES: Mapping[str, Callable[[int, Generator, Tensor], Strategy]] = {
    "genetic": lambda size, generator, slots: Genetic(size, generator, slots, population=GENERATION),
    "cma": SeparableCMA,
}


def strategy_of(name: str, config: VAEConfig, seed: int) -> Strategy:
    """Return the strategy of a name in :data:`STRATEGIES` over a model's noise, whose blocks are the latent's slots."""
    slots = torch.arange(config.latent_size) // config.slot_size
    return STRATEGIES[name](config.latent_size, Generator().manual_seed(seed), slots)

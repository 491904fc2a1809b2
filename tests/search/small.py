"""Small models with initial weights that sample networks of the commonest layers, and random networks."""

from dataclasses import replace
from functools import partial

import torch
from torch import Generator

from netgraph import NetGraph, NetVAE
from netgraph.model import GeneratorConfig, PriorConfig, VAEConfig
from netgraph.search.config import SearchConfig
from netgraph.zoo.architectures import ArchitectureRecipe, draw_architecture, initialize
from tests.model.small import EVERYTHING

PRIOR = PriorConfig(width=16, heads=2, place_layers=1, layout_layers=1, steps=2)
CONFIG = VAEConfig(width=16, heads=2, place_positions=4, slot_size=4, max_nodes=40, max_fan=24, prior=PRIOR)


#: That of a model which reads rows.
READING = replace(
    CONFIG,
    slot_size=6,
    generator=GeneratorConfig(width=16, heads=2, layers=1, row_width=8, row_heads=2, row_rounds=1, inducing_points=4),
)


#: Searches of few steps, which end by themselves.
SHORT = partial(SearchConfig, rungs=(10, 20))
#: Searches of the fewest steps, which look nowhere else.
SHORTEST = partial(SearchConfig, rungs=(2,), n_tuned=1, focus=False)


def untrained(config: VAEConfig = CONFIG) -> NetVAE:
    """Make a model."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = NetVAE(config)
    model.structure.coverage = replace(
        EVERYTHING, types=frozenset({"Input", "Linear", "Tanh"}), inputs=frozenset(range(1, 17))
    )
    return model.eval()


def random_networks(n: int, seed: int, n_inputs: int = 4, recipe: ArchitectureRecipe | None = None) -> list[NetGraph]:
    """Draw networks with initial weights."""
    generator = Generator().manual_seed(seed)
    drawn = [draw_architecture(recipe or ArchitectureRecipe(), n_inputs, generator) for _ in range(n)]
    return [NetGraph(architecture, initialize(architecture, generator)) for architecture in drawn]

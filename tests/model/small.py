"""A small model, and the networks that it can hold."""

import torch

from netgraph import NetGraph, NetVAE
from netgraph.model import PriorConfig, VAEConfig

CONFIG = VAEConfig(
    width=16,
    heads=2,
    place_depths=2,
    place_positions=4,
    slot_size=4,
    max_nodes=48,
    max_fan=24,
    weight_layers=1,
    prior=PriorConfig(width=16, heads=2, place_layers=1, layout_layers=1, steps=2),
)


def untrained(config: VAEConfig) -> NetVAE:
    """A model with initial weights that knows every layer type."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = NetVAE(config)
    model.structure.known_types[3:] = True
    return model.eval()


def fitting(found: list[NetGraph]) -> list[NetGraph]:
    """Networks that the small model can encode."""
    return [g for g in found if g.num_nodes <= CONFIG.max_nodes and max(x.size for x in g.architecture.layers) <= 20]

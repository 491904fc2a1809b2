"""A small model with initial weights that samples networks of the commonest layers."""

import torch

from netgraph import NetVAE
from netgraph.model import PriorConfig, VAEConfig

PRIOR = PriorConfig(width=16, heads=2, place_layers=1, layout_layers=1, steps=2)
CONFIG = VAEConfig(width=16, heads=2, place_positions=4, slot_size=4, max_nodes=40, max_fan=24, prior=PRIOR)


def untrained() -> NetVAE:
    """Make it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = NetVAE(CONFIG)
    model.structure.known_types[torch.tensor([3, 4, 6])] = True
    return model.eval()

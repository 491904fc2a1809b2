"""A small model, and the networks that it can hold."""

import torch

from netgraph import NetGraph, NetVAE
from netgraph.graph.layers import LAYER_TYPES
from netgraph.model import PriorConfig, VAEConfig
from netgraph.model.coverage import COUNTED, Coverage

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


KINDS = ("Input", "Linear", "Linear without bias", "activation", "Dropout", "normalization", "Add", "Concat")
#: All that a decoder can write within 200 nodes.
EVERYTHING = Coverage(
    types=frozenset(LAYER_TYPES),
    places=frozenset(f"{kind} {word} {other}" for kind in KINDS for word in ("after", "with") for other in KINDS)
    | {f"{kind} as output" for kind in (*KINDS, *LAYER_TYPES)},
    **dict.fromkeys(COUNTED, frozenset(range(200))),
)


def untrained(config: VAEConfig) -> NetVAE:
    """A model with initial weights that covers everything."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = NetVAE(config)
    model.structure.coverage = EVERYTHING
    return model.eval()


def fitting(found: list[NetGraph]) -> list[NetGraph]:
    """Networks that the small model can encode."""
    covered = [g for g in found if EVERYTHING.covers(g.architecture)]
    return [g for g in covered if g.num_nodes <= CONFIG.max_nodes and max(x.size for x in g.architecture.layers) <= 20]

"""A small model, and the networks that it can hold."""

from itertools import pairwise

import torch
from torch import nn

from netgraph import NetGraph, NetVAE, from_module
from netgraph.graph.layers import LAYER_TYPES
from netgraph.model import VAEConfig
from netgraph.model.coverage import COUNTED, Coverage

CONFIG = VAEConfig(
    width=16,
    heads=2,
    encoder_layers=1,
    decoder_layers=1,
    hypernet_layers=1,
    message_width=8,
    edge_rank=4,
    function_size=12,
    architecture_size=14,
    weight_size=400,
    n_rows=48,
    fit_steps=2,
    exemplars=64,
    prior_width=16,
    prior_layers=1,
    prior_steps=2,
    depths=3,
    max_inputs=6,
    max_nodes=48,
    max_fan=24,
)

KINDS = ("Input", "Linear", "Linear without bias", "activation", "Dropout", "normalization", "Add", "Concat")
#: All that a decoder can write within 200 nodes, of one output.
EVERYTHING = Coverage(
    types=frozenset(LAYER_TYPES),
    places=frozenset(f"{kind} {word} {other}" for kind in KINDS for word in ("after", "with") for other in KINDS)
    | {f"{kind} as output" for kind in (*KINDS, *LAYER_TYPES)},
    **dict.fromkeys(COUNTED, frozenset(range(200)))
    | {"outputs": frozenset({1}), "inputs": frozenset(range(1, CONFIG.max_inputs + 1))},
)


def untrained(config: VAEConfig = CONFIG) -> NetVAE:
    """A model with initial weights that covers everything."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = NetVAE.from_config(config)
    model.decoder.architecture.coverage = EVERYTHING
    return model.eval()


def fitting(found: list[NetGraph]) -> list[NetGraph]:
    """Networks that the small model can encode, as float32, with a sensitivity."""
    covered = [g for g in found if EVERYTHING.covers(g.architecture) and g.num_nodes <= CONFIG.max_nodes]
    small = [g for g in covered if max(layer.size for layer in g.architecture.layers) <= 20]
    generator = torch.Generator().manual_seed(0)
    return [NetGraph(g.architecture, g.state.float(), torch.rand(g.num_nodes, generator=generator)) for g in small]


def perceptron(*sizes: int, activation: type[nn.Module] = nn.Tanh, bias: bool = True, seed: int = 0) -> nn.Sequential:
    """A perceptron with units of these sizes in its layers, the inputs first."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        parts: list[nn.Module] = []
        for inputs, units in pairwise(sizes):
            parts += [nn.Linear(inputs, units, bias), activation()]
    return nn.Sequential(*parts[:-1])


def networks(count: int, n_inputs: int = 3) -> list[NetGraph]:
    """Perceptrons of one to three hidden layers of 2 to 7 units, with a sensitivity."""
    graphs = [
        from_module(perceptron(n_inputs, *[2 + i % 6] * (1 + i % 3), 1, activation=(nn.Tanh, nn.ReLU)[i % 2], seed=i))
        for i in range(count)
    ]
    return fitting(graphs)

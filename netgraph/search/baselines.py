"""Networks that every search begins with, whose last layers alone are fitted.

One is linear. The others are wide: a hidden layer of many units with initial weights, that is random features (Rahimi &
Recht 2008; Huang et al. 2006); a search fits them, and wider ones, again when they are focused on where the target
changes (see :mod:`~netgraph.search.focusing`). They cost a ridge regression each, and differ from the small networks
that follow.
"""

from torch import Generator, zeros

from netgraph.graph.architecture import Architecture, make_layer
from netgraph.graph.netgraph import NetGraph
from netgraph.zoo.architectures import initialize

#: Activations of the wide networks, one each.
ACTIVATIONS = ("ReLU", "Tanh", "GELU", "SiLU")
#: Units of their hidden layer.
UNITS = 192


def baselines(n_inputs: int, seed: int) -> list[NetGraph]:
    """Give the linear network and the wide ones."""
    return [linear_network(n_inputs), *wide_networks(n_inputs, UNITS, seed)]


def linear_network(n_inputs: int) -> NetGraph:
    """Give the network without hidden layers, its weights 0."""
    architecture = Architecture((make_layer("Input", (), n_inputs), make_layer("Linear", (0,), 1)))
    return NetGraph(architecture, zeros(n_inputs + 1))


def wide_networks(n_inputs: int, units: int, seed: int) -> list[NetGraph]:
    """Give a network of one hidden layer with initial weights for each of :data:`ACTIVATIONS`."""
    generator = Generator().manual_seed(seed)
    return [_wide_network(n_inputs, units, name, generator) for name in ACTIVATIONS]


def _wide_network(n_inputs: int, units: int, activation: str, generator: Generator) -> NetGraph:
    layers = [make_layer("Input", (), n_inputs)]
    for position, (name, size) in enumerate((("Linear", units), (activation, units), ("Linear", 1))):
        layers.append(make_layer(name, (position,), size))
    architecture = Architecture(tuple(layers))
    return NetGraph(architecture, initialize(architecture, generator))

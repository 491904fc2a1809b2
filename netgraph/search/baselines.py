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


def wide_networks(n_inputs: int, units: int, seed: int, direct: bool = False) -> list[NetGraph]:
    """Give a network of one hidden layer with initial weights for each of :data:`ACTIVATIONS`.

    Args:
        n_inputs: Columns.
        units: Of the hidden layer.
        seed: Of the weights.
        direct: Whether the last layer reads the columns too.
    """
    generator = Generator().manual_seed(seed)
    architectures = [_wide(n_inputs, units, activation, direct) for activation in ACTIVATIONS]
    return [NetGraph(architecture, initialize(architecture, generator)) for architecture in architectures]


def _wide(n_inputs: int, units: int, activation: str, direct: bool) -> Architecture:
    layers = [make_layer("Input", (), n_inputs), make_layer("Linear", (0,), units), make_layer(activation, (1,), units)]
    if direct:
        layers.append(make_layer("Concat", (2, 0), units + n_inputs))
    return Architecture((*layers, make_layer("Linear", (len(layers) - 1,), 1)))

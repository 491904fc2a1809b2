"""Networks of one small architecture."""

import pytest
import torch

from netgraph import NetGraph, canonicalize
from netgraph.graph import Architecture, make_layer
from netgraph.training import Example
from netgraph.zoo import initialize

LAYERS = [
    make_layer("Input", (), 3, "x"),
    make_layer("Linear", (0,), 4, "0"),
    make_layer("Tanh", (1,), 4, "1"),
    make_layer("Linear", (2,), 1, "2"),
]


def draw_example(generator):
    architecture = Architecture(tuple(LAYERS))
    state = initialize(architecture, generator) + 0.1 * torch.randn(architecture.state_size, generator=generator)
    graph = canonicalize(NetGraph(architecture, state, torch.ones(architecture.num_nodes)))
    return Example(graph, torch.randn(16, 3, generator=generator), torch.zeros(37))


@pytest.fixture(scope="session")
def examples():
    generator = torch.Generator().manual_seed(0)
    return [draw_example(generator) for _ in range(40)]


@pytest.fixture(scope="session")
def graphs(examples):
    return [example.graph for example in examples]

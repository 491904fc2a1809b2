"""Small networks of the benchmark's vocabulary, and the benchmark's scripts where Python finds them."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from peers.plan import ACTIVATIONS, Bounds, Level, Plan, architecture_of

from netgraph import NetGraph, canonicalize
from netgraph.training import Example
from netgraph.zoo.architectures import initialize

BOUNDS = Bounds(inputs=3, depth=2, width=3, least_inputs=2, least_width=2)


def draw_plan(generator):
    """A plan within BOUNDS."""

    def below(n):
        return int(torch.randint(n, (), generator=generator))

    levels = [
        Level(2 + below(2), ACTIVATIONS[below(len(ACTIVATIONS))], below(4) == 0, below(4) == 0)
        for _ in range(1 + below(2))
    ]
    return Plan(2 + below(2), tuple(levels))


def draw_example(generator):
    architecture = architecture_of(draw_plan(generator))
    state = initialize(architecture, generator) + 0.1 * torch.randn(architecture.state_size, generator=generator)
    graph = canonicalize(NetGraph(architecture, state))
    return Example(graph, torch.randn(16, architecture.n_inputs, generator=generator), torch.zeros(37))


@pytest.fixture(scope="session")
def examples():
    generator = torch.Generator().manual_seed(0)
    return [draw_example(generator) for _ in range(40)]


@pytest.fixture(scope="session")
def graphs(examples):
    return [example.graph for example in examples]

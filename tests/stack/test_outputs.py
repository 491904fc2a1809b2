"""What many networks give is what each gives alone."""

import torch
from torch import Generator

from netgraph import NetGraph, to_module
from netgraph.stack import first_outputs
from netgraph.zoo import ArchitectureRecipe, draw_architecture, initialize


def test_each_gives_what_its_module_gives_on_common_rows_and_on_its_own():
    generator = Generator().manual_seed(0)
    drawn = [draw_architecture(ArchitectureRecipe(), 4, generator) for _ in range(60)]
    graphs = [NetGraph(architecture, initialize(architecture, generator)) for architecture in drawn]
    architectures, states = [graph.architecture for graph in graphs], [graph.state for graph in graphs]
    own = torch.randn(60, 9, 4, generator=Generator().manual_seed(1))
    for x in (own[0], own):
        found = first_outputs(architectures, states, x)
        assert found.shape == (60, 9)
        for i, graph in enumerate(graphs):
            expected = to_module(graph)(x if x.ndim == 2 else x[i])[:, 0].detach()
            torch.testing.assert_close(found[i], expected, rtol=1e-4, atol=1e-5)


def test_none_give_nothing():
    assert first_outputs([], [], torch.zeros(5, 3)).shape == (0, 5)

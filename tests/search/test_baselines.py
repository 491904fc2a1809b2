"""Networks that every search begins with."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator

from netgraph.search.baselines import ACTIVATIONS, UNITS, baselines
from netgraph.search.data import Data
from netgraph.search.running import solve


@given(st.integers(1, 40), st.integers(0, 2**20))
def test_one_is_linear_and_the_others_are_wide_and_differ_by_seed(n_inputs, seed):
    first, *wide = baselines(n_inputs, seed)
    assert torch.equal(first.state, torch.zeros(n_inputs + 1))
    assert [graph.architecture.layers[2].type for graph in wide] == list(ACTIVATIONS)
    assert {graph.architecture.layers[1].size for graph in wide} == {UNITS}
    for graph, again, other in zip(wide, baselines(n_inputs, seed)[1:], baselines(n_inputs, seed + 1)[1:], strict=True):
        assert torch.equal(graph.state, again.state)
        assert not torch.equal(graph.state, other.state)


def test_a_wide_one_fits_what_the_linear_one_does_not():
    x = torch.randn(300, 3, generator=Generator().manual_seed(0))
    data = Data(x, (2 * x[:, 0]).sin() * x[:, 1] + x[:, 2])
    linear, *wide = (one.error for one in solve(baselines(3, 0), data))
    assert max(wide) < 0.85 * linear

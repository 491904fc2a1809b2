"""Pruned networks are smaller, valid, and compute what is left when nothing reads the removed units."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from netgraph import NetGraphError, from_module, prune, to_module, tokenize, with_sensitivity
from netgraph.errors import UnsupportedLayerError
from netgraph.graph.symmetry import first_of_unit
from tests.strategies import Joined, Residual, examples, graphs, randomize


def unread(graph, nodes):
    """The network with every weight set to 0 that reads the units of some nodes."""
    unit = first_of_unit(graph.architecture)
    source = graph.architecture.element_source
    reads = (source >= 0) & np.isin(unit[source], unit[nodes])
    return graph.replace(state=graph.state.masked_fill(torch.from_numpy(reads), 0))


def outputs(graph, n=6):
    x = torch.randn(n, graph.architecture.n_inputs, generator=torch.Generator().manual_seed(0)).to(graph.state)
    with torch.no_grad():
        return to_module(graph)(x)


@examples(60)
@given(graphs(), st.data())
def test_the_function_is_that_without_what_reads_the_units(graph, data):
    graph = graph.replace(state=graph.state.double())
    nodes = data.draw(st.lists(st.integers(0, graph.num_nodes - 1), min_size=1, max_size=3))
    try:
        smaller = prune(graph, nodes)
    except NetGraphError as error:
        refusal = str(error)
    else:
        refusal = ""
    if refusal:
        assert refusal.startswith("prune: ")
        assert "\n" not in refusal
        return
    assert smaller.validate()
    removed = np.isin(first_of_unit(graph.architecture), first_of_unit(graph.architecture)[nodes])
    assert smaller.num_nodes == graph.num_nodes - removed.sum()
    torch.testing.assert_close(outputs(smaller), outputs(unread(graph, nodes)))
    assert [layer.name for layer in smaller.architecture.layers] == [layer.name for layer in graph.architecture.layers]


def build(*layers):
    return from_module(randomize(nn.Sequential(*layers), 0))


def test_units_go_through_activations_batch_norms_and_joins():
    block = Joined(nn.Sequential(nn.Linear(4, 4), nn.Tanh()))
    graph = build(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Sigmoid(), block, nn.Linear(8, 3), nn.Linear(3, 1))
    smaller = prune(graph, [3, 8])  # of the first linear layer, and of its norm
    sizes = [(layer.type, layer.size) for layer in smaller.architecture.layers]
    assert sizes == [
        ("Input", 2), ("Linear", 2), ("BatchNorm1d", 2), ("Sigmoid", 2), ("Linear", 4), ("Tanh", 4), ("Concat", 6),
        ("Linear", 3), ("Linear", 1),
    ]  # fmt: skip
    torch.testing.assert_close(outputs(smaller), outputs(unread(graph, [3, 8])))
    assert len(tokenize([smaller])) == 1
    counts = [int(smaller.tensor(tensor)) for tensor in smaller.architecture.tensors if tensor.kind == "count"]
    assert counts == [7]


def test_units_that_are_added_go_together():
    graph = build(nn.Linear(2, 4), Residual(nn.Sequential(nn.Linear(4, 4), nn.Tanh())), nn.Linear(4, 1))
    smaller = prune(graph, [2])
    assert [layer.size for layer in smaller.architecture.layers] == [2, 3, 3, 3, 3, 1]
    torch.testing.assert_close(outputs(smaller), outputs(unread(graph, [2])))


def test_the_least_sensitive_units_are_found():
    graph = build(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 2), nn.Tanh(), nn.Linear(2, 1))
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(1))
    measured = with_sensitivity(graph, x)
    units = {first: float(measured.sensitivity[first]) for first in [*range(3, 9), *range(15, 17)]}
    least = sorted(units, key=units.get)[:3]
    smaller = prune(measured, 3)
    assert smaller.architecture == prune(graph, least).architecture
    assert torch.equal(smaller.state, prune(graph, least).state)
    assert smaller.sensitivity.isnan().all()
    assert [layer.size for layer in prune(measured, 6).architecture.layers] == [3, 1, 1, 1, 1, 1]
    with pytest.raises(NetGraphError, match="7 units to remove, where 6 can be"):
        prune(measured, 7)
    assert prune(measured, torch.tensor(3)).architecture == prune(measured, np.int64(3)).architecture


def test_nothing_to_remove_is_the_same_network():
    graph = build(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))
    assert torch.equal(prune(graph, []).state, graph.state)
    assert torch.equal(prune(graph, {2, 3}).state, prune(graph, torch.tensor([3, 2, 3])).state)


PLAIN = build(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))
WRONG = {
    "input": (PLAIN, [0], r"node 0 must stay: its unit is part of layer 0 \(input_1, Input\), the inputs"),
    "output": (PLAIN, [10], r"node 10 must stay: its unit is part of layer 3 \(2, Linear\), the outputs"),
    "outside": (PLAIN, [11], "has nodes 0 to 10, not 11"),
    "negative": (PLAIN, [-1], "has nodes 0 to 10, not -1"),
    "layer": (PLAIN, [2, 3, 4, 5], r"layer 1 \(0, Linear\) would have no node left"),
    "not measured": (PLAIN, 1, "sensitivity is not measured"),
    "mask": (PLAIN, [True, False], "expected a list of nodes, or a number of units"),
    "text": (PLAIN, "all", "expected a list of nodes, or a number of units"),
    "nested": (PLAIN, [[2, 3]], "expected a list of nodes, or a number of units"),
    "None": (PLAIN, None, "expected a list of nodes, or a number of units"),
    "norm": (build(nn.Linear(2, 4), nn.LayerNorm(4), nn.Linear(4, 1)), [2], r"layer 2 \(1, LayerNorm\), which norm"),
    "added to an input": (
        build(Residual(nn.Linear(3, 3)), nn.Linear(3, 1)),
        [3],
        r"layer 0 \(input_1, Input\), the inputs",
    ),
}


@pytest.mark.parametrize(("graph", "nodes", "message"), WRONG.values(), ids=WRONG)
def test_units_that_must_stay_are_named(graph, nodes, message):
    with pytest.raises(NetGraphError, match=f"^prune: .*{message}") as caught:
        prune(graph, nodes)
    assert "\n" not in str(caught.value)


def test_other_networks_are_refused():
    with pytest.raises(UnsupportedLayerError, match="Conv1d is not in the feed-forward vocabulary"):
        prune(from_module(nn.Conv1d(1, 2, 3), torch.zeros(1, 1, 5)), [1])

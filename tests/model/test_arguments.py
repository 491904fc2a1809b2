from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from netgraph import NetGraphError, NetVAE, canonicalize, from_module
from netgraph.model.arguments import as_architectures, as_canonical, as_rows, seeded
from tests.model.small import EVERYTHING, networks, perceptron, untrained

NETWORKS = networks(3)


@pytest.fixture(scope="module")
def vae() -> NetVAE:
    return untrained()


def named(call: Callable[[], Any], message: str) -> None:
    """Check that a call fails with one line."""
    with pytest.raises(NetGraphError, match=message) as error:
        call()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("networks_given", "message"),
    [
        ([], "no networks to encode"),
        (NETWORKS[0], "expected a list of graphs or modules, got NetGraph; put it in a list"),
        (perceptron(2, 3, 1), "got Sequential; put it in a list"),
        (None, "got NoneType"),
        (3, "got int"),
        ([NETWORKS[0], 3], "network 1: expected one NetGraph, got int"),
        ([NETWORKS[0], NETWORKS[1].replace(state=NETWORKS[1].state * torch.nan)], "network 1: a weight is not finite"),
        ([NETWORKS[0], nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))], "network 1: 2 outputs; .* on 1"),
        ([perceptron(9, 4, 1)], "network 0: 9 inputs; this model was trained on 1 to 6"),
        ([perceptron(6, 30, 30, 1)], "a network with 127 nodes; this model handles at most 48"),
        ([perceptron(6, 30, 1)], r"a network with 67 nodes|a node with 30 weights"),
    ],
)
def test_networks_that_cannot_be_encoded_are_named(vae, networks_given, message):
    named(lambda: vae.encode(networks_given), message)


def test_networks_may_be_any_iterable_of_graphs_and_modules():
    mixed = [NETWORKS[0], perceptron(3, 4, 1)]
    expected = [canonicalize(NETWORKS[0]), canonicalize(from_module(mixed[1]))]
    for given in (mixed, tuple(mixed), iter(mixed), nn.ModuleList([perceptron(3, 4, 1)] * 2)[:1]):
        if isinstance(given, nn.ModuleList):
            named(lambda given=given: as_canonical(given, EVERYTHING), "got ModuleList; put it in a list")
            continue
        for found, true in zip(as_canonical(given, EVERYTHING), expected, strict=True):
            assert torch.equal(found.state, true.state)


def test_architectures_are_one_for_all_or_one_each():
    graph, counts = NETWORKS[0], [[3, 1], [3, 1]]
    key = graph.architecture.key
    for given in (graph, graph.architecture, [graph, graph.architecture], (graph, graph)):
        assert [found.key for found in as_architectures(given, counts)] == [key, key]
    for given, message in (
        ([graph], "1 architectures for 2 networks"),
        ([graph] * 3, "3 architectures for 2 networks"),
        ([graph, perceptron(2, 3, 1)], "architecture 1 has 2 inputs; its function reads 3"),
        (perceptron(2, 3, 1), "architecture 0 has 2 inputs; its function reads 3"),
        (perceptron(3, 3, 2), "architecture 0 has 2 outputs; its function has 1"),
        (3, "architecture: expected one NetGraph, got int"),
        ([graph, "x"], "architecture 1: expected one NetGraph, got str"),
        ("xy", "architecture 0: expected one NetGraph, got str"),
    ):
        named(lambda given=given: as_architectures(given, counts), message)


def test_rows_are_finite_numbers_of_standardized_columns(vae):
    X, y = np.random.default_rng(0).normal(size=(9, 2)), np.arange(9.0)
    for x, target in ((X, y), (X.tolist(), y.tolist()), (torch.tensor(X), torch.tensor(y))):
        found = as_rows(x, target)
        assert [values.dtype for values in found] == [torch.float32] * 2
        torch.testing.assert_close(found[0], torch.tensor(X).float())
        assert found[1].shape == (9, 1)
    assert as_rows(X, X)[1].shape == (9, 2)
    shapes = r"expected \[rows, features\] and \[rows, outputs\], at least two rows"
    for x, target, message in (
        (X[0], y, rf"X \(2,\) and y \(9,\); {shapes}"),
        (X, y[:8], rf"X \(9, 2\) and y \(8,\); {shapes}"),
        (X, y[:, None, None], rf"y \(9, 1, 1\); {shapes}"),
        (X[:1], y[:1], rf"X \(1, 2\) and y \(1,\); {shapes}"),
        (X[:, :0], y, rf"X \(9, 0\) and y \(9,\); {shapes}"),
        (X * np.nan, y, "X or y: a value is not finite, or beyond 1e.06; standardize columns and target"),
        (X, y + np.inf, "X or y: a value is not finite"),
        (X, y * 1e7, "beyond 1e.06"),
        ("x", y, "X and y: expected numbers"),
        (X, [None] * 9, "X and y: expected numbers"),
    ):
        for call in (vae.encode_rows, lambda x, y: vae.sample(2, X=x, y=y)):
            named(lambda call=call, x=x, target=target: call(x, target), message)


def test_a_seed_gives_the_same_numbers_and_none_new_ones():
    one, two, new, newer = (torch.randn(4, generator=seeded(seed)) for seed in (3, 3, None, None))
    assert torch.equal(one, two)
    assert not torch.equal(new, newer)

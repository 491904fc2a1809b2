"""The two-sample test between sets of networks."""

import numpy as np
import pytest
import torch

from benchmarks.two_sample import auc, match_inputs, shape_features
from netgraph import NetGraph, NetGraphError
from netgraph.graph import Architecture, make_layer
from netgraph.zoo import initialize


def network(inputs, generator, scale=1.0):
    layers = [
        make_layer("Input", (), inputs, "x"),
        make_layer("Linear", (0,), 4, "0"),
        make_layer("Tanh", (1,), 4, "1"),
    ]
    architecture = Architecture((*layers, make_layer("Linear", (2,), 1, "2")))
    return NetGraph(architecture, scale * initialize(architecture, generator))


def networks(count, seed, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return [network(1 + i % 3, generator, scale) for i in range(count)]


def test_sets_of_one_distribution_cannot_be_told_apart():
    assert auc(shape_features(networks(120, 0)), shape_features(networks(120, 1))) == pytest.approx(0.5, abs=0.12)


def test_nearly_linear_and_saturated_networks_are_told_apart():
    assert auc(shape_features(networks(60, 0, 0.2)), shape_features(networks(60, 1, 20.0))) > 0.95


def test_features_see_neither_mean_nor_deviation_of_the_output():
    graphs = networks(6, 0)
    scaled = []
    for graph in graphs:
        state = graph.state.clone()
        state[-5:] *= 3  # the output layer: four weights and a bias
        state[-1] += 7
        scaled.append(NetGraph(graph.architecture, state))
    np.testing.assert_allclose(shape_features(scaled), shape_features(graphs), atol=1e-4)


def test_features_of_a_linear_network_are_those_of_its_column():
    generator = torch.Generator().manual_seed(0)
    graph = network(3, generator, 0.0)
    graph.state[[0, 3, 6, 9]] = 1e-3  # every hidden unit reads the first column alone, almost linearly
    graph.state[-5:-1] = 1.0
    features = shape_features([graph])[0]
    assert features[0] == pytest.approx(1, abs=1e-3)
    assert features[-5] == pytest.approx(0, abs=1e-3)
    assert features[-1] == 3


def test_a_constant_network_has_finite_features():
    features = shape_features([network(2, torch.Generator().manual_seed(0), 0.0)])
    assert np.isfinite(features).all()


def test_numbers_of_inputs_are_matched():
    first, second = match_inputs(networks(12, 0), networks(30, 1)[2:])
    assert [g.architecture.n_inputs for g in first] == [g.architecture.n_inputs for g in second]
    assert len(first) == 12
    generator = torch.Generator().manual_seed(0)
    with pytest.raises(NetGraphError, match="0 networks a set"):
        match_inputs(networks(12, 0), [network(9, generator)] * 12)

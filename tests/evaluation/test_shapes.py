"""The two-sample test between sets of networks."""

import numpy as np
import pytest
import torch

from netgraph import NetGraph, NetGraphError, metrics
from netgraph.evaluation import shapes
from netgraph.evaluation.shapes import match_inputs, match_sets, shape_features, two_sample_auc
from netgraph.graph import Architecture, make_layer
from netgraph.zoo import initialize, random_like


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
    assert two_sample_auc(shape_features(networks(120, 0)), shape_features(networks(120, 1))) == pytest.approx(
        0.5, abs=0.12
    )


def test_nearly_linear_and_saturated_networks_are_told_apart():
    assert two_sample_auc(shape_features(networks(60, 0, 0.2)), shape_features(networks(60, 1, 20.0))) > 0.95


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


def test_sets_without_numbers_of_inputs_in_common_are_refused():
    generator = torch.Generator().manual_seed(0)
    others = [network(9, generator)] * 12
    assert match_inputs(networks(12, 0), others) == [[], []]
    for call in (metrics.shape_aucs, metrics.shape_quality):
        with pytest.raises(NetGraphError, match=r"^0 networks a side, .* folds takes 25$"):
            call(others, networks(12, 0), networks(12, 1), generator)
    with pytest.raises(NetGraphError, match="others: no graphs"):
        metrics.shape_aucs(others, others, [], generator)


def of_tasks(graphs, n_tasks):
    for i, graph in enumerate(graphs):
        graph.task = i % n_tasks
    return graphs


def test_one_network_a_task_is_drawn_where_tasks_are_known():
    generator = torch.Generator().manual_seed(0)
    sampled, held_out, trained = match_sets(
        networks(90, 0), of_tasks(networks(90, 1), 30), of_tasks(networks(90, 2), 45), generator
    )
    assert len(sampled) == len(held_out) == len(trained) == 30
    assert len({graph.task for graph in held_out}) == len({graph.task for graph in trained}) == 30
    few = of_tasks(networks(90, 1), 24)
    with pytest.raises(NetGraphError, match="24 networks a side, one a task"):
        metrics.shape_aucs(networks(90, 0), few, networks(90, 2), generator)


def test_aucs_of_small_sets_are_averaged_over_draws(monkeypatch):
    drawn = []
    monkeypatch.setattr(shapes, "two_sample_auc", lambda a, b, seed: drawn.append(len(b)) or len(drawn) / 10)
    monkeypatch.setattr(shapes, "SIDE", 75)
    sets = [networks(30, seed) for seed in range(3)]
    aucs = metrics.shape_aucs(*sets, torch.Generator().manual_seed(0))
    assert drawn == [30] * 9
    assert aucs == pytest.approx({"random_auc": 0.4, "sample_auc": 0.5, "floor_auc": 0.6})


def test_shape_quality_places_samples_between_random_weights_and_trained_networks(monkeypatch):
    monkeypatch.setattr(shapes, "SIDE", 160)
    generator = torch.Generator().manual_seed(0)
    bent = networks(480, 0, 4.0)  # in place of training: weights four times as large as initial ones
    samples, test, others = bent[:160], bent[160:320], bent[320:]
    aucs = metrics.shape_aucs(samples, test, others, generator)
    assert aucs["random_auc"] > 0.8
    assert aucs["sample_auc"] == pytest.approx(0.5, abs=0.1)
    assert aucs["floor_auc"] == pytest.approx(0.5, abs=0.1)
    assert metrics.shape_quality(samples, test, others, torch.Generator().manual_seed(0)) == pytest.approx(
        (aucs["random_auc"] - aucs["sample_auc"]) / (aucs["random_auc"] - aucs["floor_auc"])
    )
    assert metrics.shape_quality(random_like(samples, generator), test, others, generator) == pytest.approx(0, abs=0.2)

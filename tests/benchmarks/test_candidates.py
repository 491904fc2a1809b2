"""Candidates of the comparison: their order, their inputs, and the evolution of networks."""

import numpy as np
import pytest
import torch

from benchmarks.candidates import POPULATION, Evolution, Library, Nearest, RandomWeights, offspring
from netgraph import NetGraph, NetGraphError
from netgraph.evaluation.metrics import is_valid
from netgraph.graph import Architecture, make_layer
from netgraph.search import Random
from netgraph.zoo import initialize


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def rows(columns, count=40):
    x = torch.randn(count, columns, generator=generator())
    return x, torch.tanh(x[:, :1]) - x[:, -1:].square() / 2


@pytest.fixture(scope="module")
def library(tiny_zoo):
    return Library(tiny_zoo)


def test_random_weights_keep_the_architectures_of_their_source():
    x, y = rows(3)
    source = Random()
    random, other = RandomWeights(source).sample(5, x, y, 2), source.sample(5, x, y, 2)
    assert [graph.architecture for graph in random] == [graph.architecture for graph in other]
    assert not any(torch.equal(one.state, two.state) for one, two in zip(random, other, strict=True))
    again = RandomWeights(source).sample(5, x, y, 2)
    assert all(torch.equal(one.state, two.state) for one, two in zip(random, again, strict=True))


def test_only_networks_of_training_tasks_are_taken(library, tiny_zoo):
    networks = [graph for graphs in library.networks.values() for graph in graphs]
    assert len(networks) == len(tiny_zoo.split("train")) < len(tiny_zoo)
    assert all(graph.architecture.n_inputs == n for n, graphs in library.networks.items() for graph in graphs)


def test_networks_of_the_nearest_task_come_first_the_best_first_and_each_once(library, tiny_zoo):
    inputs, networks = max(library.networks.items(), key=lambda pair: len({graph.task for graph in pair[1]}))
    task = tiny_zoo.tasks[networks[0].task]
    nearest = Nearest(library)
    x, y = task.x, task.y
    drawn = nearest.sample(5, x, y, 0) + nearest.sample(1000, x, y, 1)
    assert sorted(map(id, drawn)) == sorted(map(id, networks))
    assert nearest.sample(5, x, y, 2) == []
    first = [graph.r2 for graph in drawn if graph.task == networks[0].task]
    assert [graph.task for graph in drawn[: len(first)]] == [networks[0].task] * len(first)
    assert first == sorted(first, reverse=True)
    assert inputs == x.shape[1]


@pytest.mark.parametrize("source", [Nearest, Evolution])
def test_of_more_columns_networks_read_whitened_principal_components(library, source):
    columns = max(library.networks) + 5
    x, y = rows(columns)
    graphs = source(library).sample(6, x, y, 0)
    assert {graph.architecture.n_inputs for graph in graphs} == {columns}
    assert all(is_valid(graph) for graph in graphs)
    first = graphs[0].architecture.layers[1].size
    directions = graphs[0].state[: columns * first].reshape(first, columns).T
    components = (x @ directions).numpy()
    assert np.cov(components.T) == pytest.approx(np.eye(first), abs=1e-3)


def test_a_zoo_whose_networks_read_more_than_there_is_is_named(library):
    x, y = rows(1)
    with pytest.raises(NetGraphError, match="reads 1 inputs or fewer"):
        Nearest(library).sample(3, x, y, 0)


def test_evolution_begins_with_the_zoo_and_lowers_the_error(library):
    inputs = min(library.networks)
    x, y = rows(inputs)
    evolution = Evolution(library)
    first = evolution.sample(4, x, y, 0)
    assert all(any(graph is other for other in library.networks[inputs]) for graph in first)
    before = evolution.population[0][0]
    drawn = evolution.sample(90, x, y, 1)
    errors = [error for error, _ in evolution.population]
    assert len(drawn) == 90
    assert all(is_valid(graph) for graph in drawn)
    assert len(errors) == POPULATION
    assert errors == sorted(errors)
    assert errors[0] < before


def test_evolution_follows_its_seed(library):
    x, y = rows(min(library.networks))
    one, two = (Evolution(library).sample(40, x, y, 3) for _ in range(2))
    assert all(torch.equal(a.state, b.state) for a, b in zip(one, two, strict=True))


def test_each_layer_of_a_child_comes_from_one_of_its_parents():
    x, y = rows(5)
    one = Random().sample(1, x, y, 1)[0]
    other = NetGraph(one.architecture, initialize(one.architecture, generator(2)))
    child = offspring(one, other, 0.0, generator(4))
    for tensor in one.architecture.tensors:
        inside = slice(tensor.offset, tensor.offset + tensor.size)
        assert any(torch.equal(child.state[inside], parent.state[inside]) for parent in (one, other))
    assert not torch.equal(child.state, one.state)
    assert not torch.equal(child.state, other.state)


def test_noise_is_relative_to_each_layer_and_leaves_running_statistics_alone():
    layers = (make_layer("Input", (), 40), make_layer("Linear", (0,), 50), make_layer("BatchNorm1d", (1,), 50))
    architecture = Architecture((*layers, make_layer("Linear", (2,), 1)))
    graph = NetGraph(architecture, initialize(architecture, generator()))
    changed = offspring(graph, graph, 0.1, generator()).state - graph.state
    for tensor in architecture.tensors:
        inside = slice(tensor.offset, tensor.offset + tensor.size)
        if tensor.kind in ("edge", "bias") and tensor.layer == 1:
            assert float(changed[inside].std() / graph.state[inside].std()) == pytest.approx(0.1, rel=0.3)
        elif tensor.kind not in ("edge", "bias"):
            assert not changed[inside].any()

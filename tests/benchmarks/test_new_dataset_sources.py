import pytest
import torch
from netgraph.search.projection import Projection
from netgraph.search.running import outputs, predict
from netgraph.search.sources import random_networks
from new_dataset_sources import POPULATION, Evolution, InOrder, Projected, cross, mutate, with_inputs

from netgraph import NetGraph
from netgraph.evaluation.metrics import is_valid
from netgraph.graph.architecture import Architecture, make_layer
from netgraph.search.data import Data
from netgraph.zoo import ZooRecipe
from netgraph.zoo.architectures import initialize

RECIPE = ZooRecipe.load("full").architectures


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_random_networks_are_as_many_as_asked_and_follow_their_seed():
    networks = random_networks(RECIPE, 7, 20, 3)
    assert {graph.architecture.n_inputs for graph in networks} == {7}
    assert len({graph.architecture.digest for graph in networks}) > 5
    for one, other in zip(networks, random_networks(RECIPE, 7, 20, 3), strict=True):
        assert one.architecture == other.architecture
        assert torch.equal(one.state, other.state)


def test_an_input_of_weight_0_changes_nothing_and_a_cut_one_counts_as_0():
    graph = next(g for g in random_networks(RECIPE, 4, 30, 0) if with_inputs(g, 6) is not None)
    x = torch.randn(9, 6, generator=generator())
    wide, narrow = with_inputs(graph, 6), with_inputs(graph, 2)
    assert torch.allclose(predict(wide, x), predict(graph, x[:, :4]), atol=1e-6)
    cut = torch.cat([x[:, :2], torch.zeros(9, 2)], dim=1)
    assert torch.allclose(predict(narrow, x[:, :2]), predict(graph, cut), atol=1e-6)
    assert with_inputs(graph, 4) is graph


def test_a_network_whose_inputs_join_something_cannot_be_padded():
    layers = (make_layer("Input", (), 2), make_layer("Linear", (0,), 2), make_layer("Add", (1, 0), 2))
    architecture = Architecture((*layers, make_layer("Linear", (2,), 1)))
    assert with_inputs(NetGraph(architecture, initialize(architecture, generator())), 3) is None


def test_networks_in_order_come_one_after_the_other():
    networks = random_networks(RECIPE, 3, 5, 0)
    source = InOrder(networks)
    assert [id(graph) for n in (2, 4) for graph in source.draw(n, 0)] == [id(networks[i]) for i in (0, 1, 2, 3, 4, 0)]


def test_each_layer_of_a_child_comes_from_one_of_its_parents():
    one = random_networks(RECIPE, 5, 1, 1)[0]
    other = NetGraph(one.architecture, initialize(one.architecture, generator(2)))
    child = cross(one, other, generator(4))
    for tensor in one.architecture.tensors:
        inside = slice(tensor.offset, tensor.offset + tensor.size)
        assert any(torch.equal(child.state[inside], parent.state[inside]) for parent in (one, other))
    assert not torch.equal(child.state, one.state)
    assert not torch.equal(child.state, other.state)


def test_mutation_is_relative_to_each_layer_and_leaves_running_figures_alone():
    layers = (make_layer("Input", (), 40), make_layer("Linear", (0,), 50), make_layer("BatchNorm1d", (1,), 50))
    architecture = Architecture((*layers, make_layer("Linear", (2,), 1)))
    graph = NetGraph(architecture, initialize(architecture, generator()))
    changed = mutate(graph, 0.1, generator()).state - graph.state
    for tensor in architecture.tensors:
        inside = slice(tensor.offset, tensor.offset + tensor.size)
        if tensor.slot.kind in ("edge", "bias") and tensor.layer == 1:
            share = changed[inside].std() / graph.state[inside].std()
            assert float(share) == pytest.approx(0.1, rel=0.3)
        elif tensor.slot.kind not in ("edge", "bias"):
            assert not changed[inside].any()


def test_evolution_begins_with_the_seeds_and_lowers_what_it_is_told():
    seeds = random_networks(RECIPE, 3, 100, 0)
    target, x = seeds[0], torch.randn(50, 3, generator=generator())
    source = Evolution(seeds[1:], RECIPE, generator())

    def errors(networks):
        return torch.tensor([float((predict(graph, x) - predict(target, x)).square().mean()) for graph in networks])

    known, first, found = {id(graph) for graph in seeds}, [], []
    for round_number in range(12):
        drawn = source.draw(32, round_number)
        assert all(is_valid(graph) and graph.architecture.n_inputs == 3 for graph in drawn)
        told = errors(drawn)
        (first if id(drawn[0]) in known else found).append(float(told.min()))
        told[0] = float("inf")
        source.learn(told)
    assert len(first) == POPULATION // 32
    assert len(source.population) == POPULATION
    assert min(found) < 0.5 * min(first)
    assert [error for error, _ in source.population] == sorted(error for error, _ in source.population)


def test_evolution_is_the_same_again():
    seeds = random_networks(RECIPE, 3, 10, 0)
    runs = []
    for _ in range(2):
        source = Evolution(seeds, RECIPE, generator())
        for number in range(3):
            drawn = source.draw(8, number)
            source.learn(torch.arange(8.0))
        runs.append(drawn)
    for one, other in zip(*runs, strict=True):
        assert torch.equal(one.state, other.state)


def test_networks_that_read_projections_read_all_columns_behind_them():
    x = torch.randn(60, 40, generator=generator())
    networks, data = random_networks(RECIPE, 16, 5, 0), Data(x, x[:, 0])
    projection = Projection(data, 16)
    source = Projected(InOrder(networks), projection)
    drawn = source.draw(4, 0)
    assert source.batch == InOrder.batch
    assert {graph.architecture.n_inputs for graph in drawn} == {40}
    expected = outputs(networks[:4], projection.data(data).x)
    torch.testing.assert_close(outputs(drawn, data.x), expected, rtol=1e-3, atol=1e-4)
    source.learn(torch.zeros(4))


def test_projected_networks_are_made_again_for_rows_as_the_source_reads_them():
    x = torch.randn(60, 40, generator=generator())
    data = Data(x, x[:, 0])
    projection, asked = Projection(data, 16), []

    class Remade(InOrder):
        remakes = True

        def again(self, parts):
            asked.extend(part.x.shape for part in parts)
            return [self.networks for _ in parts]

    source = Projected(Remade(random_networks(RECIPE, 16, 3, 0)), projection)
    assert source.remakes
    (again,) = source.again([data.rows(range(20))])
    assert asked == [(20, 16)]
    assert [graph.architecture.n_inputs for graph in again] == [40] * 3

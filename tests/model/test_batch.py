import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from netgraph import NetGraph, NetGraphError, from_module
from netgraph.model import VAEConfig
from netgraph.model.batch import CHUNK, architecture_batch, by_size, net_batch
from netgraph.stack import Stack
from netgraph.zoo.architectures import ArchitectureRecipe, draw_architecture
from tests.strategies import examples, graphs

CONFIG = VAEConfig(width=16, heads=2, max_nodes=200, max_fan=60, n_rows=32)


def small(found: list[NetGraph]) -> list[NetGraph]:
    """Networks as float32, with a sensitivity."""
    kept = [g for g in found if g.architecture.n_inputs <= CONFIG.max_inputs and g.num_nodes <= CONFIG.max_nodes]
    return [NetGraph(g.architecture, g.state.float(), torch.rand(g.num_nodes)) for g in kept]


lists = st.lists(graphs(), min_size=1, max_size=4).map(small).filter(bool)


def tensors(part: object) -> dict[str, Tensor]:
    return {name: value for name, value in vars(part).items() if isinstance(value, Tensor)}


@examples(10)
@given(lists)
def test_packing_keeps_every_number(found):
    batch = net_batch(found, CONFIG, torch.rand(len(found), 37))
    again = batch.packed().unpacked().to(torch.device("cpu"))
    for part, other in ((batch, again), (batch.structure, again.structure)):
        for name, value in tensors(part).items():
            assert torch.equal(value.nan_to_num(), getattr(other, name).nan_to_num()), name
            assert value.dtype == getattr(other, name).dtype
    assert all(value.dtype != torch.int64 for value in tensors(batch.packed().structure).values())


@examples(10)
@given(lists)
def test_a_batch_is_its_networks_side_by_side(found):
    batch = net_batch(found, CONFIG)
    structure, nodes = batch.structure, 0
    for i, graph in enumerate(found):
        first, end = structure.state_ptr[i : i + 2].tolist()
        key = graph.architecture
        assert torch.equal(batch.state[first:end], graph.state)
        assert torch.equal(batch.sensitivity[first:end], graph.sensitivity[torch.from_numpy(key.element_target)])
        alone = net_batch([graph], CONFIG)
        count = int((alone.structure.nodes[0, :, 0] >= 0).sum())
        assert torch.equal(structure.nodes[i, :count], alone.structure.nodes[0])
        assert torch.equal(batch.token_node[i, :count] - nodes, alone.token_node[0])
        shifted = structure.elements[i, :count]
        assert torch.equal(torch.where(shifted < 0, -1, shifted - first), alone.structure.elements[0])
        assert structure.counts[i].tolist() == [key.n_inputs, key.n_outputs]
        nodes += key.num_nodes


@examples(10)
@given(lists)
def test_edges_are_those_of_the_graphs(found):
    batch = net_batch(found, CONFIG)
    weight = torch.cat([batch.state, torch.zeros(1)])[batch.edge_element]
    edges, nodes = 0, 0
    for graph in found:
        part = slice(edges, edges + graph.num_edges)
        assert torch.equal(batch.edge_index[:, part] - nodes, graph.edge_index)
        real = batch.edge_element[part] >= 0
        assert torch.equal(real, torch.from_numpy(graph.architecture.edge_element >= 0))
        assert torch.equal(weight[part][real], graph.state[graph.architecture.edge_element[real.numpy()]])
        assert torch.equal(batch.node_type[nodes : nodes + graph.num_nodes], graph.layer_type)
        edges, nodes = edges + graph.num_edges, nodes + graph.num_nodes


def test_outputs_are_those_on_the_common_rows_whoever_runs_them():
    found = [from_module(nn.Sequential(nn.Linear(i, 4), nn.Tanh(), nn.Linear(4, 1))) for i in (2, 3)]
    stack = Stack([graph.architecture for graph in found])
    one, two = net_batch(found, CONFIG), net_batch(found, CONFIG, stack=stack)
    assert torch.equal(one.outputs, two.outputs)
    torch.testing.assert_close(net_batch(found[1:], CONFIG).outputs, one.outputs[1:])
    assert one.outputs.shape == (2, CONFIG.n_rows, 1)


def test_networks_without_meta_features_have_none_and_too_large_ones_are_named():
    graph = from_module(nn.Linear(5, 1))
    assert net_batch([graph], CONFIG).meta_features.isnan().all()
    narrow = VAEConfig(max_fan=4)
    with pytest.raises(NetGraphError, match="a node with 5 weights; this model encodes at most 4"):
        net_batch([graph], narrow)
    assert architecture_batch([graph.architecture], narrow).elements.shape == (1, 6, 5)
    with pytest.raises(NetGraphError, match="a network with 6 nodes; this model handles at most 5"):
        architecture_batch([graph.architecture], VAEConfig(max_nodes=5))


def test_parts_are_of_similar_size_and_every_network_has_its_place():
    recipe, generator = ArchitectureRecipe(), torch.Generator().manual_seed(0)
    architectures = [draw_architecture(recipe, 3, generator) for _ in range(CHUNK + 9)]
    parts = by_size(architectures)
    assert [len(part) for part in parts] == [CHUNK, 9]
    laid = [i for part in parts for i in part]
    assert sorted(laid) == list(range(len(architectures)))
    sizes = [architectures[i].num_nodes for i in laid]
    assert sizes == sorted(sizes)

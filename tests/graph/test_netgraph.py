import copy
from dataclasses import replace

import networkx as nx
import pytest
import torch
from hypothesis import given
from torch import nn
from torch_geometric.data import Batch
from torch_geometric.loader import DataLoader
from torch_geometric.utils import to_networkx

from netgraph import NetGraph, NetGraphError, from_module
from netgraph.graph import Architecture, make_layer
from netgraph.graph.io import load_graphs, save_graphs
from tests.strategies import examples, graphs


def example() -> NetGraph:
    return from_module(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)))


@examples(40)
@given(graphs())
def test_edges_run_forward_and_are_sorted(graph):
    source, target = graph.edge_index
    assert (source < target).all()
    order = (target * graph.num_nodes + source).diff()
    assert (order >= 0).all()
    assert graph.validate()
    fed = graph.parent >= 0
    assert ((graph.layer_type == 3) == ~fed).all()


def test_dense_connectivity_is_held_once():
    graph = from_module(nn.Linear(1000, 1000))
    assert graph.state.numel() == 1000 * 1001
    assert set(graph._store._mapping) == {"architecture", "state", "sensitivity", "num_nodes"}


def test_batches_keep_index_and_parent_and_shift_edges():
    graph = example()
    (batch,) = DataLoader([graph, graph], batch_size=2)
    n = graph.num_nodes
    assert torch.equal(batch.index, graph.index.repeat(2))
    assert torch.equal(batch.parent, graph.parent.repeat(2))
    assert torch.equal(batch.edge_index[:, graph.num_edges :], graph.edge_index + n)
    again = batch.get_example(1)
    assert again.architecture == graph.architecture
    assert torch.equal(again.state, graph.state)
    assert torch.equal(again.edge_index, graph.edge_index)


def test_networkx_and_copies():
    graph = example()
    network = to_networkx(graph, node_attrs=["layer_type", "bias"], edge_attrs=["edge_weight"])
    assert nx.is_directed_acyclic_graph(network)
    assert network.number_of_edges() == graph.num_edges
    clone = graph.clone()
    clone.state += 1
    assert not torch.equal(clone.edge_weight, graph.edge_weight)
    assert torch.equal(copy.copy(graph).to("cpu").edge_weight, graph.edge_weight)
    assert Batch.from_data_list([graph]).num_graphs == 1


def test_expanded_attributes_cannot_be_set():
    with pytest.raises(NetGraphError, match="edge_weight"):
        example().edge_weight = torch.zeros(3)


def _with_layer(graph: NetGraph, position: int, **changes) -> NetGraph:
    layers = list(graph.architecture.layers)
    layers[position] = replace(layers[position], **changes)
    out = copy.copy(graph)
    out.architecture = Architecture(tuple(layers))
    return out


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (_with_layer(example(), 1, inputs=(2,)), "not all earlier"),
        (_with_layer(example(), 2, size=5), "size 5"),
        (_with_layer(example(), 2, inputs=(0, 1)), "operands"),
        (_with_layer(example(), 3, inputs=(1,)), "feeds nothing"),
        (example().replace(state=torch.full((21,), float("nan"))), "NaN"),
    ],
    ids=["cycle", "size", "arity", "loose", "nan"],
)
def test_validate_names_what_is_wrong(broken, message):
    assert not broken.validate(raise_on_error=False)
    with pytest.raises(NetGraphError, match=message):
        broken.validate()


def test_wrong_lengths_are_refused():
    architecture = example().architecture
    with pytest.raises(NetGraphError, match="state has shape"):
        NetGraph(architecture, torch.zeros(3))
    with pytest.raises(NetGraphError, match="sensitivity has shape"):
        NetGraph(architecture, torch.zeros(21), torch.zeros(2))
    with pytest.raises(NetGraphError, match="unknown layer type"):
        make_layer("Conv9d", (0,), 3)


@examples(10)
@given(graphs())
def test_files_keep_graphs(tmp_path_factory, graph):
    path = tmp_path_factory.mktemp("graphs") / "g.safetensors"
    save_graphs([graph, graph], path)
    loaded = load_graphs(path)
    assert loaded[0].architecture is loaded[1].architecture
    assert loaded[1].architecture == graph.architecture
    assert torch.equal(loaded[1].state, graph.state)
    with pytest.raises(NetGraphError, match="no such file"):
        load_graphs(path.with_name("absent"))

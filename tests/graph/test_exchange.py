"""Graphs of networkx and files hold whole networks, of any kind, bit for bit."""

import json

import networkx as nx
import pytest
import torch
from hypothesis import given
from torch import nn
from torch_geometric.data import Batch

from netgraph import NetGraph, NetGraphError, from_module, to_module
from netgraph.graph import save_graphs
from netgraph.graph.modules.files import to_graphml
from tests.graph.zoo_of_modules.exact import prepared
from tests.graph.zoo_of_modules.test_attention import GPT
from tests.graph.zoo_of_modules.test_sequences import NETWORKS
from tests.strategies import examples, graphs, randomize


class Doubled(nn.Module):
    """Two edges from each input to each output."""

    def forward(self, x):
        return x + x


def double():
    return from_module(nn.Sequential(nn.Linear(2, 2), Doubled()))


def assert_same(again, graph):
    assert again.architecture == graph.architecture
    for key in ("state", "sensitivity", "other_state"):
        assert torch.equal(again[key].nan_to_num(-1), graph[key].nan_to_num(-1))


@examples(30)
@given(graphs())
def test_feed_forward_networks_go_through_networkx(graph):
    graph = graph.replace(sensitivity=torch.rand(graph.num_nodes, dtype=graph.state.dtype))
    network = graph.to_networkx()
    assert network.number_of_edges() == graph.num_edges
    assert nx.is_directed_acyclic_graph(network)
    assert_same(NetGraph.from_networkx(network), graph)


def general():
    yield "convolution", from_module(randomize(nn.Conv2d(2, 3, 3), 0), torch.zeros(1, 2, 5, 5))
    yield "tied", from_module(prepared(GPT()), torch.zeros(2, 6, dtype=torch.long))
    for name in ("LSTM tagger", "neural process"):
        build, example = NETWORKS[name]
        yield name, from_module(prepared(build()), example)


@pytest.mark.parametrize("graph", [pytest.param(graph, id=name) for name, graph in general()])
def test_general_networks_go_through_networkx_and_its_json(graph):
    network = graph.to_networkx()
    assert_same(NetGraph.from_networkx(network), graph)
    text = json.dumps(nx.node_link_data(network, edges="edges"))
    assert_same(NetGraph.from_networkx(nx.node_link_graph(json.loads(text), edges="edges")), graph)


def test_attributes_say_layers_and_weights():
    graph = from_module(randomize(nn.Sequential(nn.Linear(2, 2), nn.Tanh()), 0))
    network = graph.to_networkx()
    assert [network.nodes[i]["layer"] for i in range(6)] == ["input_1", "input_1", "0", "0", "1", "1"]
    assert network.nodes[2] == {"type": "Linear", "layer": "0", "parent": 0, "bias": graph.bias[2].item()}
    assert network.edges[0, 2, 0] == {"weight": graph.edge_weight[0].item(), "structural": False}
    assert network.edges[2, 4, 0] == {"weight": 1.0, "structural": True}
    assert network.nodes[0].keys() == {"type", "layer", "parent", "bias"}
    unnamed = NetGraph(graph.architecture.key, graph.state).to_networkx()
    assert unnamed.nodes[2]["layer"] == "Linear_1"


def test_parallel_edges_stay_apart():
    graph = double()
    network = graph.to_networkx()
    assert network.number_of_edges(2, 4) == 2
    assert network.number_of_edges() == graph.num_edges == 8
    assert nx.parse_graphml(to_graphml(graph)).number_of_edges() == 8
    assert_same(NetGraph.from_networkx(network), graph)


def test_changed_numbers_are_read():
    graph = double()
    network = graph.to_networkx()
    network.edges[0, 2, 0]["weight"], network.nodes[2]["bias"], network.nodes[5]["sensitivity"] = 2.0, 3.0, 0.25
    changed = NetGraph.from_networkx(network)
    assert to_module(changed)(torch.tensor([[1.0, 0.0]]))[0, 0] == 10
    assert changed.sensitivity[5] == 0.25
    assert changed.sensitivity[:5].isnan().all()


WRONG = {
    "node more": (lambda G: G.add_node(9), "node 9 belongs to no layer, whose nodes are 0 to 5"),
    "node less": (lambda G: G.remove_node(4), "node 4 is missing"),
    "edge more": (lambda G: G.add_edge(0, 5), r"edge \(0, 5\) is of no layer"),
    "edge less": (lambda G: G.remove_edge(3, 5, 0), r"edge \(3, 5\) is missing"),
    "last edge": (lambda G: G.remove_edges_from([(3, 5, 0), (3, 5, 1)]), r"edge \(3, 5\) is missing"),
    "structural": (lambda G: G.edges[2, 4, 0].update(weight=2.0), r"edge 4 \(2 to 4\) is structural"),
    "no weight": (lambda G: G.edges[0, 2, 0].clear(), "not a record of a network: no 'weight'"),
    "text": (lambda G: G.nodes[0].update(bias="much"), "not a record of a network"),
    "no record": (lambda G: G.graph.clear(), "expected a MultiDiGraph of graph.to_networkx"),
    "record": (lambda G: G.graph["netgraph"].pop("architecture"), "no 'architecture'"),
    "state": (lambda G: G.graph["netgraph"]["state"].pop(), "state has shape"),
    "layers": (lambda G: G.graph["netgraph"]["architecture"].update(layers=[]), "opens with its Input"),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG)
def test_other_graphs_are_refused_in_one_line(change, message):
    network = double().to_networkx()
    change(network)
    with pytest.raises(NetGraphError, match=message) as caught:
        NetGraph.from_networkx(network)
    assert "\n" not in str(caught.value)


def test_anything_else_is_refused():
    for value in (nx.DiGraph(double().to_networkx()), None, double()):
        with pytest.raises(NetGraphError, match="expected a MultiDiGraph"):
            NetGraph.from_networkx(value)
    batch = Batch.from_data_list([double(), double()])
    for call in (batch.to_networkx, batch.edit, lambda: batch.save("never.safetensors")):
        with pytest.raises(NetGraphError, match="expected one NetGraph, got a Batch"):
            call()


def test_files_hold_one_network(tmp_path):
    for graph in (double().replace(sensitivity=torch.rand(6)), dict(general())["LSTM tagger"]):
        graph.save(tmp_path / "network.safetensors")
        assert_same(NetGraph.load(tmp_path / "network.safetensors"), graph)
    save_graphs([double(), double()], tmp_path / "two.safetensors")
    with pytest.raises(NetGraphError, match=r"two\.safetensors: holds 2 networks; netgraph\.graph\.load_graphs"):
        NetGraph.load(tmp_path / "two.safetensors")
    with pytest.raises(NetGraphError, match="has no record"):
        NetGraph.load(tmp_path / "absent.safetensors")
    for save in (graph.save, lambda path: save_graphs([graph], path)):
        with pytest.raises(NetGraphError, match=r"network\.pt: is written as \.safetensors; give a name that ends so$"):
            save(tmp_path / "network.pt")

"""Wherever networks are asked for, anything else ends in one line that says what was asked for and what was given."""

import pytest
import torch
from torch import Generator, nn
from torch_geometric.data import Batch, Data

from netgraph import (
    NetGraph,
    NetGraphError,
    canonicalize,
    detokenize,
    from_module,
    metrics,
    plot,
    prune,
    sensitivity,
    to_module,
    to_onnx,
    to_source,
    tokenize,
    with_sensitivity,
)
from netgraph.evaluation import evaluate_samples, health
from netgraph.evaluation.probes import weight_statistics
from netgraph.graph import module_sensitivity
from netgraph.graph.io import save_graphs
from netgraph.graph.modules.files import to_graphml, to_json
from netgraph.graph.read_module import example_of, generalize
from netgraph.zoo import random_like
from tests.model.small import untrained
from tests.strategies import randomize

X = torch.zeros(4, 3)
GRAPH = from_module(randomize(nn.Linear(3, 1), 0))
BATCH = Batch.from_data_list([GRAPH, GRAPH])
ONE = {
    "canonicalize": canonicalize,
    "to_source": to_source,
    "to_onnx": lambda graph: to_onnx(graph, "never.onnx"),
    "sensitivity": lambda graph: sensitivity(graph, X),
    "with_sensitivity": lambda graph: with_sensitivity(graph, X),
    "module_sensitivity": lambda graph: module_sensitivity(graph, X),
    "plot": plot.draw,
    "to_json": to_json,
    "to_graphml": to_graphml,
    "is_valid": metrics.is_valid,
    "prune": lambda graph: prune(graph, []),
}
#: What takes a graph alone.
GRAPH_ALONE = {"to_module": to_module, "generalize": generalize, "example_of": example_of}
SEVERAL = {
    "tokenize": tokenize,
    "save_graphs": lambda graphs: save_graphs(graphs, "never.safetensors"),
    "random_like": lambda graphs: random_like(graphs, Generator()),
}
#: What takes one network as well as several.
METRICS = {
    "validity": metrics.validity,
    "uniqueness": metrics.uniqueness,
    "novelty": lambda graphs: metrics.novelty(graphs, GRAPH),
    "behavior": metrics.behavior,
    "edge_f1": lambda graphs: metrics.edge_f1(graphs, graphs),
    "output_r2": lambda graphs: metrics.output_r2(graphs, GRAPH, X),
    "nearest_distance": lambda graphs: metrics.nearest_distance(GRAPH, graphs),
    "health": health,
    "shape_aucs": lambda graphs: metrics.shape_aucs(graphs, graphs, graphs, Generator()),
    "weight_statistics": weight_statistics,
    "evaluate_samples": lambda graphs: evaluate_samples(graphs, graphs, graphs, Generator()),
}
STRANGE = {
    "batch": BATCH,
    "data": Data(x=X),
    "empty": NetGraph(),
    "tensor": X,
    "None": None,
    "number": 3,
    "text": "graph.safetensors",
    "architecture": GRAPH.architecture,
}


def assert_one_line(call, given, message):
    with pytest.raises(NetGraphError, match=message) as caught:
        call(given)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("call", [*ONE.values(), *GRAPH_ALONE.values()], ids=[*ONE, *GRAPH_ALONE])
def test_one_network_is_asked_for(call):
    for given in (*STRANGE.values(), [GRAPH], []):
        assert_one_line(call, given, "expected one NetGraph, got ")


@pytest.mark.parametrize("call", [*SEVERAL.values(), *METRICS.values()], ids=[*SEVERAL, *METRICS])
def test_several_networks_are_asked_for(call):
    for given in STRANGE.values():
        assert_one_line(call, given, "expected (a list of networks|one NetGraph), got ")
    assert_one_line(call, [GRAPH, X], "item 1: expected one NetGraph, got Tensor")
    assert_one_line(call, [BATCH], "item 0: .*to_data_list")


@pytest.mark.parametrize("call", SEVERAL.values(), ids=SEVERAL)
def test_one_network_is_no_list(call):
    assert_one_line(call, GRAPH, "expected a list of networks, got one NetGraph; put it in a list")
    for module in (nn.Linear(3, 1), nn.Sequential(nn.Linear(3, 1), nn.Linear(1, 1))):  # the latter can be iterated
        assert_one_line(call, module, "expected a list of networks, got one module; put it in a list")


@pytest.mark.parametrize("call", GRAPH_ALONE.values(), ids=GRAPH_ALONE)
def test_a_module_is_no_graph(call):
    assert_one_line(call, nn.Linear(3, 1), "expected one NetGraph, got Linear; from_module converts it")


def test_a_module_stands_for_its_graph(tmp_path):
    module = nn.Sequential(randomize(nn.Linear(3, 1), 0))
    graph = from_module(module)
    for call in (to_source, to_json, to_graphml, metrics.is_valid, metrics.validity):
        assert call(module) == call(graph)
    assert canonicalize(module).architecture == graph.architecture
    assert torch.equal(with_sensitivity(module, X).sensitivity, sensitivity(graph, X))
    assert torch.equal(tokenize([module, graph]).weight[0], tokenize([graph]).weight[0])
    save_graphs([module], tmp_path / "network.safetensors")
    assert NetGraph.load(tmp_path / "network.safetensors").architecture == graph.architecture
    assert prune(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1)), [3]).num_nodes == 7


def test_a_module_that_needs_an_example_is_named():
    module = nn.Sequential(nn.Conv1d(1, 2, 3), nn.Flatten())
    for call in (canonicalize, to_source, to_json, plot.draw, lambda module: tokenize([module])):
        assert_one_line(call, module, r"^\w+(, item 0)?: 0: Conv1d is not supported.*give example_input to from_module")
    x = torch.zeros(2, 1, 5)
    assert torch.equal(sensitivity(module, x), sensitivity(from_module(module, x), x))
    assert torch.equal(module_sensitivity(module, x), sensitivity(from_module(module, x), x))
    assert torch.equal(sensitivity(module, x.double().numpy()), sensitivity(module, x))


def test_networks_to_encode_are_graphs_or_modules_in_a_list():
    vae = untrained()
    module, expected = randomize(nn.Linear(3, 1), 0), vae.encode([GRAPH])
    assert torch.equal(vae.encode([module]), expected)
    torch.testing.assert_close(vae.encode([GRAPH, module]), expected.expand(2, -1))
    for given in STRANGE.values():
        assert_one_line(vae.encode, given, "expected (a list of graphs or modules|one NetGraph), got ")
        assert_one_line(vae.encode, [GRAPH, given], "network 1: expected one NetGraph, got ")
    assert_one_line(vae.encode, GRAPH, "expected a list of graphs or modules, got NetGraph; put it in a list")


def test_token_streams_are_no_list_of_networks():
    assert_one_line(detokenize, [GRAPH], "expected a TokenBatch, got list")


def test_a_metric_takes_one_network():
    assert metrics.validity(GRAPH) == 1
    assert metrics.edge_f1(GRAPH, [GRAPH]) == 1
    assert tokenize(graph for graph in [GRAPH]).mask.shape[0] == 1

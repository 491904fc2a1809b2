"""Graphs and modules travel: pickled, copied, and read by a loader's other process."""

import copy
import io
import pickle

import joblib
import pytest
import torch
from torch import nn
from torch_geometric.loader import DataLoader

from netgraph import NetGraph, from_module, to_module
from tests.strategies import randomize


def pickled(value):
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - bytes of this very test


def saved(value):
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


def dumped(value):
    file = io.BytesIO()
    joblib.dump(value, file)
    file.seek(0)
    return joblib.load(file)


COPIES = {"pickle": pickled, "torch.save": saved, "joblib": dumped, "deepcopy": copy.deepcopy, "copy": copy.copy}


def dense() -> NetGraph:
    return from_module(randomize(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)), 0))


def convolution() -> NetGraph:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(36, 2))
    return from_module(randomize(module, 0), torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(0)))


def recurrent() -> NetGraph:
    return from_module(randomize(nn.LSTM(3, 2), 0), torch.zeros(2, 1, 3))


def attention() -> NetGraph:
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    return from_module(randomize(layer, 0), torch.zeros(2, 3, 4))


KINDS = {"dense": dense, "convolution": convolution, "recurrent": recurrent, "attention": attention}
FIELDS = ("layer_type", "index", "parent", "bias", "edge_index", "edge_weight", "structural")


def read(graph: NetGraph) -> NetGraph:
    """Read everything that is kept when it has been computed once."""
    for key in FIELDS:
        getattr(graph, key)
    hash(graph.architecture)
    return graph


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("build", KINDS.values(), ids=KINDS)
def test_a_copied_graph_is_the_same(build, copied):
    graph = read(build())
    other = copied(graph)
    assert other.architecture == graph.architecture
    assert all(torch.equal(other[key], graph[key]) for key in ("state", *FIELDS))
    assert other.validate()


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("build", KINDS.values(), ids=KINDS)
def test_a_copied_module_has_the_same_state(build, copied):
    module = to_module(read(build()))
    state = copied(module).state_dict()
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())


@pytest.mark.parametrize("build", KINDS.values(), ids=KINDS)
def test_a_loader_with_another_process_gives_the_same_batches(build):
    graphs = [read(build()), build()]
    (expected,), (batch,) = (DataLoader(graphs, batch_size=2, num_workers=n) for n in (0, 1))
    for key in ("state", *FIELDS):
        assert torch.equal(batch[key], expected[key]), key
    for i, graph in enumerate(batch.to_data_list()):
        assert graph.architecture == graphs[i].architecture
        assert torch.equal(graph.edge_index, graphs[i].edge_index)


@pytest.mark.parametrize("build", [dense, convolution])
def test_a_pickled_architecture_holds_its_fields_alone(build):
    architecture = read(build()).architecture
    assert len(vars(architecture)) > len(vars(pickled(architecture)))
    assert "_hash" not in vars(pickled(architecture)), "the hash of a string is another in the next process"
    assert copy.deepcopy(architecture) is architecture

"""What is expanded cannot be changed in silence, costs nothing until it is read, and PyG's verbs are right or raise."""

import copy
import pickle

import numpy as np
import pytest
import torch
import torch_geometric.transforms as T
from torch import nn
from torch_geometric.data import Batch, Data, InMemoryDataset

from netgraph import NetGraph, NetGraphError, from_module, to_module
from netgraph.graph.storage import EXPANDED, Storage
from tests.strategies import randomize


def dense() -> NetGraph:
    return from_module(randomize(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)), 0))


def general(kernel: int = 3) -> NetGraph:
    return from_module(randomize(nn.Sequential(nn.Conv1d(1, 2, kernel), nn.ReLU()), 0), torch.zeros(1, 1, 5))


KINDS = {"dense": dense, "general": general}
each_kind = pytest.mark.parametrize("build", KINDS.values(), ids=KINDS)


def zero_first(tensor):
    tensor[0] = 0


def add(tensor):
    tensor += 1


def set_data(tensor):
    tensor.data = torch.zeros(3)


CHANGES = {
    "item": zero_first,
    "slice": lambda tensor: tensor[:2].zero_(),
    "operator": add,
    "method": lambda tensor: tensor.add_(1),
    "fill": lambda tensor: tensor.fill_(1),
    "view": lambda tensor: zero_first(tensor.view(-1)),
    "unbound": lambda tensor: zero_first(tensor.flatten().split(2)[0]),
    "element": lambda tensor: tensor[..., 0].zero_(),
    "detached": lambda tensor: zero_first(tensor.detach()),
    "data": lambda tensor: zero_first(tensor.data),
    "set data": set_data,
    "out": lambda tensor: torch.add(tensor, 1, out=tensor),
    "inplace": lambda tensor: nn.functional.relu(tensor, inplace=True),
    "foreach": lambda tensor: torch._foreach_add_([tensor], 1),
    "init": lambda tensor: nn.init.zeros_(tensor),
    "copy": lambda tensor: tensor.copy_(torch.zeros_like(tensor)),
}


@each_kind
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_a_change_of_an_expanded_field_raises_and_says_how(build, change, mode):
    graph, untouched = build(), build()
    for key in ("edge_weight", "bias", "layer_type", "edge_index", "parent", "index"):
        with mode(), pytest.raises(NetGraphError, match=rf"^{key} is expanded.*graph.tensor.*graph.replace"):
            change(getattr(graph, key))
    assert all(torch.equal(graph[key], untouched[key]) for key in ("state", *EXPANDED))


@each_kind
def test_numpy_refuses_what_shares_memory(build):
    graph = build()
    for array in (graph.bias.numpy(), np.asarray(graph.edge_index), graph.edge_weight.detach().numpy()):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    graph.bias.numpy().copy()[0] = 0
    graph.bias.clone().numpy()[0] = 0


@each_kind
def test_what_is_computed_of_an_expanded_field_is_a_plain_tensor(build):
    graph = build()
    weight = graph.edge_weight
    for made in (weight * 2, weight.clone(), weight[torch.tensor([0])], copy.deepcopy(weight), torch.cat([weight] * 2)):
        assert type(made) is torch.Tensor
        made.zero_()
    assert type(pickle.loads(pickle.dumps(weight))) is torch.Tensor  # noqa: S301 - bytes of this very test
    assert f"{graph.bias[0]:.1f}" == "0.0"
    assert repr(weight).startswith("tensor(")
    assert torch.equal(torch.func.grad(lambda factor: (factor * weight).sum())(torch.ones(())), weight.sum())


@each_kind
def test_gradients_reach_the_state(build):
    graph = build()
    graph.state.requires_grad_()
    graph.edge_weight.square().sum().backward()
    graph.bias.sum().backward()
    assert int((graph.state.grad != 0).sum()) == graph.state.numel()
    with torch.no_grad():
        assert not graph.edge_weight.requires_grad


@each_kind
def test_the_ways_that_the_error_names_work(build):
    graph = build()
    tensor = graph.architecture.tensors[0]
    graph.tensor(tensor).fill_(7)
    assert bool((graph.edge_weight == 7).any())
    assert bool((graph.replace(state=torch.full_like(graph.state, 3.0)).edge_weight == 3).any())
    plain = graph.to_data()
    plain.edge_weight[0] = 5
    plain.sensitivity[0] = 5
    plain.edge_index = torch.zeros(2, 1, dtype=torch.long)
    assert type(plain) is Data
    assert graph.num_edges > 1
    assert bool(graph.sensitivity.isnan().all())


WRONG = {
    "attribute": lambda graph: setattr(graph, "edge_index", graph.edge_index.flip(0)),
    "item": lambda graph: graph.__setitem__("bias", graph.bias + 1),
    "none": lambda graph: setattr(graph, "edge_weight", None),
    "other type": lambda graph: setattr(graph, "index", graph.index.int()),
    "update": lambda graph: graph.update({"edge_index": graph.edge_index[:, :1]}),
    "put": lambda graph: graph.put_tensor(torch.zeros(3), attr_name="bias", index=None),
    "put some": lambda graph: graph.put_tensor(torch.ones(1), attr_name="bias", index=torch.tensor([1])),
    "put edges": lambda graph: graph.put_edge_index((graph.parent, graph.index), layout="coo"),
    "delete": lambda graph: delattr(graph, "edge_index"),
    "delete item": lambda graph: graph.__delitem__("structural"),
    "delete state": lambda graph: delattr(graph, "state"),
    "remove": lambda graph: graph.remove_tensor(attr_name="bias", index=None),
    "remove edges": lambda graph: graph.remove_edge_index(layout="coo"),
    "pop": lambda graph: graph.pop("parent"),
    "clear": lambda graph: graph.clear(),
    "nodes": lambda graph: setattr(graph, "num_nodes", 2),
    "state": lambda graph: setattr(graph, "state", graph.state[1:]),
    "no state": lambda graph: setattr(graph, "state", None),
    "sensitivity": lambda graph: setattr(graph, "sensitivity", graph.sensitivity[1:]),
    "type": lambda graph: graph.to(torch.float64),
    "gradients": lambda graph: graph.requires_grad_("edge_weight"),
    "undirected": T.ToUndirected(),
    "loops": T.AddSelfLoops(),
    "links": T.RandomLinkSplit(),
    "normalize": T.NormalizeFeatures(["edge_weight"]),
    "line graph": T.LineGraph(),
    "virtual": T.VirtualNode(),
    "normalized edges": T.GCNNorm(),
    "padding": T.Pad(40, 60),
}


@each_kind
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_what_would_be_lost_raises_in_one_line(build, wrong):
    graph, untouched = build(), build()
    with pytest.raises(NetGraphError) as caught:
        wrong(graph)
    assert len(str(caught.value).splitlines()) == 1
    assert sorted(graph.keys()) == sorted(untouched.keys())
    assert all(torch.equal(graph[key], untouched[key]) for key in ("state", *EXPANDED))


@each_kind
def test_setting_what_is_there_and_other_fields_is_well(build):
    graph = build()
    graph.edge_index = graph.edge_index
    graph.num_nodes = graph.num_nodes
    graph.y = torch.ones(1)
    graph.update({"note": "x"})
    assert T.Constant()(graph).x.shape == (graph.num_nodes, 1)
    assert isinstance(T.NormalizeFeatures()(graph), NetGraph)
    del graph.y
    assert "y" not in graph
    assert torch.equal(graph.get("bias"), graph.bias)
    assert graph.get("absent", 3) == 3


@each_kind
def test_verbs_that_make_another_graph_give_a_plain_one(build):
    graph = build()
    plain = graph.to_data()
    assert torch.equal(plain.edge_weight, graph.edge_weight)
    chosen = torch.arange(graph.num_nodes - 1)
    part = graph.subgraph(chosen)
    kept = (graph.edge_index < graph.num_nodes - 1).all(dim=0)
    assert type(part) is Data
    assert torch.equal(part.edge_index, graph.edge_index[:, kept])
    assert torch.equal(part.bias, graph.bias[:-1])
    assert graph.edge_subgraph(torch.tensor([0])).edge_weight.shape[0] == 1
    assert sum(one.num_edges for one in graph.connected_components()) == graph.num_edges
    assert graph.concat(graph).num_edges == 2 * graph.num_edges
    assert torch.equal(graph.coalesce().edge_index, plain.coalesce().edge_index)
    assert graph.sort().is_sorted()
    assert graph.to_heterogeneous().num_edges == graph.num_edges
    assert T.ToUndirected()(plain).is_undirected()
    parts = T.RandomLinkSplit(is_undirected=False, num_val=0.25, num_test=0.25)(graph.to_data())
    assert sum(one.edge_label.sum() for one in parts) <= graph.num_edges


@each_kind
def test_conversions_keep_everything(build):
    graph = build()
    again = NetGraph.from_dict(graph.to_dict())
    assert all(torch.equal(again[key], graph[key]) for key in ("state", *EXPANDED))
    assert torch.equal(Data.from_dict(graph.to_dict()).edge_index, graph.edge_index)
    assert torch.equal(graph.to_namedtuple().edge_weight, graph.edge_weight)
    nan = graph.replace(state=torch.full_like(graph.state, float("nan")))
    assert torch.equal(Batch.from_data_list([graph, nan]).get_example(1).structural, graph.structural)
    assert (graph.to("cpu").clone().cpu().state == graph.state).all()


@each_kind
def test_a_batch_that_was_changed_gives_no_network(build):
    batch = Batch.from_data_list([build(), build()])
    assert T.ToUndirected()(batch).is_undirected()
    assert batch.get_example(0).validate()
    batch.edge_weight[0] = 7
    with pytest.raises(NetGraphError, match="edge_weight is expanded"):
        batch.get_example(0)


def test_batches_of_networks_that_do_not_go_together_are_refused():
    with pytest.raises(NetGraphError, match=r"exclude_keys=\['edge_weight'\]"):
        Batch.from_data_list([general(3), general(2)])
    batch = Batch.from_data_list([general(3), general(2)], exclude_keys=["edge_weight"])
    assert to_module(batch.get_example(1)).state_dict()["0.weight"].shape == (2, 1, 2)
    counted = from_module(nn.Sequential(nn.Conv1d(1, 2, 1), nn.BatchNorm1d(2)), torch.zeros(2, 1, 5))
    assert to_module(Batch.from_data_list([counted, dense()]).get_example(1)).state_dict().keys() == {
        "0.weight", "0.bias", "2.weight", "2.bias"
    }  # fmt: skip
    with pytest.raises(NetGraphError, match="batch feed-forward and general networks apart"):
        to_module(Batch.from_data_list([dense(), counted]).get_example(1))


@each_kind
def test_no_verb_expands_what_it_does_not_need(build, monkeypatch):
    graph = build()
    expected = (
        len(graph),
        sorted(graph.keys()),
        graph.edge_index.shape[1],
        graph.is_undirected(),
    )

    def expand(storage, key):
        raise AssertionError(f"{key} was expanded")

    monkeypatch.setattr(Storage, "_expand", expand)
    assert (len(graph), sorted(graph.keys()), graph.num_edges) == expected[:3]
    assert graph.size() == (graph.num_nodes, graph.num_nodes)
    assert "edge_index" in graph
    assert graph == graph
    assert not graph.is_cuda
    if graph.program is None:
        assert f"{graph.num_edges} edges" in repr(graph)
        assert graph.is_undirected() is expected[3]
    assert repr(graph).startswith("NetGraph(")
    for made in (
        graph.clone(),
        copy.copy(graph),
        copy.deepcopy(graph),
        graph.to("cpu"),
        graph.cpu(),
        graph.contiguous(),
    ):
        assert torch.equal(made.detach().state, graph.state)
        assert made.validate()
    graph.share_memory_()
    pickle.dumps(graph)


@pytest.mark.filterwarnings("ignore:Weights only load failed")
@each_kind
def test_a_dataset_in_memory_gives_its_graphs_back(build, tmp_path):
    class Networks(InMemoryDataset):
        def __init__(self):
            super().__init__(None)
            self.data, self.slices = self.collate([build(), build()])

    Networks.save([build(), build()], tmp_path / "networks.pt")
    read = Networks()
    read.load(tmp_path / "networks.pt")
    for graph in (Networks()[1], read[1]):
        assert isinstance(graph, NetGraph)
        assert all(torch.equal(graph[key], build()[key]) for key in ("state", *EXPANDED))

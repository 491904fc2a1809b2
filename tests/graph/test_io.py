import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from netgraph.errors import NetGraphError, StoreError
from netgraph.files import write_tensors
from netgraph.graph.architecture import Architecture, make_layer
from netgraph.graph.io import from_tensors, load_graphs, save_graphs, to_tensors
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.records import FORMAT, VERSION
from tests.strategies import examples, graphs


@examples(30)
@given(st.lists(graphs(), max_size=4), st.sampled_from([torch.float32, torch.float64]))
def test_graphs_come_back_bit_for_bit(tmp_path_factory, found, dtype):
    found = [one.replace(state=one.state.to(dtype), sensitivity=torch.rand(one.num_nodes)) for one in found + found[:1]]
    path = tmp_path_factory.mktemp("graphs") / "graphs.safetensors"
    save_graphs(found, path)
    loaded = load_graphs(path)
    assert len(loaded) == len(found)
    for again, graph in zip(loaded, found, strict=True):
        assert again.architecture == graph.architecture
        assert again.state.dtype == dtype
        assert torch.equal(again.state, graph.state)
        assert torch.equal(again.sensitivity, graph.sensitivity)
    if found:
        assert loaded[0].architecture is loaded[-1].architecture


@examples(1)
@given(graphs())
def test_an_unknown_layer_type_is_named(graph):
    tensors, record = to_tensors([graph])
    with pytest.raises(NetGraphError, match="unknown layer type 'Softmax'"):
        from_tensors(tensors, record | {"layer_types": ["Softmax", *record["layer_types"][1:]]})


@pytest.mark.parametrize("name", ['a"); print("b', "a\nb", "a\\", "a\x00"])
def test_a_name_that_would_become_code_is_refused(name):
    layers = make_layer("Input", (), 2, "x"), make_layer("Linear", (0,), 1, "it's")
    graph = NetGraph(Architecture(layers), torch.zeros(3))
    tensors, record = to_tensors([graph])
    assert from_tensors(tensors, record)[0].architecture == graph.architecture
    with pytest.raises(NetGraphError, match="is no name of a layer"):
        from_tensors(tensors, record | {"names": [["x", name]]})


def test_an_old_file_is_named(tmp_path):
    write_tensors(tmp_path / "old.safetensors", {"state": torch.zeros(1)}, FORMAT, 1, {})
    with pytest.raises(StoreError, match=r"old\.json: version 1; this netgraph reads version 2"):
        load_graphs(tmp_path / "old.safetensors")


@examples(3)
@given(graphs())
def test_a_file_of_before_general_graphs_is_read(tmp_path_factory, graph):
    path = tmp_path_factory.mktemp("graphs") / "old.safetensors"
    tensors, architectures = to_tensors([graph, graph])
    write_tensors(path, tensors, FORMAT, VERSION, {"architectures": architectures})
    assert [one.architecture for one in load_graphs(path)] == [graph.architecture] * 2

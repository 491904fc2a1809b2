"""Files of general graphs: what is written comes back, and nothing that a file says is run."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from netgraph import NetGraphError, from_module, to_module
from netgraph.graph import load_graphs, save_graphs, to_source
from netgraph.graph.modules.values import same
from tests.graph.zoo_of_modules.exact import prepared
from tests.graph.zoo_of_modules.test_attention import GPT
from tests.graph.zoo_of_modules.test_inception import GoogLeNet
from tests.graph.zoo_of_modules.test_sequences import NETWORKS, Unrolled, numbers

EXAMPLES = [
    (GPT, (torch.zeros(2, 6, dtype=torch.long),)),
    (GoogLeNet, numbers((2, 3, 16, 16))),
    (Unrolled, numbers((4, 6, 3))),
    NETWORKS["tied autoencoder"],
    NETWORKS["neural process"],
    NETWORKS["LSTM tagger"],
]


@pytest.mark.parametrize(("build", "example"), EXAMPLES)
def test_files_and_source_keep_networks(build, example, tmp_path):
    graph = from_module(prepared(build()), example)
    save_graphs([graph, graph], tmp_path / "two.safetensors")
    loaded = load_graphs(tmp_path / "two.safetensors")[1]
    assert loaded.program == graph.program
    for key in ("state", "other_state"):
        assert torch.equal(loaded[key], graph[key])
    namespace = {}
    exec(compile(to_source(loaded, "Rebuilt"), "rebuilt.py", "exec"), namespace)  # noqa: S102 - our own source
    written, rebuilt = namespace["Rebuilt"](), to_module(loaded)
    written.load_state_dict(rebuilt.state_dict())
    for training in (False, True):
        results = []
        for network in (written, rebuilt):
            with torch.random.fork_rng():
                torch.manual_seed(0)
                results.append(network.train(training)(*example))
        assert same(*results)


def test_both_kinds_of_graphs_are_read_in_their_order(tmp_path):
    feed_forward, x = from_module(nn.Linear(2, 3)), torch.zeros(1, 2, 5)
    convolution, norm = (from_module(module, x).clone() for module in (nn.Conv1d(2, 3, 3), nn.InstanceNorm1d(2)))
    graphs = [convolution, feed_forward, norm, from_module(nn.Sequential(nn.Linear(3, 1), nn.Tanh())), feed_forward]
    save_graphs(graphs, tmp_path / "a.safetensors")
    loaded = load_graphs(tmp_path / "a.safetensors")
    assert [graph.architecture for graph in loaded] == [graph.architecture for graph in graphs]
    assert all(torch.equal(one.state, other.state) for one, other in zip(loaded, graphs, strict=True))
    (tmp_path / "a.json").unlink()
    with pytest.raises(NetGraphError, match=r"has no record a\.json"):
        load_graphs(tmp_path / "a.safetensors")


def test_a_file_with_more_or_fewer_programs_than_it_says_is_refused(tmp_path):
    graph = from_module(nn.Conv1d(2, 3, 3), torch.zeros(1, 2, 5))
    save_graphs([graph, graph], tmp_path / "a.safetensors")
    content = json.loads((tmp_path / "a.json").read_text())
    for programs in (content["programs"][:1], []):
        (tmp_path / "a.json").write_text(json.dumps(content | {"programs": programs}))
        with pytest.raises(NetGraphError, match="tensor 'architecture'"):
            load_graphs(tmp_path / "a.safetensors")


def saved(tmp_path):
    module = nn.Sequential(nn.Conv1d(2, 3, 3), nn.Flatten())
    graph = from_module(module, torch.zeros(1, 2, 5))
    save_graphs([graph], tmp_path / "g.safetensors")
    return tmp_path / "g.safetensors", tmp_path / "g.json"


def rewritten(tmp_path, change):
    path, record = saved(tmp_path)
    content = json.loads(record.read_text())
    change(content["programs"][0])
    record.write_text(json.dumps(content))
    return path


def as_call(target, args=("tuple", ("node", 0))):
    def change(program):
        program["calls"]["nodes"][1] |= {"op": "call", "target": target, "args": args}

    return change


def setting(*path, value):
    def change(program):
        for step in path[:-1]:
            program = program[step]
        program[path[-1]] = value

    return change


BROKEN = [
    (as_call("os.system", ("tuple", "true")), "os.system is not a registered operation"),
    (as_call("builtins.eval", ("tuple", "1")), "builtins.eval is not a registered operation"),
    (as_call("Tensor.__class__"), "Tensor.__class__ is not a registered operation"),
    (as_call("builtins.getattr", ("tuple", ("node", 0), "__class__")), "attribute '__class__'"),
    (as_call("torch.relu", ("tuple", ("node", 9))), "not all earlier"),
    (as_call("torch.relu", ("tuple", ("code", 0))), "unknown argument 'code'"),
    (as_call("torch.relu", ("tuple", ("node", 0), ("dtype", "load"))), "unknown type 'load'"),
    (setting("calls", "nodes", 1, "name", value="x = 1; y"), "not a name"),
    (setting("modules", 1, "type", value="Popen"), "unknown type 'Popen'"),
    (setting("modules", 1, "name", value="0'); x = ('"), "not listed"),
    (setting("modules", 1, "kwargs", value=["dict", ["item", "code", 1]]), "Conv1d cannot be made"),
    (setting("tensors", 0, "shape", value=[3, 2, 99]), "state has shape"),
    (setting("tensors", value=[]), "state has shape|has no values"),
    (setting("inputs", value=["x y"]), "not a name"),
    (setting("modules", 0, value={}), "not a record of networks"),
]


@pytest.mark.parametrize(("change", "message"), BROKEN, ids=[message for _, message in BROKEN])
def test_a_record_that_says_something_else_is_refused(change, message, tmp_path):
    path = rewritten(tmp_path, change)
    with pytest.raises(NetGraphError, match=message) as caught:
        to_module(load_graphs(path)[0])
    assert "\n" not in str(caught.value)


def test_damaged_tensors_are_noticed(tmp_path):
    path, _ = saved(tmp_path)
    payload = bytearray(path.read_bytes())
    payload[-1] ^= 1
    path.write_bytes(payload)
    with pytest.raises(NetGraphError, match="damaged"):
        load_graphs(path)


def test_files_with_the_first_names_of_keys_are_read():
    (graph,) = load_graphs(Path(__file__).with_name("version_1.safetensors"))
    assert [module.type for module in graph.program.modules[1:]] == [
        "Linear", "TransformerEncoder", "Dropout", "ModuleList", "Module"
    ]  # fmt: skip
    assert (graph.num_nodes, graph.program.calls.output[0]) == (67, "dict")
    result = to_module(graph)(torch.ones(2, 5, 3), True)
    assert torch.allclose(result["mean"].mean(1), torch.zeros(2), atol=1e-6)  # a layer norm stands last
    assert result["size"] == (5, 3)

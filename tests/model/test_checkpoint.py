import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import netgraph
from netgraph import NetGraphError, NetVAE, canonicalize
from netgraph.files import _record_sha256
from netgraph.graph.io import load_graphs, save_graphs
from netgraph.graph.layers import LAYER_TYPES, N_CODES
from netgraph.model.batch import net_batch
from netgraph.model.checkpoint import recode
from tests.model.small import CONFIG, EVERYTHING, networks, untrained

#: Codes that types exchange in the other vocabulary, which has one activation more.
EXCHANGED = {"Input": "Linear", "Linear": "Input", "Tanh": "Add", "Add": "Tanh"}
SCRIPT = """
import sys, torch
from safetensors.torch import save_file
from netgraph import NetVAE
from netgraph.graph.io import load_graphs, save_graphs
from netgraph.graph.layers import LAYER_TYPES

assert "Hardtanh" in LAYER_TYPES and LAYER_TYPES["Input"].code == 4
folder = sys.argv[1]
vae, graphs = NetVAE.from_pretrained(folder + "/vae.safetensors"), load_graphs(folder + "/graphs.safetensors")
sampled = vae.sample(6, seed=0)
vae.save(folder + "/saved.safetensors")
save_graphs(sampled, folder + "/sampled.safetensors")
save_file({"z": vae.encode(graphs)}, folder + "/found.safetensors")
"""


def known() -> NetVAE:
    """A model with statistics of networks, and a card."""
    model = untrained()
    model.fit_statistics([net_batch([canonicalize(graph) for graph in networks(6)], CONFIG)])
    model.decoder.architecture.coverage = EVERYTHING
    model.card = {"steps": 3, "figures": {"edge_f1": 0.5}}
    return model


def test_a_checkpoint_keeps_the_model_bit_for_bit(tmp_path):
    vae, path = known(), tmp_path / "vae.safetensors"
    vae.save(path)
    again = NetVAE.from_pretrained(path)
    state = vae.state_dict()
    assert again.state_dict().keys() == state.keys()
    assert all(torch.equal(value, state[name]) for name, value in again.state_dict().items())
    assert (again.config, again.card, again.coverage) == (CONFIG, vae.card, EVERYTHING)
    assert not again.training
    found, true = again.encode(networks(3)), vae.encode(networks(3))
    assert torch.equal(found, true)
    for one, other in zip(again.sample(3, seed=0), vae.sample(3, seed=0), strict=True):
        assert torch.equal(one.state, other.state)
    again.save(tmp_path / "again.safetensors")
    for name in ("safetensors", "json"):
        assert (tmp_path / f"again.{name}").read_bytes() == (tmp_path / f"vae.{name}").read_bytes()


def test_damaged_checkpoints_and_others_are_refused(tmp_path):
    path = tmp_path / "vae.safetensors"
    untrained().save(path)
    record = path.with_suffix(".json")
    content = json.loads(record.read_text())
    for changes, message in (
        ({"version": 99}, "version 99"),
        ({"version": 8}, "version 8; this netgraph reads version 9"),
        ({"format": "other"}, "not a netgraph.NetVAE record"),
        ({"layer_types": {"Input": 4}}, "vocabulary"),
        ({"sha256": "0"}, "damaged"),
    ):
        record.write_text(json.dumps(content | changes))
        with pytest.raises(NetGraphError, match=message):
            NetVAE.from_pretrained(path)
    with pytest.raises(NetGraphError, match="no such file"):
        NetVAE.from_pretrained(tmp_path / "absent.safetensors")


def test_a_model_is_written_as_safetensors(tmp_path):
    with pytest.raises(NetGraphError, match=r"vae\.pt: is written as \.safetensors; give a name that ends so$"):
        untrained().save(tmp_path / "vae.pt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 20, "heads": 2}, r"tensor '.*' has shape \(.*\), its sizes ask for"),
        ({"hypernet_layers": 2}, "tensor 'decoder.hypernet.blocks.1.* is missing"),
        ({"width": 2**20}, "width is 1048576 in a model of"),
        ({"prior_layers": 10**6}, "prior_layers is 1000000 in a model of"),
        ({"width": 15}, "width 15 is not a multiple of heads 2"),
        ({"slot_size": 3}, "slot_size"),
        ({"edge_rank": "4"}, "edge_rank"),
    ],
)
def test_sizes_that_are_not_those_of_the_weights_are_refused(tmp_path, change, message):
    path = tmp_path / "vae.safetensors"
    untrained().save(path)
    record = json.loads(path.with_suffix(".json").read_text())
    record["config"] |= change
    del record["record_sha256"]
    path.with_suffix(".json").write_text(json.dumps(record | {"record_sha256": _record_sha256(record)}))
    with pytest.raises(NetGraphError, match=message) as error:
        NetVAE.from_pretrained(path)
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_checkpoint_loads_where_its_types_have_other_codes_and_there_are_more(tmp_path):
    package = tmp_path / "netgraph"
    shutil.copytree(Path(netgraph.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    layers = package / "graph" / "layers.py"
    text = layers.read_text()
    for name, other in EXCHANGED.items():
        code, pattern = LAYER_TYPES[other].code, rf'\((\s*)\d+,(\s+)(nn\.{name},|"{name}")'
        text, changes = re.subn(pattern, rf"(\g<1>{code},\2\3", text)
        assert changes == 1
    more = f"    _elementwise({N_CODES}, nn.Hardtanh, F.hardtanh),\n"
    layers.write_text(text.replace('    LayerType(17, "Concat"', more + '    LayerType(17, "Concat"'))
    vae = known()
    vae.save(tmp_path / "vae.safetensors")
    sampled = vae.sample(6, seed=0)
    save_graphs(networks(6), tmp_path / "graphs.safetensors")
    subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, check=True
    )
    found = load_file(tmp_path / "found.safetensors")
    torch.testing.assert_close(found["z"], vae.encode(networks(6)), rtol=1e-4, atol=1e-4)
    for one, other in zip(load_graphs(tmp_path / "sampled.safetensors"), sampled, strict=True):
        assert one.architecture.key == other.architecture.key
        torch.testing.assert_close(one.state, other.state, rtol=1e-3, atol=1e-3)
    again = NetVAE.from_pretrained(tmp_path / "saved.safetensors")
    state = again.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in vae.state_dict().items())


def test_a_model_with_the_codes_of_here_is_left_as_it_is():
    state = untrained(CONFIG).state_dict()
    codes = {name: layer_type.code for name, layer_type in LAYER_TYPES.items()}
    assert all(value is state[name] for name, value in recode(state, CONFIG, codes).items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer_types": {"Input": 4}}, "does not fit its vocabulary of layer types"),
        ({"coverage": {"types": ["Input", "Linear", "Unheard"]}}, "layers of type Unheard, which .* vocabulary"),
    ],
)
def test_a_checkpoint_whose_types_are_not_here_is_refused(tmp_path, change, message):
    path = tmp_path / "vae.safetensors"
    untrained(CONFIG).save(path)
    record = json.loads(path.with_suffix(".json").read_text())
    for name, value in change.items():
        record[name] = record[name] | value if name == "coverage" else value
    path.with_suffix(".json").write_text(json.dumps(record))
    with pytest.raises(NetGraphError, match=message) as error:
        NetVAE.from_pretrained(path)
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)

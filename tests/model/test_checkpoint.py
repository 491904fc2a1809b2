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
from netgraph import NetGraphError, NetVAE
from netgraph.files import _record_sha256
from netgraph.graph.io import save_graphs
from netgraph.graph.layers import LAYER_TYPES, N_CODES
from netgraph.model.checkpoint import recode
from tests.model.small import CONFIG, untrained

#: Codes that types exchange in the other vocabulary, which has one activation more.
EXCHANGED = {"Input": "Linear", "Linear": "Input", "Tanh": "Add", "Add": "Tanh"}
SCRIPT = """
import sys, torch
from safetensors.torch import save_file
from netgraph import NetVAE
from netgraph.graph.io import load_graphs
from netgraph.graph.layers import LAYER_TYPES

assert "Hardtanh" in LAYER_TYPES and LAYER_TYPES["Input"].code == 4
folder = sys.argv[1]
vae, graphs = NetVAE.from_pretrained(), load_graphs(folder + "/graphs.safetensors")
sampled = vae.sample(len(graphs), seed=0)
vae.save(folder + "/saved.safetensors")
assert [graph.architecture.key for graph in sampled] == [graph.architecture.key for graph in graphs]
save_file(
    {"z": vae.encode(graphs), "sampled": torch.cat([graph.state for graph in sampled])}, folder + "/found.safetensors"
)
"""


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
    vae = NetVAE.from_pretrained()
    sampled = vae.sample(6, seed=0)
    save_graphs(sampled, tmp_path / "graphs.safetensors")
    subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, check=True
    )
    found = load_file(tmp_path / "found.safetensors")
    torch.testing.assert_close(found["z"], vae.encode(sampled), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found["sampled"], torch.cat([graph.state for graph in sampled]), rtol=1e-3, atol=1e-3)
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


RETIRED = {"response": True, "edge_head": "bilinear"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"edge_head": "mlp"}, "config.edge_head is 'mlp'; this netgraph reads models with 'bilinear' alone"),
        ({"response": False}, "config.response is False; this netgraph reads models with True alone"),
        ({"loss": {"free_bits": 0.05}}, "config.loss.free_bits is 0.05; this netgraph reads models with 0.0 alone"),
    ],
)
def test_retired_settings_are_read_where_they_have_the_value_of_all_models(tmp_path, change, message):
    model, path = untrained(CONFIG), tmp_path / "vae.safetensors"
    model.save(path)
    record = json.loads(path.with_suffix(".json").read_text())
    record["config"] |= RETIRED
    record["config"]["loss"] |= {"free_bits": 0.0}
    path.with_suffix(".json").write_text(json.dumps(record | {"record_sha256": _record_sha256(record)}))
    assert NetVAE.from_pretrained(path).config == CONFIG
    record["config"] |= change
    path.with_suffix(".json").write_text(json.dumps(record | {"record_sha256": _record_sha256(record)}))
    with pytest.raises(NetGraphError, match=re.escape(f"{path.with_suffix('.json')}: {message}")):
        NetVAE.from_pretrained(path)

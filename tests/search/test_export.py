"""A network as two files for someone who has torch and nothing else."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn

from netgraph import NetGraph, NetGraphError, from_module
from netgraph.errors import StoreError
from netgraph.graph.architecture import Architecture, make_layer
from netgraph.graph.layers import LAYER_TYPES
from netgraph.search.ensemble import weighted_sum
from netgraph.search.export import export_network
from netgraph.search.network_search import linear_network
from netgraph.search.preprocess import Preprocessing
from netgraph.zoo import ArchitectureRecipe
from tests.search.small import random_networks
from tests.strategies import examples, random_graph

#: Runs a written network where the packages that wrote it, and numpy, cannot be imported.
BARE = """
import sys

class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"netgraph", "safetensors", "torch_geometric", "numpy"}:
            raise ModuleNotFoundError(f"{name} is refused", name=name)

sys.meta_path.insert(0, Refusing())
sys.path.insert(0, sys.argv[1])
import torch
from network import load
network = load()
print(network.training, *network(torch.tensor([[1.0, 2.0], [3.0, -4.0]], dtype=torch.float64)).tolist())
"""
RECIPE = ArchitectureRecipe(
    normalizations={"none": 1.0, "LayerNorm": 1.0, "BatchNorm1d": 1.0},
    skips={"none": 1.0, "Add": 1.0, "Concat": 1.0, "residual": 1.0, "dense": 1.0},
    dropout=0.3,
)
RNG = np.random.default_rng(0)
ROWS, TARGET = RNG.normal(size=(40, 2)) * [1.0, 1e3] + [5.0, 0.0], 1000 + 20 * RNG.normal(size=40)
MAPS = Preprocessing.fit(ROWS, TARGET)


def network(*middle: nn.Module, width: int = 8) -> NetGraph:
    """A network of two inputs, whose weights depend on nothing but the layers."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = nn.Sequential(nn.Linear(2, width), *(middle or [nn.ReLU()]), nn.Linear(width, 1)).eval()
    return random_graph(from_module(module).architecture)


def imported(script: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(script.stem, script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check(graph: NetGraph, script: Path) -> None:
    x = np.concatenate([ROWS, 1e3 * ROWS, [[-1e300, 1e300]]])
    prediction = imported(script).load()(torch.from_numpy(x))
    assert prediction.dtype == torch.float64
    np.testing.assert_allclose(prediction.detach(), MAPS.predict(graph, x), rtol=1e-9)


@examples(6)
@given(st.integers(0, 2**20))
def test_the_written_network_predicts_what_the_graph_predicts(tmp_path_factory, seed):
    graphs = [random_graph(g.architecture, seed) for g in random_networks(3, seed, 2, RECIPE)]
    for graph in (graphs[0], weighted_sum(graphs, [0.5, 0.3, 0.2])):
        check(graph, export_network(graph, MAPS, tmp_path_factory.mktemp("export") / "network")[1])


LAYERS = [
    *(nn.LayerNorm(8, eps=1e-3, bias=False), nn.LayerNorm(8, elementwise_affine=False), nn.BatchNorm1d(8, eps=1e-6)),
    *(nn.BatchNorm1d(8, affine=False), nn.Dropout(0.25), nn.LeakyReLU(0.2), nn.GELU(approximate="tanh"), nn.ELU(0.5)),
    *(nn.Linear(8, 8, bias=False), nn.ReLU(), nn.Tanh(), nn.Sigmoid(), nn.GELU(), nn.SiLU(), nn.Identity()),
]


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_every_layer_is_written(layer, tmp_path):
    graph = network(layer)
    _, script = export_network(graph, MAPS, tmp_path / "network")
    assert f"nn.{type(layer).__name__}(" in script.read_text()
    check(graph, script)


def test_no_layer_type_is_left_out():
    assert {type(layer).__name__ for layer in LAYERS} == set(LAYER_TYPES) - {"Input", "Add", "Concat"}


def test_torch_alone_runs_it(tmp_path):
    graph = network()
    export_network(graph, MAPS, tmp_path / "network")
    command = [sys.executable, "-I", "-c", BARE, str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    mode, *found = result.stdout.split()
    assert mode == "False"
    expected = MAPS.predict(graph, np.array([[1.0, 2.0], [3.0, -4.0]]))
    assert [float(number) for number in found] == pytest.approx(expected.tolist(), rel=1e-9)


def test_it_is_a_module_to_train_on_of_short_and_formatted_source(tmp_path):
    weights, script = export_network(network(), MAPS, tmp_path / "network", target="y", features=["age", "größe"])
    found = imported(script).load()
    assert set(found.state_dict()) == set(load_file(weights))
    found.train()(torch.ones(3, 2, dtype=torch.float64)).sum().backward()
    assert any(value.grad is not None and value.grad.abs().sum() > 0 for value in found.parameters())
    assert len(script.read_text().splitlines()) < 170
    check_style(script)


def check_style(script: Path) -> None:
    for action in (["format", "--check"], ["check", "--select", "E,F,W,I,UP"]):
        command = [sys.executable, "-m", "ruff", *action, "--isolated", "--line-length", "120", str(script)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout


def test_other_numbers_of_columns_are_refused(tmp_path):
    _, script = export_network(network(), MAPS, tmp_path / "network")
    with pytest.raises(ValueError, match=r"^x has 1 columns, the network reads 2$"):
        imported(script).load()(torch.ones(3, 1, dtype=torch.float64))


def test_the_docstring_names_the_columns(tmp_path):
    features = np.array(['bad """ + "\n\\', "größe in cm"], dtype=object)
    _, script = export_network(network(), MAPS, tmp_path / "found", features=features, target="blood\tsugar")
    docstring = imported(script).__doc__
    assert "Predicts blood sugar with" in docstring
    assert "bad ''' + ' /, größe in cm." in docstring
    assert "Layers: Input(2) > Linear(8) > ReLU(8) > Linear(1)" in docstring
    assert "from found import load" in docstring


@pytest.mark.parametrize("cut", [lambda b: b[:-1] + bytes([b[-1] ^ 1]), lambda b: b[:100], lambda b: b""])
def test_damaged_weights_are_refused(cut, tmp_path):
    weights, script = export_network(network(), MAPS, tmp_path / "network")
    weights.write_bytes(cut(weights.read_bytes()))
    with pytest.raises(ValueError, match=r"^[^\n]*network\.safetensors: damaged[^\n]*network\.py$"):
        imported(script).load()


def test_weights_may_lie_elsewhere(tmp_path):
    weights, script = export_network(network(), MAPS, tmp_path / "network")
    moved = weights.rename(tmp_path / "moved.safetensors")
    assert imported(script).load(moved)(torch.ones(1, 2, dtype=torch.float64)).shape == (1,)
    with pytest.raises(FileNotFoundError, match=r"network\.safetensors"):
        imported(script).load()


@pytest.mark.parametrize("name", ["network", "network.py", "network.safetensors"])
def test_an_export_makes_folders_drops_a_suffix_and_replaces_an_earlier_one(name, tmp_path):
    for width in (8, 16):
        graph = network(width=width)
        paths = export_network(graph, MAPS, str(tmp_path / "a" / "b" / name))
        check(graph, paths[1])
    assert [p.relative_to(tmp_path).as_posix() for p in paths] == ["a/b/network.safetensors", "a/b/network.py"]
    assert sorted(p for p in (tmp_path / "a" / "b").iterdir() if p.is_file()) == sorted(paths)


def test_an_export_that_fails_leaves_the_earlier_weights(tmp_path):
    weights, script = export_network(network(), MAPS, tmp_path / "network")
    before = weights.read_bytes()
    script.unlink()
    script.mkdir()
    with pytest.raises(StoreError, match=r"network\.py"):
        export_network(network(width=3), MAPS, tmp_path / "network")
    assert weights.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == [script, weights]


@pytest.mark.parametrize("name", ["my-network", "network.v2", "1st", "class", "torch", "json.py"])
def test_a_name_that_cannot_be_imported_is_refused(name, tmp_path):
    with pytest.raises(NetGraphError, match=f"{name}: Python could not import"):
        export_network(network(), MAPS, tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("graph", "features", "message"),
    [
        (network(), ["a", "b", "c"], "3 names for 2 features"),
        (linear_network(3), None, "no feed-forward one of 2 inputs"),
        (random_graph(Architecture((make_layer("Input", (), 2),))), None, "no feed-forward one of 2 inputs"),
        (from_module(nn.Sequential(nn.Unflatten(1, (1, 2)), nn.Conv1d(1, 1, 2)), torch.zeros(1, 2)), None, "no feed"),
    ],
    ids=["names", "inputs", "outputs", "program"],
)
def test_what_does_not_fit_is_refused(graph, features, message, tmp_path):
    with pytest.raises(NetGraphError, match=rf"network\.py: .*{message}"):
        export_network(graph, MAPS, tmp_path / "network", features=features)

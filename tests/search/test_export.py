"""A network as two files for someone who has torch and nothing else."""

import importlib.util
import math
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

from netgraph import NetGraphError, from_module, to_module
from netgraph.errors import StoreError
from netgraph.graph.architecture import Architecture, make_layer
from netgraph.graph.layers import LAYER_TYPES
from netgraph.search.export import export_network
from netgraph.tasks import compressed
from tests.strategies import graphs, random_graph, randomize

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
print(network.training, *network(torch.tensor([[1.0, 2.0], [3.0, -4.0]])).tolist())
"""
LAYERS = [
    ("Linear", {}, "nn.Linear(3, 3)"),
    ("Linear", {"bias": False}, "nn.Linear(3, 3, bias=False)"),
    ("LayerNorm", {}, "nn.LayerNorm(3)"),
    ("LayerNorm", {"eps": 1e-3, "bias": False}, "nn.LayerNorm(3, eps=0.001, bias=False)"),
    ("LayerNorm", {"elementwise_affine": False}, "nn.LayerNorm(3, elementwise_affine=False)"),
    ("BatchNorm1d", {}, "nn.BatchNorm1d(3)"),
    ("BatchNorm1d", {"eps": 1e-6, "momentum": None}, "nn.BatchNorm1d(3, eps=1e-06, momentum=None)"),
    ("BatchNorm1d", {"affine": False, "momentum": 0.2}, "nn.BatchNorm1d(3, momentum=0.2, affine=False)"),
    ("Dropout", {"p": 0.25}, "nn.Dropout(p=0.25)"),
    ("LeakyReLU", {"negative_slope": 0.2}, "nn.LeakyReLU(negative_slope=0.2)"),
    ("GELU", {"approximate": "tanh"}, 'nn.GELU(approximate="tanh")'),
    ("ELU", {"alpha": 0.5}, "nn.ELU(alpha=0.5)"),
    *((name, {}, f"nn.{name}()") for name in ("ReLU", "Tanh", "Sigmoid", "GELU", "SiLU", "ELU", "Identity")),
]


def plain(graph) -> dict:
    """Nothing but the network."""
    n_inputs = graph.architecture.n_inputs
    return {"shift": torch.zeros(n_inputs), "scale": torch.ones(n_inputs)}


def imported(script: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(script.stem, script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def small(width: int = 8, seed: int = 0):
    layers = nn.Sequential(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, 4), nn.Tanh(), nn.Linear(4, 1))
    return from_module(randomize(layers, seed))


def between(name: str, hyper: dict):
    """A network that has a layer between two linear ones."""
    middle = make_layer(name, (1,), 3, hyper=hyper)
    layers = (make_layer("Input", (), 2), make_layer("Linear", (0,), 3), middle, make_layer("Linear", (2,), 1))
    return random_graph(Architecture(layers))


def many_operands(kind: str, count: int):
    """A network that joins many layers at once."""
    branches = [make_layer("Linear", (0,), 2) for _ in range(count)]
    join = make_layer(kind, range(1, count + 1), 2 if kind == "Add" else 2 * count)
    last = make_layer("Linear", (count + 1,), 2)
    return random_graph(Architecture((make_layer("Input", (), 2), *branches, join, last)))


def assert_same(graph, script: Path, scaling: dict) -> None:
    shift, scale = scaling["shift"], scaling["scale"]
    x = torch.randn(5, len(shift), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    module = to_module(graph.replace(state=graph.state.double()))
    read = compressed((x - shift) / scale.double(), scaling.get("tail", math.inf))
    expected = scaling.get("center", 0.0) + scaling.get("spread", 1.0) * module(read)
    expected = expected.clamp(scaling.get("least", -math.inf), scaling.get("most", math.inf))
    found = imported(script).load()(x)
    assert found.dtype == torch.float64
    assert found.shape == (expected[:, 0] if graph.architecture.n_outputs == 1 else expected).shape
    torch.testing.assert_close(found.view(expected.shape), expected, rtol=1e-9, atol=1e-12)


@given(graphs(), st.integers(0, 2**20))
def test_the_written_network_gives_what_the_graph_gives(tmp_path_factory, graph, seed):
    generator = torch.Generator().manual_seed(seed)
    n_inputs = graph.architecture.n_inputs
    shift, power = torch.randn(2, n_inputs, generator=generator, dtype=torch.float64)
    scaling = {"shift": shift, "scale": power.exp(), "center": 30.0, "spread": 0.1}
    folder = tmp_path_factory.mktemp("export")
    _, script = export_network(graph, folder / "network", **scaling)
    assert_same(graph, script, scaling)
    bounded = scaling | {"least": 29.9, "most": 30.05, "tail": 0.7}
    _, script = export_network(graph, folder / "bounded", **bounded)
    assert_same(graph, script, bounded)


@pytest.mark.parametrize(("name", "hyper", "line"), LAYERS, ids=[line for _, _, line in LAYERS])
def test_every_layer_is_written_without_its_defaults(name, hyper, line, tmp_path):
    graph = between(name, hyper)
    _, script = export_network(graph, tmp_path / "network", **plain(graph))
    assert f"{line},\n" in script.read_text()
    assert_same(graph, script, plain(graph))


def test_no_layer_type_is_left_out():
    assert {name for name, _, _ in LAYERS} == set(LAYER_TYPES) - {"Input", "Add", "Concat"}


def test_a_skip_connection_is_read_as_it_is_drawn(tmp_path):
    layers = (
        make_layer("Input", (), 3),
        make_layer("Linear", (0,), 3),
        make_layer("Linear", (0,), 3),
        make_layer("Tanh", (1,), 3),
        make_layer("Add", (3, 0), 3),
        make_layer("Concat", (4, 2, 0), 9),
        make_layer("Linear", (5,), 1),
    )
    graph = random_graph(Architecture(layers))
    _, script = export_network(graph, tmp_path / "network", **plain(graph))
    lines = [
        "h1 = self.block1(x)",
        "h2 = self.block2(x)",
        "h3 = h1 + x",
        "h4 = torch.cat([h3, h2, x], dim=-1)",
        "y = self.block5(h4)",
        "return (self.center + self.spread * y[..., 0]).clamp(self.least, self.most)",
    ]
    assert "".join(f"        {line}\n" for line in lines) in script.read_text()
    assert_same(graph, script, plain(graph))


@pytest.mark.parametrize("kind", ["Add", "Concat"])
def test_a_join_of_many_is_written_in_several_lines(kind, tmp_path):
    graph = many_operands(kind, 25)
    _, script = export_network(graph, tmp_path / "network", **plain(graph))
    assert max(map(len, script.read_text().splitlines())) <= 120
    assert_same(graph, script, plain(graph))


def test_an_input_alone_is_a_network(tmp_path):
    graph = random_graph(Architecture((make_layer("Input", (), 2),)))
    _, script = export_network(graph, tmp_path / "network", **plain(graph))
    assert_same(graph, script, plain(graph))


def test_missing_folders_are_made_and_an_export_can_be_repeated(tmp_path):
    for _ in range(2):
        for path in export_network(small(), tmp_path / "new" / "found" / "network", **plain(small())):
            assert path.is_file()


def test_the_source_is_short_and_formatted(tmp_path):
    _, script = export_network(small(), tmp_path / "small", **plain(small()), features=["age", "größe"], target="y")
    assert len(script.read_text().splitlines()) < 80
    some = [between(name, hyper) for name, hyper, _ in LAYERS]
    some += [many_operands(kind, count) for kind in ("Add", "Concat") for count in (2, 10, 11, 120)]
    for i, graph in enumerate(some):
        features = [f'column "{j}" \\ ' * i for j in range(2)]
        export_network(graph, tmp_path / f"network{i}", **plain(graph), features=features)
    for action in (["format", "--check"], ["check", "--select", "E,F,W,I,UP"]):
        command = [sys.executable, "-m", "ruff", *action, "--isolated", "--line-length", "120", str(tmp_path)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout


def test_torch_alone_runs_it(tmp_path):
    graph = small()
    scaling = {"shift": torch.tensor([1.0, 2.0]), "scale": torch.tensor([2.0, 0.25])}
    export_network(graph, tmp_path / "network", **scaling, center=1000.0, spread=20.0)
    command = [sys.executable, "-I", "-c", BARE, str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    mode, *found = result.stdout.split()
    x = torch.tensor([[0.0, 0.0], [1.0, -24.0]], dtype=torch.float64)
    expected = 1000 + 20 * to_module(graph.replace(state=graph.state.double()))(x)[:, 0]
    assert mode == "False"
    assert [float(number) for number in found] == pytest.approx(expected.tolist(), rel=1e-12)


def test_it_is_a_module_to_train_on(tmp_path):
    graph = small()
    weights, script = export_network(graph, tmp_path / "network", **plain(graph))
    network = imported(script).load()
    assert set(network.state_dict()) == set(load_file(weights))
    network.train()(torch.ones(3, 2)).sum().backward()
    assert network.layers[0].weight.grad.abs().sum() > 0


def test_other_numbers_of_columns_are_refused(tmp_path):
    _, script = export_network(small(), tmp_path / "network", **plain(small()))
    with pytest.raises(ValueError, match=r"^x has 1 columns, the network reads 2$"):
        imported(script).load()(torch.ones(3, 1))


def test_the_docstring_tells_the_columns(tmp_path):
    features = np.array(['bad """ + "\n\\', "größe in cm"], dtype=object)
    _, script = export_network(small(), tmp_path / "found", **plain(small()), features=features, target="blood\tsugar")
    told = imported(script).__doc__
    assert "Predicts blood sugar with" in told
    assert "bad ''' + ' /, größe in cm." in told
    assert "Layers: Input(2) > Linear(8) > ReLU(8) > Linear(4) > Tanh(4) > Linear(1)" in told
    assert "from found import load" in told
    _, script = export_network(small(), tmp_path / "nameless", **plain(small()))
    assert "Predicts the target with" in imported(script).__doc__


@pytest.mark.parametrize("cut", [lambda b: b[:-1] + bytes([b[-1] ^ 1]), lambda b: b[:100], lambda b: b""])
def test_damaged_weights_are_refused(cut, tmp_path):
    weights, script = export_network(small(), tmp_path / "network", **plain(small()))
    weights.write_bytes(cut(weights.read_bytes()))
    with pytest.raises(ValueError, match=r"^[^\n]*network\.safetensors: damaged[^\n]*network\.py$"):
        imported(script).load()


def test_weights_may_lie_elsewhere(tmp_path):
    weights, script = export_network(small(), tmp_path / "network", **plain(small()))
    moved = weights.rename(tmp_path / "moved.safetensors")
    assert imported(script).load(moved)(torch.ones(1, 2)).shape == (1,)
    with pytest.raises(FileNotFoundError, match=r"network\.safetensors"):
        imported(script).load()


def test_an_export_replaces_an_earlier_one(tmp_path):
    for width in (8, 16):
        graph = small(width)
        paths = export_network(graph, tmp_path / "network", **plain(graph))
        assert_same(graph, paths[1], plain(graph))
    assert sorted(path for path in tmp_path.iterdir() if path.is_file()) == sorted(paths)


def test_an_export_that_fails_leaves_the_earlier_weights(tmp_path):
    weights, script = export_network(small(), tmp_path / "network", **plain(small()))
    before = weights.read_bytes()
    script.unlink()
    script.mkdir()
    with pytest.raises(StoreError, match=r"network\.py"):
        export_network(small(seed=1), tmp_path / "network", **plain(small()))
    assert weights.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == [script, weights]


@pytest.mark.parametrize("name", ["network", "network.py", "network.safetensors"])
def test_a_suffix_is_dropped_and_folders_are_made(name, tmp_path):
    paths = export_network(small(), str(tmp_path / "a" / "b" / name), **plain(small()))
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == ["a/b/network.safetensors", "a/b/network.py"]
    assert all(path.is_file() for path in paths)


@pytest.mark.parametrize("name", ["my-network", "network.v2", "1st", "class", "torch", "json.py"])
def test_a_name_that_cannot_be_imported_is_refused(name, tmp_path):
    with pytest.raises(NetGraphError, match=f"{name}: Python could not import"):
        export_network(small(), tmp_path / name, **plain(small()))
    assert not list(tmp_path.iterdir())


def test_what_does_not_fit_the_network_is_refused(tmp_path):
    good = plain(small())
    wrong = [
        ({"scale": torch.ones(3)}, r"shift \[2\] and scale \[3\] are not \[2\]"),
        ({"shift": torch.zeros(2, 1)}, r"shift \[2, 1\]"),
        ({"features": ["a", "b", "c"]}, "3 names for 2 features"),
    ]
    for change, message in wrong:
        with pytest.raises(NetGraphError, match=message):
            export_network(small(), tmp_path / "network", **good | change)


def test_a_network_that_is_not_feed_forward_is_refused(tmp_path):
    graph = from_module(nn.Sequential(nn.Conv1d(1, 2, 3), nn.Flatten(), nn.Linear(4, 1)), torch.zeros(1, 1, 4))
    with pytest.raises(NetGraphError, match=r"network\.py: only a feed-forward network"):
        export_network(graph, tmp_path / "network", shift=torch.zeros(4), scale=torch.ones(4))

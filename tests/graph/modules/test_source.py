"""The Python class of a network: readable, needs torch alone, and gives the same."""

import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from netgraph import NetGraphError, from_module, to_module, to_source
from netgraph.graph.modules.expressions import wrap
from netgraph.graph.modules.values import same
from tests.graph.zoo_of_modules.exact import prepared
from tests.graph.zoo_of_modules.test_attention import GPT
from tests.graph.zoo_of_modules.test_sequences import Translator, ids, numbers


def run(source: str) -> nn.Module:
    namespace: dict = {}
    exec(compile(source, "network.py", "exec"), namespace)  # noqa: S102 - our own source
    return namespace["Network"]()


def assert_written(module: nn.Module, example) -> str:
    """Compare the class with the rebuilt module, in both modes; give its source."""
    graph = from_module(prepared(module), example)
    source, rebuilt = to_source(graph), to_module(graph)
    written = run(source)
    assert list(written.state_dict()) == list(rebuilt.state_dict())
    written.load_state_dict(rebuilt.state_dict())
    trained = [[value.requires_grad for value in network.parameters()] for network in (written, rebuilt)]
    assert trained[0] == trained[1]
    for training in (False, True):
        results = []
        for network in (written, rebuilt):
            with torch.random.fork_rng():
                torch.manual_seed(0)
                results.append(network.train(training)(*(example if isinstance(example, tuple) else (example,))))
        assert same(*results)
    assert max(map(len, source.splitlines())) <= 120
    return source


(IMAGE,) = numbers((2, 4, 6, 6))
LAYERS = [
    (lambda: nn.Conv2d(4, 6, (3, 3), padding=(1, 1)), IMAGE, "super().__init__(4, 6, 3, padding=1)"),
    (lambda: nn.Conv2d(4, 6, (1, 3)), IMAGE, "super().__init__(4, 6, (1, 3))"),
    (lambda: nn.MaxPool2d(2), IMAGE, "super().__init__(2)"),
    (lambda: nn.GroupNorm(2, 4), IMAGE, "super().__init__(2, 4)"),
    (lambda: nn.LayerNorm((6,)), IMAGE, "super().__init__(6)"),
    (
        lambda: nn.LSTM(3, 4, batch_first=True),
        numbers((2, 5, 3))[0],
        "super().__init__(input_size=3, hidden_size=4, batch_first=True)",
    ),
    (lambda: nn.MultiheadAttention(4, 2), numbers((3, 2, 4)) * 3, "super().__init__(4, 2)"),
    (lambda: nn.Transformer(8, 2, 1, 1, 16), numbers((3, 2, 8), (4, 2, 8)), "class Network(nn.Transformer)"),
]


@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")
@pytest.mark.parametrize(("build", "example", "line"), LAYERS, ids=[line for _, _, line in LAYERS])
def test_a_layer_alone_is_its_own_kind_without_its_defaults(build, example, line):
    assert line in assert_written(build(), example)


def test_a_chain_is_written_as_people_write_it():
    block = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
    source = assert_written(nn.Sequential(block, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)), IMAGE)
    assert (
        source
        == '''"""Written by netgraph; load the weights with ``load_state_dict``."""

from torch import nn


class Network(nn.Sequential):
    """Conv2d, BatchNorm2d, ReLU, AdaptiveAvgPool2d, Flatten, Linear."""

    def __init__(self):
        super().__init__(
            nn.Sequential(
                nn.Conv2d(4, 4, 3, padding=1),
                nn.BatchNorm2d(4),
                nn.ReLU(inplace=True),
            ),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4, 2),
        )
'''
    )


class Odd(nn.Module):
    """Names that are no attributes of Python's, an input that is called like an import, and a module used twice."""

    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleDict({"up-sample": nn.Conv2d(4, 4, 1), "1": nn.ReLU(), "a b": nn.Conv2d(4, 4, 1)})
        self.reversed = nn.Sequential()
        self.reversed.add_module("1", nn.Conv2d(4, 4, 1))
        self.reversed.add_module("0", nn.Tanh())
        self.add_module("from", nn.Sequential(nn.Conv2d(4, 4, 1), nn.Sequential(nn.ELU())))
        self.again = nn.ModuleList([self.parts["a b"], nn.Sequential(nn.ELU())])
        self.again[0].bias.requires_grad_(False)

    def forward(self, F, self_):
        x = self.parts["a b"](self.parts["1"](self.parts["up-sample"](F)))
        x = self.again[1](self.again[0](self.reversed(x)))
        return nn.functional.max_pool2d(nn.functional.relu(getattr(self, "from")(x)) + self_, 2)


class Deciding(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3)

    def forward(self, x):
        return self.conv(x[:, :, :4] if x.shape[2] > 4 else x)


class Blocks(nn.Module):
    """Calls a chain whole, twice, and another one part by part."""

    def __init__(self):
        super().__init__()
        rest = nn.Sequential(nn.ReLU(inplace=True), nn.Dropout(0.2))
        self.whole = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), rest)
        self.parted = nn.Sequential(nn.Conv2d(4, 4, 1), nn.Tanh())

    def forward(self, x):
        y = self.whole(self.whole(x)) + x
        z = self.parted[0](y)
        return self.parted[1](z) + z, self.parted(y)


class Called(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4, 1, 1))
        self.register_buffer("table", torch.arange(64.0), persistent=False)

    def forward(self, x):
        x = F.dropout(F.leaky_relu(x * self.scale, 0.2, inplace=False), 0.3, self.training)
        return F.max_pool2d(x, 2, dilation=1, return_indices=False), self.table[:4]


def test_names_of_every_kind():
    source = assert_written(Odd(), (IMAGE, IMAGE))
    assert "self.parts['up-sample'] = nn.Conv2d(4, 4, 1)" in source
    assert "F.max_pool2d(add, 2)" in source


def test_calls_are_written_without_what_they_do_anyway():
    source = assert_written(Called(), IMAGE)
    assert "F.leaky_relu(mul, negative_slope=0.2)" in source
    assert "inplace" not in source
    assert "training=self.training" in source


def test_a_chain_is_called_whole_where_nothing_reads_what_is_inside():
    _, forward = assert_written(Blocks(), IMAGE).split("    def forward")
    assert forward.count("self.whole(") == 2
    assert "self.whole[" not in forward
    assert forward.count("self.parted(") == forward.count("self.parted[0](") == forward.count("self.parted[1](") == 1


def test_sizes_that_were_decided_on_are_refused():
    source = assert_written(Deciding(), IMAGE)
    with pytest.raises(ValueError, match="x: the network was traced for"):
        run(source)(IMAGE[:, :, :4])


@pytest.mark.parametrize(("build", "example"), [(GPT, (ids(20, 2, 6),)), (Translator, numbers((5, 2, 4), (3, 2, 4)))])
def test_a_fresh_interpreter_with_torch_alone_runs_it(build, example, tmp_path):
    module = prepared(build())
    graph = from_module(module, example)
    (tmp_path / "network.py").write_text(to_source(graph))
    save_file({k: v.clone() for k, v in module.state_dict().items()}, tmp_path / "weights.safetensors")
    save_file({str(i): x for i, x in enumerate(example)}, tmp_path / "x.safetensors")
    script = """
import sys
from network import Network
assert not {"netgraph", "torch_geometric"} & set(sys.modules)
from safetensors.torch import load_file, save_file
network = Network().eval()
network.load_state_dict(load_file("weights.safetensors"))
x = load_file("x.safetensors")
save_file({"y": network(*(x[str(i)] for i in range(len(x)))).detach().contiguous()}, "y.safetensors")
"""
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    from safetensors.torch import load_file

    assert torch.equal(load_file(tmp_path / "y.safetensors")["y"], module.eval()(*example))


def test_a_class_needs_a_name():
    graph = from_module(nn.Linear(2, 2))
    for name in ("two words", "class", "nn"):
        with pytest.raises(NetGraphError, match="not a name for a class"):
            to_source(graph, name)


def test_long_lines_are_broken_where_nothing_changes():
    numbers_of = ", ".join(map(str, range(60)))
    for line in (f"f([{numbers_of}], a='x, (y')", f"{{'a': ({numbers_of}), 'b': [1, 2]}}", f"(({numbers_of}),)"):
        lines = list(wrap(f"    y = {line}"))
        assert max(map(len, lines)) <= 120
        namespace: dict = {"f": lambda *args, **kwargs: (args, kwargs)}
        exec("\n".join(["if True:", *lines]), namespace)  # noqa: S102
        assert namespace["y"] == eval(line, namespace)  # noqa: S307
    index = f"    y = x[{'1 + ' * 40}1]"
    assert list(wrap(index)) == [index]


class Typed(nn.Module):
    """A tensor of a type of its own, as a parameter that is not trained, as a buffer, or as neither."""

    def __init__(self, kind: str, values: torch.Tensor):
        super().__init__()
        self.linear, self.real = nn.Linear(3, 3), torch.abs if values.is_complex() else torch.Tensor.float
        if kind == "parameter":
            self.table = nn.Parameter(values, requires_grad=False)
        elif kind == "constant":
            self.table = values
        else:
            self.register_buffer("table", values, persistent=kind == "buffer")

    def forward(self, x):
        return self.linear(x) + self.real(self.table)


INTEGERS = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.uint16, torch.uint64]
FLOATS = [torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn, torch.float8_e5m2]
COMPLEX = [torch.complex64, torch.complex128]


@pytest.mark.parametrize("kind", ["parameter", "buffer", "unsaved buffer", "constant"])
@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS, *COMPLEX], ids=str)
def test_tensors_of_every_type_are_written(kind, dtype):
    (x,) = numbers((2, 3))
    module = Typed(kind, torch.tensor([1.0, 0.0, 2.0]).to(dtype)).eval()
    graph = from_module(module, x)
    written = run(to_source(graph)).eval()
    written.load_state_dict(to_module(graph).state_dict())
    assert [value.dtype for value in written.state_dict().values()] == [v.dtype for v in module.state_dict().values()]
    assert [value.requires_grad for value in written.parameters()] == [v.requires_grad for v in module.parameters()]
    assert same(written(x), module(x))


def test_complex_constants_keep_infinity_and_signs():
    values = torch.tensor([complex(1, float("inf")), complex(-0.0, -0.0), complex(float("nan"), 0.5)])
    table = run(to_source(from_module(Typed("unsaved buffer", values), numbers((2, 3))[0]))).table
    assert same(torch.view_as_real(table), torch.view_as_real(values))
    assert torch.equal(torch.view_as_real(table).signbit()[:2], torch.view_as_real(values).signbit()[:2])

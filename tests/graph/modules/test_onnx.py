import numpy as np
import pytest
import torch
from torch.utils._pytree import tree_leaves

from netgraph import NetGraphError, from_module, to_module
from netgraph.graph import to_onnx
from netgraph.graph.read_module import example_of
from tests.graph.zoo_of_modules.exact import prepared
from tests.graph.zoo_of_modules.test_attention import GPT, ConvNeXtBlock
from tests.graph.zoo_of_modules.test_dense import dpn
from tests.graph.zoo_of_modules.test_sequences import Highway, ids, numbers


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize(
    ("build", "example"),
    [
        (dpn, numbers((2, 3, 16, 16))[0]),
        (GPT, ids(20, 2, 6)),
        (lambda: ConvNeXtBlock(8), numbers((2, 8, 8, 8))[0]),
        (Highway, numbers((3, 6))[0]),
        (lambda: torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU()), numbers((1, 3))[0]),
    ],
    ids=["DPN", "GPT", "ConvNeXt", "Highway", "feed-forward"],
)
def test_onnx_gives_the_same_numbers_for_any_number_of_rows(build, example, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    graph = from_module(prepared(build()), example)
    to_onnx(graph, tmp_path / "network.onnx")
    session = runtime.InferenceSession(str(tmp_path / "network.onnx"), providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    assert graph.program is None or given.name == graph.program.inputs[0]
    assert given.shape == ["batch", *example.shape[1:]]
    for x in (example, example[:1], torch.cat([example] * 3)):
        (found,) = session.run(None, {given.name: x.numpy()})
        with torch.no_grad():
            assert np.abs(found - to_module(graph)(x).numpy()).max() < 1e-4


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_a_module_is_written_as_its_graph(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU())
    to_onnx(module, tmp_path / "network.onnx")
    session = runtime.InferenceSession(str(tmp_path / "network.onnx"), providers=["CPUExecutionProvider"])
    for rows in (1, 5):
        x = torch.ones(rows, 3)
        (found,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        assert np.abs(found - module(x).detach().numpy()).max() < 1e-5


class Masked(torch.nn.Module):
    """Its second input has as many rows as the first by chance."""

    def forward(self, x, mask):
        return torch.softmax(x @ x.transpose(1, 2) + mask, -1) @ x


class Reshaped(torch.nn.Module):
    def forward(self, x):
        return torch.tanh(x).view(2, 6)


AXES = [
    (lambda: torch.nn.LSTM(4, 3), numbers((5, 2, 4)), [[5, "batch", 4]]),
    (Masked, numbers((3, 3, 4), (3, 3)), [["batch", 3, 4], [3, 3]]),
    (Reshaped, numbers((2, 3, 2)), [[2, 3, 2]]),
]


@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore:.*the batch axis cannot vary"
)
@pytest.mark.parametrize(("build", "example", "shapes"), AXES)
def test_the_batch_axis_is_the_one_that_can_vary(build, example, shapes, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    graph = from_module(prepared(build()), example)
    to_onnx(graph, tmp_path / "network.onnx")
    session = runtime.InferenceSession(str(tmp_path / "network.onnx"), providers=["CPUExecutionProvider"])
    assert [given.shape for given in session.get_inputs()] == shapes
    found = session.run(None, {name: x.numpy() for name, x in zip(graph.program.inputs, example, strict=True)})
    with torch.no_grad():
        expected = tree_leaves(to_module(graph)(*example))
    assert all(np.abs(a - b.numpy()).max() < 1e-5 for a, b in zip(found, expected, strict=True))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_batch_axis_that_cannot_vary_is_told(tmp_path):
    pytest.importorskip("onnxscript")
    graph = from_module(Reshaped(), numbers((2, 3, 2))[0])
    with pytest.warns(UserWarning, match=r"the batch axis cannot vary; the file holds for x \[2, 3, 2\] only"):
        to_onnx(graph, tmp_path / "network.onnx")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_what_onnx_cannot_express_is_an_error(tmp_path):
    graph = from_module(torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1)), torch.zeros(1, 1, 2, 2))
    with pytest.raises(NetGraphError, match=r"absent/x\.onnx"):
        to_onnx(graph, tmp_path / "absent" / "x.onnx")
    with pytest.raises(NetGraphError, match=r"network\.txt: is written as \.onnx; give a name that ends so$"):
        to_onnx(graph, tmp_path / "network.txt")
    assert example_of(graph).shape == (1, 1, 2, 2)


class Sized(torch.nn.Module):
    def forward(self, x):
        return torch.tanh(x), x.shape[1]


class Looped(torch.nn.Module):
    def __init__(self):
        super().__init__()
        layer = torch.nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
        self.encoder = torch.nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)

    def forward(self, x, mask):
        return self.encoder(x, mask=mask)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize(
    ("build", "example", "reason"),
    [
        (Sized, numbers((2, 3)), "output: 3 is no tensor"),
        (Looped, numbers((2, 3, 4), (3, 3)), "cannot express the network: Could not guard"),
    ],
)
def test_the_reason_for_which_onnx_cannot_express_a_network_is_named(build, example, reason, tmp_path):
    pytest.importorskip("onnxscript")
    graph = from_module(prepared(build()), example)
    with pytest.raises(NetGraphError, match=reason):
        to_onnx(graph, tmp_path / "network.onnx")

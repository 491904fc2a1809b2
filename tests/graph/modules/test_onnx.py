import numpy as np
import pytest
import torch

from netgraph import NetGraphError, from_module, to_module
from netgraph.graph import to_onnx
from netgraph.graph.modules.general import example_of
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
        (lambda: torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU()), numbers((2, 3))[0]),
    ],
    ids=["DPN", "GPT", "ConvNeXt", "Highway", "feed-forward"],
)
def test_onnx_gives_the_same_numbers(build, example, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    graph = from_module(prepared(build()), example)
    to_onnx(graph, tmp_path / "network.onnx")
    session = runtime.InferenceSession(str(tmp_path / "network.onnx"), providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    assert graph.program is None or given.name == graph.program.inputs[0]
    (found,) = session.run(None, {given.name: example.numpy()})
    with torch.no_grad():
        assert np.abs(found - to_module(graph)(example).numpy()).max() < 1e-4


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_what_onnx_cannot_express_is_an_error(tmp_path):
    graph = from_module(torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1)), torch.zeros(1, 1, 2, 2))
    with pytest.raises(NetGraphError, match=r"absent/x\.onnx"):
        to_onnx(graph, tmp_path / "absent" / "x.onnx")
    assert example_of(graph).shape == (1, 1, 2, 2)

"""Networks as ONNX files."""

from pathlib import Path

import torch

from netgraph.errors import UnsupportedLayerError, missing_extra
from netgraph.files import write_atomically
from netgraph.graph.modules.export import quiet
from netgraph.graph.modules.general import example_of
from netgraph.graph.modules.trace import first_line
from netgraph.graph.netgraph import NetGraph, as_graph
from netgraph.graph.to_module import to_module


def to_onnx(graph: NetGraph, path: str | Path) -> None:
    """Write a network, in evaluation mode and for inputs of the shapes it was read with, as an ONNX file.

    Its inputs are called as those of ``forward``.

    Raises:
        NetGraphError: When the extra ``[onnx]`` is not installed.
        UnsupportedLayerError: When ``torch.onnx`` cannot express the network.
    """
    example = example_of(as_graph(graph, "to_onnx"))
    inputs = example if isinstance(example, tuple) else (example,)
    names = None if graph.program is None else list(graph.program.inputs)
    try:
        with quiet():
            program = torch.onnx.export(to_module(graph), inputs, input_names=names, dynamo=True, verbose=False)
    except ImportError as error:
        raise missing_extra("ONNX needs onnx and onnxscript", "onnx") from error
    except Exception as error:
        raise UnsupportedLayerError(f"torch.onnx cannot express the network: {first_line(error)}") from error
    if program is None:
        raise UnsupportedLayerError("torch.onnx gave no program")
    write_atomically(Path(path), program.model_proto.SerializeToString())

"""Networks as ONNX files."""

import inspect
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from netgraph.errors import UnsupportedLayerError, missing_extra
from netgraph.files import write_atomically
from netgraph.graph.arguments import Network, as_graph
from netgraph.graph.modules.execute import NetworkModule
from netgraph.graph.modules.export import Dimension, quiet, resized
from netgraph.graph.modules.trace import first_line
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.read_module import example_of
from netgraph.graph.write_module import to_module
from netgraph.outputs import check_suffix

Given = Mapping[str, Any]


def to_onnx(graph: Network, path: str | Path) -> None:
    """Write a network, in evaluation mode, as an ONNX file for any number of rows.

    Its inputs are called as those of ``forward``. The batch axis is dynamic: the first dimension of the first input,
    and of all others that have as many rows; where layers read sequences first, the second too. Other sizes are those
    with which the network was read. Where the batch axis cannot vary it is the example's, and a warning says so.

    Args:
        graph: A graph, or a module that needs no example input.
        path: The file.

    Raises:
        NetGraphError: When the name ends in something else than ``.onnx``, or the extra ``[onnx]`` is not installed.
        UnsupportedLayerError: When ``torch.onnx`` cannot express the network.

    Example:
        >>> from netgraph import from_module
        >>> to_onnx(from_module(nn.Linear(3, 2)), "network.onnx")  # doctest: +SKIP
    """
    write_onnx(as_graph(graph, "to_onnx"), check_suffix(path, ".onnx"))


def write_onnx(graph: NetGraph, path: Path) -> None:
    """Write a network as an ONNX file of any name, see :func:`to_onnx`."""
    module, example = to_module(graph), example_of(graph)
    inputs = example if isinstance(example, tuple) else (example,)
    names = list(inspect.signature(module.forward).parameters) if graph.program is None else graph.program.inputs
    given = dict(zip(names, inputs, strict=True))
    with torch.no_grad():
        outputs = tree_leaves(module(*given.values()))
    for output in outputs:
        if not isinstance(output, Tensor | None):
            raise UnsupportedLayerError(f"output: {output!r} is no tensor, and an ONNX file holds tensors alone")
    # Recurrent layers are written for the length of the example, whatever its dimension is said to be.
    recurrent = any(isinstance(part, nn.RNNBase) for part in module.modules())
    for free in _choices(module, given, recurrent):
        exported = _try(module, given, free)
        if exported is not None and (
            not recurrent or _said(exported) == _said(_try(module, _grown(given, free), free))
        ):
            break
    else:
        exported = _export(module, given, [])
        shapes = ", ".join(f"{name} {list(x.shape)}" for name, x in given.items() if isinstance(x, Tensor))
        warnings.warn(f"{path}: the batch axis cannot vary; the file holds for {shapes} only", stacklevel=3)
    write_atomically(path, bytes(exported.SerializeToString()))


def _choices(module: nn.Module, given: Given, recurrent: bool) -> Iterator[list[Dimension]]:
    """List groups of dimensions that can grow together: those of all inputs with as many rows, or the first's alone."""
    names = [name for name, value in given.items() if isinstance(value, Tensor)]
    sequences_first = any(getattr(part, "batch_first", True) is False for part in module.modules())
    both = [] if recurrent else [(0, 1)]
    for axes in [*both, (1,), (0,)] if sequences_first else [(0,)]:
        if not names or given[names[0]].ndim <= max(axes):
            continue
        sizes = given[names[0]].shape
        alone = [(names[0], i) for i in axes]
        equal = [(name, i) for name in names for i in axes if given[name].ndim > i and given[name].shape[i] == sizes[i]]
        yield from (
            group for group in ([equal, alone] if equal != alone else [alone]) if _runs(module, _grown(given, group))
        )


def _grown(given: Given, free: list[Dimension]) -> Given:
    """Repeat the example along some dimensions: by two at least, since torch takes one for a fixed number."""
    for name, i in free:
        given = resized(given, [(name, i)], given[name].shape[i] + 2)
    return given


def _runs(module: nn.Module, given: Given) -> bool:
    try:
        with torch.no_grad():
            module(*given.values())
    except Exception:  # the network's own, on inputs that it was not made for
        return False
    return True


def _cause(error: BaseException) -> BaseException:
    """Return the first of a chain of errors: torch's own only name the step that failed."""
    return error if error.__cause__ is None else _cause(error.__cause__)


def _said(model: Any) -> set[str]:
    """List the operations and whole numbers of a file, without names."""
    from onnx.numpy_helper import to_array

    if model is None:
        return set()
    arrays = map(to_array, model.graph.initializer)
    nodes = (f"{node.op_type} {node.attribute}" for node in model.graph.node)
    return {*nodes, *(str(array.tolist()) for array in arrays if array.dtype.kind == "i")}


def _try(module: nn.Module, given: Given, free: list[Dimension]) -> Any:
    try:
        return _export(module, _grown(given, free), free)
    except UnsupportedLayerError:
        return None


def _export(module: nn.Module, given: Given, free: list[Dimension]) -> Any:
    """Write the module as ONNX, the sizes of some dimensions free."""
    axes = {i for _, i in free}
    names = dict.fromkeys(axes, "batch") if len(axes) == 1 else {i: f"dim_{i}" for i in axes}
    sizes = tuple({i: names[i] for name, i in free if name == key} for key in given)
    shapes = ((sizes,) if isinstance(module, NetworkModule) else sizes) if free else None
    values = tuple(given.values())
    try:
        with quiet():
            program = torch.onnx.export(
                module, values, input_names=list(given), dynamic_shapes=shapes, dynamo=True, verbose=False
            )
    except ImportError as error:
        raise missing_extra("ONNX needs onnx and onnxscript", "onnx") from error
    except Exception as error:
        raise UnsupportedLayerError(f"torch.onnx cannot express the network: {first_line(_cause(error))}") from error
    if program is None:
        raise UnsupportedLayerError("torch.onnx gave no program")
    return program.model_proto

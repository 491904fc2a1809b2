"""A network at a prompt and in a notebook: one line, a small picture, and a table of its layers as torchinfo's."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from torch import Tensor
from torch_geometric.data.data import size_repr

from netgraph.graph.architecture import Architecture, TensorSpec
from netgraph.graph.drawing import blocks_of
from netgraph.graph.modules.encoding import Encoded
from netgraph.graph.modules.program import GraphNode, NamedTensorSpec, Program
from netgraph.graph.modules.wiring import structure
from netgraph.graph.svg import network_svg
from netgraph.html import Html, fragment, paragraph, scroll, table_html
from netgraph.lines import counted, short

#: Most layers in one line, and most rows of a table; chosen.
MOST_STEPS, MOST_ROWS = 7, 24
#: Most attributes beside the network's own that are shown, and most letters of each.
_MOST_ATTRIBUTES, _MOST_LETTERS = 6, 40
#: Operations that read a part of a value, or its size, and compute nothing.
_READING = ("getitem", "getattr", "size")
NONE = float("nan")  # shown as a dash
Item = TypeVar("Item")


def facts(network: Architecture | Program, attributes: Mapping[str, Any]) -> str:
    """Return one line about a network, without reading its weights.

    Args:
        network: Its architecture or program.
        attributes: Further attributes of its graph.
    """
    parts = [layers_line(network), counted(structure(network).num_nodes, "node")]
    parts += [] if isinstance(network, Program) else [counted(network.num_edges, "edge")]
    return ", ".join([*parts, counted(n_parameters(network), "parameter"), *_attributes(attributes)])


def layers_line(network: Architecture | Program) -> str:
    """Return the layers of a network in one line; those in the middle of a long one are left out."""
    steps = [f"{block.type}({block.size})" for block in blocks_of(network)[0]]
    return " > ".join(_cut(steps, MOST_STEPS, lambda left_out: f"… {left_out:,} more …"))


def _cut(items: Sequence[Item], most: int, mark: Callable[[int], Item]) -> list[Item]:
    """Leave out the middle of a long list, with a mark in its place."""
    if len(items) <= most:
        return list(items)
    last = most // 3
    return [*items[: most - last - 1], mark(len(items) - most + 1), *items[-last:]]


def _attributes(attributes: Mapping[str, Any]) -> list[str]:
    shown = [_attribute(key, value) for key, value in list(attributes.items())[:_MOST_ATTRIBUTES]]
    return shown + (["…"] if len(attributes) > len(shown) else [])


def _attribute(key: str, value: object) -> str:
    text = f"{key}={value:.4g}" if isinstance(value, float) else str(size_repr(key, value))
    return short(text, _MOST_LETTERS)


def n_parameters(network: Architecture | Program) -> int:
    """Return the number of parameters, those of buffers left out, each once however many names it has."""
    if isinstance(network, Program):
        return sum(tensor.size for tensor in network.tensors if tensor.kind == "parameter")
    return sum(tensor.size for tensor in network.tensors if tensor.kind in ("edge", "bias"))


def network_html(
    network: Architecture | Program,
    state: Tensor,
    tensor: Callable[[TensorSpec], Tensor],
    attributes: Mapping[str, Any],
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
) -> Html:
    """Return a picture, a table of layers, and totals.

    Args:
        network: Its architecture or program.
        state: Its parameters and buffers.
        tensor: Reads one of its tensors.
        attributes: Further attributes of its graph.
        inputs: Names of its inputs in the picture.
        outputs: Those of its outputs.
    """
    rows = list(_program_rows(network) if isinstance(network, Program) else _architecture_rows(network))
    rows = _cut(rows, MOST_ROWS, lambda left_out: ["", f"… {left_out:,} more …", "", ""])
    table = table_html(["layer", "type", "output", "parameters"], rows)
    picture = network_svg(network, tensor, layers_line(network), inputs, outputs)
    totals = " · ".join([*_totals(network, state), *_attributes(attributes)])
    return fragment(*([scroll(picture)] if picture else []), table, paragraph(totals))


def _totals(network: Architecture | Program, state: Tensor) -> Iterator[str]:
    parameters, other = n_parameters(network), 0
    yield counted(parameters, "parameter")
    if isinstance(network, Program):
        frozen = sum(one.size for one in network.tensors if one.kind == "parameter" and not one.trainable)
        if frozen:
            yield f"{frozen:,} of them frozen"
        other = network.other_size
    buffers = sum(one.size for one in network.tensors) - parameters
    if buffers:
        yield f"{buffers:,} numbers in buffers"
    yield counted(structure(network).num_nodes, "node")
    if isinstance(network, Architecture):
        yield counted(network.num_edges, "edge")
    size = state.numel() * state.element_size() + other
    yield f"{size:,} bytes" if size < 1e5 else f"{size / 1e6:,.1f} MB"
    yield str(state.dtype).removeprefix("torch.")


def _architecture_rows(architecture: Architecture) -> Iterator[list[object]]:
    held = Counter[int]()
    for tensor in architecture.tensors:
        held[tensor.layer] += tensor.size if tensor.kind in ("edge", "bias") else 0
    for i, layer in enumerate(architecture.layers):
        settings = ", ".join(f"{name}={value}" for name, value in layer.hyper)
        kind = f"{layer.type}({settings})" if settings else layer.type
        yield [layer.name or str(i), kind, f"[{layer.size}]", held[i] or NONE]


def _program_rows(program: Program) -> Iterator[list[object]]:
    """Yield the calls that compute something, each with the parameters that no call before it has read."""
    held: dict[str, list[NamedTensorSpec]] = defaultdict(list)
    for tensor in program.tensors:
        for name in tensor.names if tensor.kind == "parameter" else ():
            steps = name.split(".")
            for depth in range(len(steps) + 1):
                held[".".join(steps[:depth])].append(tensor)
    counted: set[int] = set()
    for node in program.nodes:
        operation = node.target.rpartition(".")[2] if node.op == "call" else ""
        if operation in _READING:
            continue
        tensors = {id(one): one.size for one in held[node.target]} if node.op in ("module", "tensor") else {}
        new = sum(size for key, size in tensors.items() if key not in counted)
        parameters = "as above" if tensors and not new else new or NONE
        counted |= tensors.keys()
        yield [node.target if node.op != "call" else node.name, _type_of(program, node), _shape(node.shape), parameters]


def _type_of(program: Program, node: GraphNode) -> str:
    if node.op == "module":
        module = program.module_named.get(node.target)
        return "" if module is None else module.type
    return {"input": "Input", "tensor": "Parameter"}.get(node.op, node.target.rpartition(".")[2])


def _shape(shape: Encoded) -> str:
    """Write the shape of a value as torchinfo does; that of several in brackets."""
    if not isinstance(shape, tuple) or shape[:1] == ():
        return ""
    if shape[0] == "shape":
        return str(list(shape[2:]))
    return f"({', '.join(_shape(part) for part in shape[1:])})"

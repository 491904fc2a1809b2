"""The command ``netgraph convert``: modules, graphs and files, each to the others; GraphML and JSON for other tools."""

import json
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from netgraph.errors import NetGraphError
from netgraph.files import load_safetensors, make_folder, write_atomically
from netgraph.graph.arguments import Network, as_graph
from netgraph.graph.exchange import describe, to_networkx
from netgraph.graph.io import load_graphs
from netgraph.graph.modules.encoding import dtype_named
from netgraph.graph.modules.onnx import write_onnx
from netgraph.graph.modules.source import to_source
from netgraph.graph.modules.trace import first_line
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.read_module import from_module
from netgraph.graph.records import write_networks
from netgraph.graph.write_module import to_module
from netgraph.inputs import check_source, example_shapes, names_module
from netgraph.outputs import check_outputs, conversion_outputs, replacing, with_record
from netgraph.reading import building


def convert_file(
    source: str,
    out: str,
    to: str | None = None,
    example: str | None = None,
    weights: str | None = None,
    overwrite: bool = False,
) -> str:
    """Read a graph or a module and write it in another form; no file is unpickled.

    Args:
        source: A file of a graph, or MODULE:NAME.
        out: The file to write.
        to: graph, module, onnx, source, graphml or json; by the suffix of ``out`` when None.
        example: Shapes of the inputs of MODULE:NAME.
        weights: A state_dict for MODULE:NAME.
        overwrite: Whether files that exist may be replaced, though never one that was read.

    Returns:
        A report in one line.

    Raises:
        NetGraphError: When something cannot be read, or not be converted, the suffix contradicts ``to``, or a file
            would be lost.
    """
    check_source(source)
    path, (form, written) = Path(out), conversion_outputs(out, to)
    read_from = _from_python if names_module(source) else _from_file
    graph, read = read_from(source, example, weights)
    check_outputs(written, read, overwrite=overwrite)
    make_folder(path.parent)
    with replacing(written):
        _WRITERS[form](graph, path)
    return f"{graph.num_nodes} nodes, {graph.state.numel()} numbers in {out}"


def _from_file(source: str, example: str | None, weights: str | None) -> tuple[NetGraph, tuple[Path, ...]]:
    if example is not None or weights is not None:
        raise NetGraphError(f"{source}: --example and --weights go with MODULE:NAME only")
    graphs = load_graphs(source)
    if len(graphs) != 1:
        raise NetGraphError(
            f"{source}: holds {len(graphs)} graphs; convert takes one; netgraph.graph.load_graphs reads them"
        )
    return graphs[0], with_record(Path(source))


def _from_python(source: str, example: str | None, weights: str | None) -> tuple[NetGraph, tuple[Path, ...]]:
    module = load_module(source)
    if weights is not None:
        state = load_safetensors(Path(weights))
        with building(weights, "does not fit"):
            module.load_state_dict(state)
    graph = from_module(module, None if example is None else parse_example(example))
    names = {source.partition(":")[0], *(type(part).__module__ for part in module.modules())}
    files = [getattr(sys.modules.get(name), "__file__", None) for name in sorted(names)]
    return graph, tuple(Path(file) for file in (*files, weights) if file)


def load_module(source: str) -> nn.Module:
    """Import MODULE:NAME or FILE.py:NAME, a module, or a class or function without arguments that returns one.

    Raises:
        NetGraphError: When there is no such file or name, its code fails, or it is no module.

    Example:
        >>> load_module("torch.nn:Identity")
        Identity()
    """
    name, _, path = source.rpartition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        value = attrgetter(path)(_import_file(Path(name)) if name.endswith(".py") else import_module(name))
        module = value() if callable(value) and not isinstance(value, nn.Module) else value
    except (ImportError, AttributeError, TypeError, OSError) as error:
        raise NetGraphError(f"{source}: {first_line(error)}") from error
    except Exception as error:  # whatever the caller's own code raises
        raise NetGraphError(f"{source}: {type(error).__name__}: {first_line(error)}") from error
    if not isinstance(module, nn.Module):
        given = type(module).__name__
        raise NetGraphError(f"{source}: {given}, not a torch.nn.Module, nor a class or function that returns one")
    return module


def _import_file(path: Path) -> ModuleType:
    """Run a file of Python as a module, which may import its siblings."""
    name = f"netgraph_file_{path.stem}"
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    sys.path.insert(0, str(path.parent))
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def parse_example(text: str) -> Tensor | tuple[Tensor, ...]:
    """Build inputs from their shapes: "2,3,32,32", "long:2,8", several joined by ";".

    Raises:
        NetGraphError: When the text is not a list of shapes.

    Example:
        >>> [tuple(tensor.shape) for tensor in parse_example("2,3;long:4")]
        [(2, 3), (4,)]
    """
    generator = torch.Generator().manual_seed(0)
    inputs = []
    for kind, shape in example_shapes(text):
        try:
            dtype = dtype_named(kind)
            numbers = torch.randn(shape, generator=generator) if dtype.is_floating_point else torch.zeros(shape)
            inputs.append(numbers.to(dtype))
        except (RuntimeError, TypeError, NetGraphError) as error:  # of no such type, or larger than memory
            raise NetGraphError(f"--example {text!r}: {first_line(error)}") from None
    return inputs[0] if len(inputs) == 1 else tuple(inputs)


def _write_module(graph: NetGraph, path: Path) -> None:
    """Write the state_dict as safetensors and the class beside it."""
    from safetensors.torch import save

    state = {name: value.clone().contiguous() for name, value in to_module(graph).state_dict().items()}
    write_atomically(path, save(state))
    write_atomically(path.with_suffix(".py"), to_source(graph).encode())


def to_json(graph: Network) -> dict[str, Any]:
    """Return nodes and edges as JSON's types; a sensitivity that is not measured is null.

    Returns:
        ``vertices``: {index, type, layer, parent, bias, sensitivity}; ``edges``: {source, target, weight, structural},
        a weight being a list where it is a kernel.

    Example:
        >>> import netgraph, torch
        >>> to_json(netgraph.from_module(torch.nn.Linear(2, 1)))["vertices"][0]
        {'index': 0, 'type': 'Input', 'layer': 'input_1', 'parent': -1, 'bias': 0.0, 'sensitivity': None}
    """
    described = describe(as_graph(graph, "to_json"))
    return {"format": "netgraph.json", "version": 1, "vertices": described["nodes"], "edges": described["edges"]}


def to_graphml(graph: Network) -> str:
    """Write a graph as GraphML; a kernel is text, its numbers separated by spaces."""
    import networkx as nx

    network = to_networkx(as_graph(graph, "to_graphml"))
    network.graph.clear()
    for *_, edge in network.edges(data=True):
        if isinstance(edge["weight"], list):
            edge["weight"] = " ".join(map(str, edge["weight"]))
    return "\n".join(nx.generate_graphml(network))


_WRITERS: dict[str, Callable[[NetGraph, Path], Any]] = {
    "graph": lambda graph, path: write_networks([graph], path),
    "module": _write_module,
    "onnx": write_onnx,
    "source": lambda graph, path: write_atomically(path, to_source(graph).encode()),
    "graphml": lambda graph, path: write_atomically(path, to_graphml(graph).encode()),
    "json": lambda graph, path: write_atomically(path, json.dumps(to_json(graph)).encode()),
}

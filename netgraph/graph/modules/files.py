"""The command ``netgraph convert``: modules, graphs and files, each to the others; GraphML and JSON for other tools."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from netgraph.errors import NetGraphError
from netgraph.files import make_folder, write_atomically
from netgraph.graph.arguments import Network, as_graph
from netgraph.graph.exchange import describe, to_networkx
from netgraph.graph.io import load_graphs
from netgraph.graph.modules.given import load_module, parse_example, read_state_dict
from netgraph.graph.modules.onnx import write_onnx
from netgraph.graph.modules.source import to_source
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.read_module import from_module
from netgraph.graph.records import write_networks
from netgraph.graph.write_module import to_module
from netgraph.inputs import check_source, names_module
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
        source: A file of a graph, or FILE.py:NAME or MODULE:NAME.
        out: The file to write.
        to: graph, module, onnx, source, graphml or json; by the suffix of ``out`` when None.
        example: Shapes of the inputs of the module.
        weights: A state_dict for the module, see :func:`~netgraph.graph.modules.given.read_state_dict`.
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
    files = " and ".join(map(str, written))
    if form == "source":
        return f"the class of a network of {graph.num_nodes} nodes in {files}; --to module writes its weights too"
    return f"{graph.num_nodes} nodes, {graph.state.numel()} numbers in {files}"


def _from_file(source: str, example: str | None, weights: str | None) -> tuple[NetGraph, tuple[Path, ...]]:
    if example is not None or weights is not None:
        raise NetGraphError(f"{source}: --example and --weights go with FILE.py:NAME or MODULE:NAME only")
    graphs = load_graphs(source)
    if len(graphs) != 1:
        raise NetGraphError(
            f"{source}: holds {len(graphs)} graphs; convert takes one; netgraph.graph.load_graphs reads them"
        )
    return graphs[0], with_record(Path(source))


def _from_python(source: str, example: str | None, weights: str | None) -> tuple[NetGraph, tuple[Path, ...]]:
    module = load_module(source)
    if weights is not None:
        state = read_state_dict(Path(weights))
        with building(weights, "does not fit"):
            module.load_state_dict(state)
    graph = from_module(module, None if example is None else parse_example(example))
    names = {source.partition(":")[0], *(type(part).__module__ for part in module.modules())}
    files = [getattr(sys.modules.get(name), "__file__", None) for name in sorted(names)]
    return graph, tuple(Path(file) for file in (*files, weights) if file)


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

"""Networks as lists of nodes and edges: plain values for JSON, and graphs of networkx."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import Architecture
from netgraph.graph.check import check_architecture
from netgraph.graph.modules.encoding import dtype_named
from netgraph.graph.modules.program import Program
from netgraph.graph.modules.registry import NAMES
from netgraph.graph.modules.wiring import structure, wire
from netgraph.graph.records import Held, program_from_record
from netgraph.reading import building, field_of, typed

if TYPE_CHECKING:
    from networkx import MultiDiGraph

#: The attribute of a graph of networkx that holds the layers, and all numbers of the state.
RECORD = "netgraph"


def layer_names(network: Architecture | Program) -> list[str]:
    """Return the name of each node's layer, its type and position where it has none, [N]."""
    if isinstance(network, Program):
        return [group.name for group in wire(network).groups for _ in range(group.size)]
    names = [layer.name or f"{layer.type}_{i}" for i, layer in enumerate(network.layers)]
    return [names[i] for i in network.layer_of.tolist()]


def describe(graph: Any) -> dict[str, list[dict[str, Any]]]:
    """Return nodes and edges as plain values; a sensitivity that is not measured is None.

    Returns:
        ``nodes``: {index, type, layer, parent, bias, sensitivity}; ``edges``: {source, target, weight, structural}, a
        weight being a list where it is a kernel.
    """
    source, target = graph.edge_index.tolist()
    nodes = {
        "index": range(graph.num_nodes),
        "type": [NAMES[code] for code in graph.layer_type.tolist()],
        "layer": layer_names(graph.architecture),
        "parent": graph.parent.tolist(),
        "bias": graph.bias.tolist(),
        "sensitivity": [value if math.isfinite(value) else None for value in graph.sensitivity.tolist()],
    }
    weights, structural = graph.edge_weight.tolist(), graph.structural.tolist()
    edges = {"source": source, "target": target, "weight": weights, "structural": structural}
    rows = [[dict(zip(c, row, strict=True)) for row in zip(*c.values(), strict=True)] for c in (nodes, edges)]
    return {"nodes": rows[0], "edges": rows[1]}


def to_networkx(graph: Any) -> "MultiDiGraph":
    """Return a network as a graph of networkx, see :meth:`netgraph.NetGraph.to_networkx`."""
    import networkx as nx

    described, network = describe(graph), nx.MultiDiGraph()
    for node in described["nodes"]:
        network.add_node(node.pop("index"), **{key: value for key, value in node.items() if value is not None})
    for edge in described["edges"]:
        network.add_edge(edge.pop("source"), edge.pop("target"), **edge)
    kind = "architecture" if graph.program is None else "program"
    network.graph[RECORD] = {
        kind: asdict(graph.architecture),
        "dtype": str(graph.state.dtype).removeprefix("torch."),
        "state": graph.state.tolist(),
        "other_state": graph.other_state.tolist(),
    }
    return network


def from_networkx(network: Any) -> tuple[Held, Tensor, Tensor]:
    """Read a graph of :func:`to_networkx`.

    Returns:
        The fields of the network before its weights were changed, if they were; edge weights, [E] or [E, k], and
        biases, [N].

    Raises:
        NetGraphError: When it has no record of the layers, or other nodes or edges than they have.
    """
    import networkx as nx

    record = network.graph.get(RECORD) if isinstance(network, nx.MultiDiGraph) else None
    if not isinstance(record, Mapping):
        raise NetGraphError("from_networkx: expected a MultiDiGraph of graph.to_networkx(), which holds the layers")
    with building("from_networkx", "not a record of a network"):
        own = _network(record)
        dtype, wiring = dtype_named(field_of(record, "dtype", str)), structure(own)
        state = torch.tensor(record["state"], dtype=dtype)
        other = torch.tensor(record["other_state"], dtype=torch.uint8)
        _check_nodes(network, wiring.num_nodes)
        nodes = [network.nodes[node] for node in range(wiring.num_nodes)]
        edges = sorted(network.edges(keys=True), key=lambda edge: (edge[1], edge[0], edge[2]))
        _check_edges([edge[:2] for edge in edges], wiring.edge_index.T.tolist())
        weight = torch.tensor([network.edges[edge]["weight"] for edge in edges], dtype=dtype)
        bias = torch.tensor([node["bias"] for node in nodes], dtype=dtype)
        sensitivity = torch.tensor([node.get("sensitivity", math.nan) for node in nodes], dtype=dtype)
    return (own, state, sensitivity, other if isinstance(own, Program) else None), weight, bias


def _network(record: Mapping[str, Any]) -> Architecture | Program:
    """Read the layers of a network."""
    if "program" in record:
        return program_from_record(record["program"])
    architecture = typed(Architecture, record["architecture"], "architecture")
    check_architecture(architecture)
    return architecture


def _check_nodes(network: Any, size: int) -> None:
    """Raise where nodes are missing, or there are others than the layers have."""
    known = set(range(size))
    for node in network.nodes:
        if node not in known:
            raise NetGraphError(f"node {node!r} belongs to no layer, whose nodes are 0 to {size - 1}")
    if missing := known - set(network.nodes):
        raise NetGraphError(f"node {min(missing)} is missing; netgraph.prune removes nodes of a network")


def _check_edges(given: list[Any], expected: list[Any]) -> None:
    """Raise where edges are missing, or there are others than the layers have."""
    for mine, theirs in zip([*map(tuple, given), None], [*map(tuple, expected), None], strict=False):
        if mine != theirs:
            absent = mine is None or (theirs is not None and mine[::-1] > theirs[::-1])
            edge, problem = (
                (theirs, "is missing; a weight of 0 stands for none") if absent else (mine, "is of no layer")
            )
            raise NetGraphError(f"edge {edge} {problem}")

"""Graphs as GraphML and JSON, vertex by vertex, for other people's tools."""

import math
from typing import Any

from netgraph.graph.modules.vocabulary import NAMES
from netgraph.graph.netgraph import NetGraph, as_graph


def to_json(graph: NetGraph) -> dict[str, Any]:
    """Give vertices and edges as JSON's types; what is not measured is null.

    Returns:
        ``vertices``: {index, type, parent, bias, sensitivity}; ``edges``: {source, target, weight, structural}, a
        weight being a list where it is a kernel.
    """
    graph = as_graph(graph, "to_json")
    columns = zip(
        graph.layer_type.tolist(), graph.parent.tolist(), graph.bias.tolist(), graph.sensitivity.tolist(), strict=True
    )
    vertices = [
        {"index": i, "type": NAMES[kind], "parent": parent, "bias": bias, "sensitivity": _finite(sensitivity)}
        for i, (kind, parent, bias, sensitivity) in enumerate(columns)
    ]
    edges = [
        {"source": source, "target": target, "weight": weight, "structural": structural}
        for (source, target), weight, structural in zip(
            graph.edge_index.t().tolist(), graph.edge_weight.tolist(), graph.structural.tolist(), strict=True
        )
    ]
    return {"format": "netgraph.json", "version": 1, "vertices": vertices, "edges": edges}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def to_graphml(graph: NetGraph) -> str:
    """Give a graph as GraphML; a kernel is text, its numbers separated by spaces."""
    import networkx as nx

    described = to_json(graph)
    network = nx.DiGraph()
    for vertex in described["vertices"]:
        network.add_node(vertex.pop("index"), **{key: value for key, value in vertex.items() if value is not None})
    for edge in described["edges"]:
        weight = edge["weight"]
        text = " ".join(map(str, weight)) if isinstance(weight, list) else weight
        network.add_edge(edge["source"], edge["target"], weight=text, structural=edge["structural"])
    return "\n".join(nx.generate_graphml(network))

"""Graphs as named tensors and plain records, the two halves of every file that holds networks."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from netgraph.files import read_tensors, write_tensors
from netgraph.graph.architecture import Architecture, Layer
from netgraph.graph.netgraph import NetGraph

FORMAT, VERSION = "netgraph.graphs", 1


def to_tensors(graphs: Sequence[NetGraph]) -> tuple[dict[str, Tensor], list[Any]]:
    """Split graphs into tensors (``state``, ``sensitivity``, ``architecture``) and records of their architectures."""
    architectures = list(dict.fromkeys(graph.architecture for graph in graphs))
    position = {architecture: i for i, architecture in enumerate(architectures)}
    tensors = {
        "state": torch.cat([graph.state for graph in graphs]),
        "sensitivity": torch.cat([graph.sensitivity for graph in graphs]),
        "architecture": torch.tensor([position[graph.architecture] for graph in graphs]),
    }
    return tensors, [[asdict(layer) for layer in architecture.layers] for architecture in architectures]


def from_tensors(tensors: dict[str, Tensor], records: Sequence[Any]) -> list[NetGraph]:
    """Invert :func:`to_tensors`; graphs of one architecture share it."""
    architectures = read_architectures(records)
    chosen = [architectures[i] for i in tensors["architecture"].tolist()]
    states = tensors["state"].split([architecture.state_size for architecture in chosen])
    sensitivities = tensors["sensitivity"].split([architecture.num_nodes for architecture in chosen])
    return [NetGraph(*fields) for fields in zip(chosen, states, sensitivities, strict=True)]


def read_architectures(records: Sequence[Any]) -> list[Architecture]:
    """Read the records of :func:`to_tensors`."""
    return [Architecture(tuple(_layer(row) for row in rows)) for rows in records]


def _layer(row: dict[str, Any]) -> Layer:
    hyper = tuple((name, value) for name, value in row["hyper"])
    return Layer(row["type"], tuple(row["inputs"]), row["size"], row["name"], hyper)


def save_graphs(graphs: Sequence[NetGraph], path: str | Path) -> None:
    """Write graphs to ``path`` (safetensors) and, last, its record, of the same name with ``.json``."""
    tensors, architectures = to_tensors(graphs)
    write_tensors(Path(path), tensors, FORMAT, VERSION, {"architectures": architectures})


def load_graphs(path: str | Path) -> list[NetGraph]:
    """Read what :func:`save_graphs` wrote.

    Raises:
        StoreError: When a file is missing, damaged or of another version.
    """
    tensors, record = read_tensors(Path(path), FORMAT, VERSION)
    return from_tensors(tensors, record["architectures"])

"""Graphs as named tensors and a small record, the two halves of every file that holds networks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from netgraph.files import building_from, read_tensors, write_tensors
from netgraph.graph.check_table import check_layers, check_length, check_lengths, check_range, column
from netgraph.graph.layers import BY_CODE, layer_type
from netgraph.graph.netgraph import NetGraph, as_graphs
from netgraph.graph.table import DEFAULTS, LayerTable
from netgraph.reading import field_of

FORMAT, VERSION = "netgraph.graphs", 2
#: Columns of a layer table that are stored as they are.
_COLUMNS = ("count", "size", "fan", "operand")


def to_tensors(graphs: Sequence[NetGraph]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Split graphs into tensors and a record.

    Returns:
        ``state`` and ``sensitivity`` of the graphs one after the other, ``architecture``, the number of each graph's
        architecture, and ``layers.*``, the layer tables of the architectures, each once; and a record of the names
        that the tensors refer to by number.
    """
    graphs = as_graphs(graphs, "graphs to write")
    architectures = list(dict.fromkeys(graph.architecture for graph in graphs))
    position = {architecture: i for i, architecture in enumerate(architectures)}
    layers, record = table_to_tensors(LayerTable.pack(architectures))
    tensors = {
        "state": torch.cat([graph.state for graph in graphs] or [torch.zeros(0)]),
        "sensitivity": torch.cat([graph.sensitivity for graph in graphs] or [torch.zeros(0)]),
        "architecture": torch.tensor([position[graph.architecture] for graph in graphs], dtype=torch.int32),
    }
    return tensors | layers, record


def from_tensors(tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> list[NetGraph]:
    """Invert :func:`to_tensors`; graphs of one architecture share it.

    Raises:
        NetGraphError: When they do not describe networks.
    """
    table = table_from_tensors(tensors, record)
    rows = column(tensors, "architecture").numpy().astype(np.int64)
    check_range("architecture", rows, len(table))
    architectures = [table.architecture(i) for i in range(len(table))]
    chosen = [architectures[i] for i in rows.tolist()]
    parts = []
    for name, sizes in (("state", table.state_size[rows]), ("sensitivity", table.num_nodes[rows])):
        values = column(tensors, name, floating=True)
        check_length(name, values, int(sizes.sum()))
        parts.append(values.split(sizes.tolist()))
    return [NetGraph(*fields) for fields in zip(chosen, *parts, strict=True)]


def table_to_tensors(table: LayerTable) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Split a layer table into narrow tensors and a record of its names; hyper-parameters only where not default."""
    codes, kind = np.unique(table.code, return_inverse=True)
    names = list(dict.fromkeys(table.names))
    position = {one: i for i, one in enumerate(names)}
    changed = np.flatnonzero(table.changed)
    arrays: dict[str, Any] = {name: getattr(table, name) for name in _COLUMNS}
    arrays |= {"type": kind, "names": np.array([position[one] for one in table.names], dtype=np.int64)}
    arrays |= {"changed": changed}
    tensors = {f"layers.{name}": torch.from_numpy(array).int() for name, array in arrays.items()}
    tensors["layers.hyper"] = torch.from_numpy(table.hyper[changed])
    return tensors, {"layer_types": [BY_CODE[code].name for code in codes.tolist()], "names": names}


def table_from_tensors(tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> LayerTable:
    """Invert :func:`table_to_tensors`.

    Raises:
        NetGraphError: When a layer type is unknown, or the layers do not form networks.
    """
    keys = (*_COLUMNS, "type", "names", "changed")
    arrays = {key: column(tensors, f"layers.{key}").numpy().astype(np.int64) for key in keys}
    types, names = field_of(record, "layer_types", list[str]), field_of(record, "names", list[list[str]])
    for key, end in (("type", len(types)), ("names", len(names)), ("changed", len(arrays["type"]))):
        check_range(f"layers.{key}", arrays[key], end)
    code = np.array([layer_type(name).code for name in types], dtype=np.int64)[arrays["type"]]
    hyper, given = DEFAULTS[code], column(tensors, "layers.hyper", 2, floating=True).numpy()
    hyper[arrays["changed"], : given.shape[1]] = given
    rows = [tuple(row) for row in names]
    columns = {name: arrays[name] for name in _COLUMNS}
    table = LayerTable(code=code, hyper=hyper, names=tuple([rows[i] for i in arrays["names"].tolist()]), **columns)
    check_lengths(table)
    check_layers(table)
    return table


def save_graphs(graphs: Sequence[NetGraph], path: str | Path) -> None:
    """Write graphs to ``path`` (safetensors) and, last, its record, of the same name with ``.json``."""
    tensors, architectures = to_tensors(graphs)
    write_tensors(Path(path), tensors, FORMAT, VERSION, {"architectures": architectures})


def load_graphs(path: str | Path) -> list[NetGraph]:
    """Read what :func:`save_graphs` wrote.

    Raises:
        NetGraphError: When a file is missing, damaged or of another version, or does not describe networks.
    """
    tensors, record = read_tensors(Path(path), FORMAT, VERSION)
    with building_from(Path(path), record):
        return from_tensors(tensors, field_of(record, "architectures", dict[str, Any]))

"""Graphs as named tensors and a small record, the two halves of every file that holds networks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from netgraph.files import read_tensors, write_tensors
from netgraph.graph.layers import BY_CODE, layer_type
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.table import DEFAULTS, LayerTable

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
    """Invert :func:`to_tensors`; graphs of one architecture share it."""
    table = table_from_tensors(tensors, record)
    architectures = [table.architecture(i) for i in range(len(table))]
    chosen = [architectures[i] for i in tensors["architecture"].tolist()]
    states = tensors["state"].split([architecture.state_size for architecture in chosen])
    sensitivities = tensors["sensitivity"].split([architecture.num_nodes for architecture in chosen])
    return [NetGraph(*fields) for fields in zip(chosen, states, sensitivities, strict=True)]


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
        NetGraphError: When a layer type is unknown.
    """
    arrays = {key: tensors[f"layers.{key}"].numpy() for key in (*_COLUMNS, "type", "names", "changed", "hyper")}
    codes = np.array([layer_type(name).code for name in record["layer_types"]], dtype=np.int64)
    code = codes[arrays["type"]]
    hyper = DEFAULTS[code]
    hyper[arrays["changed"]] = arrays["hyper"]
    names = [tuple(row) for row in record["names"]]
    columns = {name: arrays[name].astype(np.int64) for name in _COLUMNS}
    return LayerTable(code=code, hyper=hyper, names=tuple([names[i] for i in arrays["names"].tolist()]), **columns)


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

"""Graphs as named tensors and a small record, the two halves of every file that holds networks."""

from collections.abc import Mapping, Sequence, Sized
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from netgraph.errors import InvalidGraphError
from netgraph.files import building_from, read_tensors, write_tensors
from netgraph.graph.check import check_architectures
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
        NetGraphError: When a layer type is unknown, or the layers do not form networks, with the first that cannot.
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
    _check_lengths(table)
    check_architectures(table)
    return table


def column(tensors: Mapping[str, Tensor], name: str, ndim: int = 1, *, floating: bool = False) -> Tensor:
    """Return a tensor of whole numbers, or of floating-point numbers, with so many dimensions.

    Raises:
        InvalidGraphError: When there is none.
    """
    found = tensors.get(name)
    if found is None:
        raise InvalidGraphError(f"has no tensor {name!r}")
    whole = not (found.is_floating_point() or found.is_complex()) and found.element_size() > 1
    if found.ndim != ndim or not (found.is_floating_point() if floating else whole):
        kind = "floating-point" if floating else "whole"
        raise InvalidGraphError(
            f"tensor {name!r} has shape {tuple(found.shape)} and type {found.dtype}; expected {kind} numbers with "
            f"{ndim} dimension{'s' * (ndim > 1)}"
        )
    return found


def check_range(name: str, values: npt.NDArray[np.int64], end: int) -> None:
    """Check that numbers count entries of which there are ``end``.

    Raises:
        InvalidGraphError: When one does not.
    """
    wrong = (values < 0) | (values >= end)
    if wrong.any():
        raise InvalidGraphError(f"tensor {name!r} holds {values[wrong][0]}, outside of 0 to {end - 1}")


def _check_lengths(table: LayerTable) -> None:
    """Check that the columns of a table belong together."""
    layers = len(table.code)
    expected = {"size": layers, "fan": layers, "hyper": layers, "operand": int(table.fan.sum())}
    for name, length in expected.items():
        found = len(getattr(table, name))
        if found != length:
            raise InvalidGraphError(f"tensor 'layers.{name}' has {found} entries, expected {length}")
    if (table.count < 1).any() or int(table.count.sum()) != layers:
        raise InvalidGraphError(f"tensor 'layers.count' counts {int(table.count.sum())} layers, expected {layers}")
    if (table.fan < 0).any():
        raise InvalidGraphError("tensor 'layers.fan' holds a negative number")
    if [len(names) for names in table.names] != table.count.tolist():
        raise InvalidGraphError("an architecture has another number of names than of layers")


def check_length(name: str, values: Sized, expected: int) -> None:
    """Check the length of a tensor.

    Raises:
        InvalidGraphError: When it is another.
    """
    if len(values) != expected:
        raise InvalidGraphError(f"tensor {name!r} has {len(values)} entries instead of {expected}")


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

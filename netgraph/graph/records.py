"""Networks as named tensors and a small record, the two halves of every file that holds them; no code, no pickle.

A network is here its four fields: architecture or program, state, sensitivity, bytes of tensors of other types.
"""

from collections.abc import Mapping, Sequence, Sized
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from netgraph.errors import InvalidGraphError, StoreError
from netgraph.files import building_from, read_tensors, record_path, write_tensors
from netgraph.graph.architecture import Architecture
from netgraph.graph.check import check_architectures
from netgraph.graph.layers import BY_CODE, layer_type
from netgraph.graph.modules.check import check
from netgraph.graph.modules.encoding import dtype_named, from_json
from netgraph.graph.modules.program import CallGraph, Program
from netgraph.graph.modules.wiring import wire
from netgraph.graph.table import DEFAULTS, LayerTable
from netgraph.reading import building, field_of, read_json, typed

FORMAT, VERSION = "netgraph.graphs", 2
#: Files of general graphs had a format of their own at first.
_FIRSTGENERAL = "netgraph.modules", 1
#: Keys that the records of programs had at first, and those that stand for them now.
_RENAMED = {"parts": "modules", "table": "calls", "train_table": "train_calls", "rows": "nodes", "hyper": "kwargs"}
#: Tensors of the graph of a program.
GENERAL = ("state", "other_state", "sensitivity")
#: Characters that no name of a layer has.
_QUOTING = '"\\'
#: Columns of a layer table that are stored as they are.
_COLUMNS = ("count", "size", "fan", "operand")
#: Fields of a network, in the order of a NetGraph's arguments.
Held = tuple[Architecture | Program, Tensor, Tensor, Tensor | None]


def to_tensors(graphs: Sequence[Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Split feed-forward graphs into tensors and a record.

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


def from_tensors(tensors: Mapping[str, Tensor], record: Mapping[str, Any], general: Sequence[Held] = ()) -> list[Held]:
    """Invert :func:`to_tensors`; networks of one architecture share it.

    Args:
        tensors: The tensors.
        record: The record.
        general: Networks of programs, which stand where the number of an architecture is -1.

    Raises:
        NetGraphError: When they do not describe networks.
    """
    table = table_from_tensors(tensors, record)
    numbers = column(tensors, "architecture").numpy().astype(np.int64)
    rows = numbers[numbers != -1] if general else numbers
    check_range("architecture", rows, len(table))
    if len(numbers) - len(rows) != len(general):
        raise InvalidGraphError(f"tensor 'architecture' has {len(numbers) - len(rows)} programs, not {len(general)}")
    architectures = [table.architecture(i) for i in range(len(table))]
    columns = []
    for name, sizes in (("state", table.state_size[rows]), ("sensitivity", table.num_nodes[rows])):
        values = column(tensors, name, floating=True)
        check_length(name, values, int(sizes.sum()))
        columns.append(values.split(sizes.tolist()))
    feed_forward: Any = ((architectures[row], *own, None) for row, *own in zip(rows.tolist(), *columns, strict=True))
    others = iter(general)
    return [next(others if number < 0 else feed_forward) for number in numbers.tolist()]


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
    for key, length in (("size", len(code)), ("fan", len(code)), ("operand", int(arrays["fan"].sum()))):
        check_length(f"layers.{key}", arrays[key], length)
    if (arrays["fan"] < 0).any():
        raise InvalidGraphError("tensor 'layers.fan' holds a negative number")
    changed = column(tensors, "layers.hyper", 2, floating=True).numpy()
    check_length("layers.hyper", changed, len(arrays["changed"]))
    hyper = DEFAULTS[code]
    hyper[arrays["changed"], : changed.shape[1]] = changed
    for name in {name for row in names for name in row}:
        if not name.isprintable() or {*name} & {*_QUOTING}:  # names become code where a network is run
            raise InvalidGraphError(f"{name!r} is no name of a layer")
    rows = [tuple(row) for row in names]
    owners = [rows[i] for i in arrays["names"].tolist()]
    if int(arrays["count"].sum()) != len(code) or [len(row) for row in owners] != arrays["count"].tolist():
        raise InvalidGraphError("an architecture has another number of layers, or of their names, than it counts")
    table = LayerTable(code=code, hyper=hyper, names=tuple(owners), **{name: arrays[name] for name in _COLUMNS})
    check_architectures(table)
    return table


def column(tensors: Mapping[str, Tensor], name: str, ndim: int = 1, *, floating: bool = False) -> Tensor:
    """Return a tensor of ``ndim`` dimensions of whole numbers, or of floating-point numbers.

    Raises:
        InvalidGraphError: When there is none.
    """
    tensor = tensors.get(name)
    if tensor is None:
        raise InvalidGraphError(f"has no tensor {name!r}")
    whole = not (tensor.is_floating_point() or tensor.is_complex()) and tensor.element_size() > 1
    if tensor.ndim != ndim or not (tensor.is_floating_point() if floating else whole):
        kind = "floating-point" if floating else "whole"
        raise InvalidGraphError(
            f"tensor {name!r} has shape {tuple(tensor.shape)} and type {tensor.dtype}; expected {kind} numbers with "
            f"{ndim} dimension{'s' * (ndim > 1)}"
        )
    return tensor


def check_range(name: str, values: npt.NDArray[np.int64], end: int) -> None:
    """Check that numbers are from 0 to ``end`` - 1.

    Raises:
        InvalidGraphError: With the first that is not.
    """
    wrong = (values < 0) | (values >= end)
    if wrong.any():
        raise InvalidGraphError(f"tensor {name!r} holds {values[wrong][0]}, outside of 0 to {end - 1}")


def check_length(name: str, values: Sized, expected: int) -> None:
    """Check the length of a tensor.

    Raises:
        InvalidGraphError: When it is another.
    """
    if len(values) != expected:
        raise InvalidGraphError(f"tensor {name!r} has {len(values)} entries instead of {expected}")


def write_networks(graphs: Sequence[Any], path: str | Path) -> None:
    """Write graphs of any kind to ``path`` (safetensors) and, last, its record, of the same name with ``.json``.

    Feed-forward networks are held together, see :func:`to_tensors`. The i-th of the others has a program in the record,
    and tensors of its own, ``i.state``, ``i.other_state`` and ``i.sensitivity``.
    """
    programs = [graph.program for graph in graphs]
    tensors, architectures = to_tensors([graph for graph in graphs if graph.program is None])
    numbers = iter(tensors["architecture"].tolist())
    tensors["architecture"] = torch.tensor([-1 if one else next(numbers) for one in programs], dtype=torch.int32)
    for i, graph in enumerate(graph for graph in graphs if graph.program is not None):
        tensors |= {f"{i}.{key}": graph[key].detach().clone() for key in GENERAL}
    record = {"architectures": architectures, "programs": [asdict(program) for program in programs if program]}
    write_tensors(Path(path), tensors, FORMAT, VERSION, record)


def read_networks(path: str | Path) -> list[Held]:
    """Read the networks of a file of :func:`write_networks`.

    Raises:
        NetGraphError: When a file is missing, damaged or of another version, or does not describe networks.
    """
    path = Path(path)
    beside = record_path(path)
    if not beside.exists():
        raise StoreError(f"{path}: has no record {beside.name} beside it (no such file), so it is no graph of netgraph")
    described = read_json(beside)
    first = isinstance(described, dict) and described.get("format") == _FIRSTGENERAL[0]
    tensors, record = read_tensors(path, *(_FIRSTGENERAL if first else (FORMAT, VERSION)))
    with building_from(path, record):
        programs = field_of(record, "programs", list[dict[str, Any]]) if first or "programs" in record else []
        with building(beside, "not a record of networks"):
            general = [general_fields(i, program_from_record(program), tensors) for i, program in enumerate(programs)]
        return general if first else from_tensors(tensors, field_of(record, "architectures", dict[str, Any]), general)


def general_fields(i: int, program: Program, tensors: Mapping[str, Tensor]) -> Held:
    """Return the fields of the graph of a program; sizes are checked before any is laid out in memory.

    Args:
        i: Its number, with which the names of its tensors begin.
        program: The program.
        tensors: ``i.state``, ``i.other_state`` and ``i.sensitivity``, among others.

    Raises:
        InvalidGraphError: When a tensor is missing, or does not fit the program.
    """
    for key in GENERAL:
        if f"{i}.{key}" not in tensors or tensors[f"{i}.{key}"].ndim != 1:
            raise InvalidGraphError(f"has no tensor {f'{i}.{key}'!r} of one dimension")
    state, other, sensitivity = (tensors[f"{i}.{key}"] for key in GENERAL)
    for name, found, expected in (("state", state, program.state_size), ("other_state", other, program.other_size)):
        if len(found) != expected:
            raise InvalidGraphError(f"program {i}: {name} has shape {tuple(found.shape)} instead of ({expected},)")
    dtype = dtype_named(program.dtype)
    if state.dtype != dtype and not (state.is_floating_point() and dtype.is_floating_point):
        raise InvalidGraphError(f"program {i}: state has type {state.dtype} instead of {dtype}")
    if other.dtype != torch.uint8:
        raise InvalidGraphError(f"program {i}: other_state holds bytes; given {other.dtype}")
    nodes = wire(program, len(sensitivity)).num_nodes
    if len(sensitivity) != nodes:
        raise InvalidGraphError(f"program {i}: sensitivity has shape ({len(sensitivity)},) instead of ({nodes},)")
    return program, state, sensitivity, other


def program_from_record(record: dict[str, Any]) -> Program:
    """Build a program from its fields as JSON holds them.

    Raises:
        InvalidGraphError: When the program is not one that can be rebuilt.
    """
    program = typed(Program, {"held": ["dict"], **_renamed(record)})  # which older records do not have
    modules = tuple(replace(module, kwargs=from_json(module.kwargs)) for module in program.modules)
    train = None if program.train_calls is None else _decoded(program.train_calls)
    calls, held = _decoded(program.calls), from_json(program.held)
    program = replace(program, modules=modules, calls=calls, train_calls=train, held=held)
    check(program)
    return program


def _renamed(record: Any) -> Any:
    if isinstance(record, dict):
        return {_RENAMED.get(key, key): _renamed(value) for key, value in record.items()}
    return [_renamed(value) for value in record] if isinstance(record, list) else record


def _decoded(calls: CallGraph) -> CallGraph:
    """Turn the lists of JSON into nested tuples where arguments are encoded."""
    names = ("args", "kwargs", "shape")
    nodes = tuple(replace(node, **{name: from_json(getattr(node, name)) for name in names}) for node in calls.nodes)
    return CallGraph(nodes, from_json(calls.output))

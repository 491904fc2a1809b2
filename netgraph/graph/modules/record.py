"""Networks of any kind on disk: tensors as safetensors, the rest as a JSON record; no code, no pickle."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from netgraph.errors import InvalidGraphError, NetGraphError, StoreError
from netgraph.files import building_from, read_tensors, record_path, write_tensors
from netgraph.graph import io
from netgraph.graph.modules.check import check
from netgraph.graph.modules.encoding import dtype_named, from_json
from netgraph.graph.modules.program import CallGraph, Program
from netgraph.graph.modules.wiring import wire
from netgraph.graph.netgraph import NetGraph, as_graph, as_graphs
from netgraph.reading import field_of, read_json, typed

FORMAT, VERSION = "netgraph.modules", 1
#: Keys that records had at first, and those that stand for them now.
_RENAMED = {"parts": "modules", "table": "calls", "train_table": "train_calls", "rows": "nodes", "hyper": "kwargs"}
_KEYS = ("state", "other_state", "sensitivity")


def to_record(program: Program) -> dict[str, Any]:
    """Write a program down as what JSON can hold."""
    return asdict(program)


def from_record(record: dict[str, Any]) -> Program:
    """Invert :func:`to_record`, also after JSON.

    Raises:
        InvalidGraphError: When the program is not one that can be rebuilt.
    """
    program = typed(Program, {"held": ["dict"], **_with_today_s_keys(record)})  # which older records do not have
    modules = tuple(replace(module, kwargs=from_json(module.kwargs)) for module in program.modules)
    train = None if program.train_calls is None else _decoded(program.train_calls)
    calls, held = _decoded(program.calls), from_json(program.held)
    program = replace(program, modules=modules, calls=calls, train_calls=train, held=held)
    check(program)
    return program


def _with_today_s_keys(record: Any) -> Any:
    if isinstance(record, dict):
        return {_RENAMED.get(key, key): _with_today_s_keys(value) for key, value in record.items()}
    return [_with_today_s_keys(value) for value in record] if isinstance(record, list) else record


def _decoded(calls: CallGraph) -> CallGraph:
    """Turn the lists of JSON into nested tuples where arguments are encoded."""
    names = ("args", "kwargs", "shape")
    nodes = tuple(replace(node, **{name: from_json(getattr(node, name)) for name in names}) for node in calls.nodes)
    return CallGraph(nodes, from_json(calls.output))


def save_modules(graphs: Sequence[NetGraph], path: str | Path) -> None:
    """Write graphs of networks that are not feed-forward to ``path`` and, last, its record beside it.

    Raises:
        NetGraphError: When one of them is feed-forward.
    """
    graphs = as_graphs(graphs, "graphs to write")
    programs = [graph.program for graph in graphs]
    for i, program in enumerate(programs):
        if program is None:
            raise NetGraphError(f"graph {i} is feed-forward; write it with save_graphs")
    tensors = {f"{i}.{key}": graph[key].detach().clone() for i, graph in enumerate(graphs) for key in _KEYS}
    write_tensors(Path(path), tensors, FORMAT, VERSION, {"programs": list(map(to_record, filter(None, programs)))})


def load_modules(path: str | Path) -> list[NetGraph]:
    """Read what :func:`save_modules` wrote.

    Raises:
        NetGraphError: When a file is missing, damaged or of another version, or a network in it cannot be rebuilt.
    """
    tensors, record = read_tensors(Path(path), FORMAT, VERSION)
    with building_from(Path(path), record, "not a record of networks"):
        programs = field_of(record, "programs", list[dict[str, Any]])
        return [_graph(i, from_record(program), tensors) for i, program in enumerate(programs)]


def _graph(i: int, program: Program, tensors: Mapping[str, Tensor]) -> NetGraph:
    """Build a graph, everything of whose sizes is checked before it is laid out in memory."""
    state, other, sensitivity = (_flat(tensors, f"{i}.{key}") for key in _KEYS)
    for name, found, expected in (("state", state, program.state_size), ("other_state", other, program.other_size)):
        if len(found) != expected:
            raise InvalidGraphError(f"program {i}: {name} has shape {tuple(found.shape)} instead of ({expected},)")
    dtype = dtype_named(program.dtype)
    if state.dtype != dtype and not (state.is_floating_point() and dtype.is_floating_point):
        raise InvalidGraphError(f"program {i}: state has type {state.dtype} instead of {dtype}")
    wire(program, len(sensitivity))
    return NetGraph(program, state, sensitivity, other)


def _flat(tensors: Mapping[str, Tensor], name: str) -> Tensor:
    found = tensors.get(name)
    if found is None or found.ndim != 1:
        raise InvalidGraphError(f"has no tensor {name!r} of one dimension")
    return found


def save_any(graph: NetGraph, path: str | Path) -> None:
    """Write one graph of any kind."""
    save = io.save_graphs if as_graph(graph, "a graph to write").program is None else save_modules
    save([graph], path)


def load_any(path: str | Path) -> list[NetGraph]:
    """Read graphs of either kind.

    Raises:
        StoreError: When a file is missing, damaged or of another version.
    """
    place = record_path(Path(path))
    if not place.exists():
        raise StoreError(f"{path}: has no record {place.name} beside it, so it is no graph of netgraph")
    record = read_json(place)
    return load_modules(path) if isinstance(record, dict) and record.get("format") == FORMAT else io.load_graphs(path)

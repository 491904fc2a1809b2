"""Networks of any kind on disk: tensors as safetensors, the rest as a JSON record; no code, no pickle."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from netgraph.errors import NetGraphError, StoreError
from netgraph.files import read_record, read_tensors, record_path, write_tensors
from netgraph.graph import io
from netgraph.graph.modules.encoding import from_json
from netgraph.graph.modules.program import Part, Program, Row, Stored, Table
from netgraph.graph.netgraph import NetGraph

FORMAT, VERSION = "netgraph.modules", 1
_KEYS = ("state", "other_state", "sensitivity")


def to_record(program: Program) -> dict[str, Any]:
    """Write a program down as what JSON can hold."""
    return asdict(program)


def from_record(record: dict[str, Any]) -> Program:
    """Invert :func:`to_record`, also after JSON.

    Raises:
        InvalidGraphError: When the program is not one that can be rebuilt.
    """
    train = record["train_table"]
    program = Program(
        parts=tuple(Part(**_tuples(part)) for part in record["parts"]),
        tensors=tuple(Stored(**_tuples(tensor)) for tensor in record["tensors"]),
        table=_table(record["table"]),
        inputs=tuple(record["inputs"]),
        train_table=None if train is None else _table(train),
        fixed=from_json(record["fixed"]),
        dtype=record["dtype"],
    )
    program.validate()
    return program


def _table(record: dict[str, Any]) -> Table:
    return Table(tuple(Row(**_tuples(row)) for row in record["rows"]), from_json(record["output"]))


def _tuples(record: dict[str, Any]) -> dict[str, Any]:
    return {key: from_json(value) for key, value in record.items()}


def save_modules(graphs: Sequence[NetGraph], path: str | Path) -> None:
    """Write graphs of networks that are not feed-forward to ``path`` and, last, its record beside it.

    Raises:
        NetGraphError: When one of them is feed-forward.
    """
    programs = [graph.program for graph in graphs]
    for i, program in enumerate(programs):
        if program is None:
            raise NetGraphError(f"graph {i} is feed-forward; write it with save_graphs")
    tensors = {f"{i}.{key}": graph[key].detach().clone() for i, graph in enumerate(graphs) for key in _KEYS}
    write_tensors(Path(path), tensors, FORMAT, VERSION, {"programs": list(map(to_record, filter(None, programs)))})


def load_modules(path: str | Path) -> list[NetGraph]:
    """Read what :func:`save_modules` wrote.

    Raises:
        StoreError: When a file is missing, damaged or of another version.
        InvalidGraphError: When a network in it cannot be rebuilt.
    """
    tensors, record = read_tensors(Path(path), FORMAT, VERSION)
    try:
        programs = [from_record(program) for program in record["programs"]]
        return [
            NetGraph(program, tensors[f"{i}.state"], tensors[f"{i}.sensitivity"], tensors[f"{i}.other_state"])
            for i, program in enumerate(programs)
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{record_path(Path(path))}: not a record of networks: {error}") from error


def save_any(graph: NetGraph, path: str | Path) -> None:
    """Write one graph of any kind."""
    save = io.save_graphs if graph.program is None else save_modules
    save([graph], path)


def load_any(path: str | Path) -> list[NetGraph]:
    """Read graphs of either kind.

    Raises:
        StoreError: When a file is missing, damaged or of another version.
    """
    place = record_path(Path(path))
    if not place.exists():
        raise StoreError(f"{path}: has no record {place.name} beside it, so it is no graph of netgraph")
    try:
        read_record(place, FORMAT, VERSION)
    except StoreError as error:
        if "not a netgraph" not in str(error):
            raise
        return io.load_graphs(path)
    return load_modules(path)

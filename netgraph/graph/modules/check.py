"""Whether a program can be rebuilt: every name, every reference and every place in the state."""

import re
from collections.abc import Iterator

from netgraph.errors import InvalidGraphError
from netgraph.graph.modules.encoding import Encoded, decode, dtype_named, references
from netgraph.graph.modules.functions import check_attribute, find_operation
from netgraph.graph.modules.parts import CONTAINERS, TYPES, build
from netgraph.graph.modules.program import Program, Row, Table

#: Names that torch takes, but for quotes, brackets and what else could mean something in Python or in a path.
_NAME = re.compile(r"[\w \-+:/@]+(\.[\w \-+:/@]+)*")


def check(program: Program) -> None:
    """Check a program.

    Raises:
        InvalidGraphError: With the part, tensor or row that is wrong.
        UnsupportedLayerError: With the operation that is not registered.
    """
    for problem in [*_parts(program), *_tensors(program), *_tables(program)]:
        raise InvalidGraphError(problem)


def _parts(program: Program) -> Iterator[str]:
    seen: set[str] = set()
    for kind, hyper in {(part.type, part.hyper) for part in program.parts if part.type in TYPES}:
        try:
            build(kind, hyper)
        except (TypeError, ValueError, RuntimeError, KeyError) as error:
            yield f"{kind} cannot be made from {hyper}: {error}"
    for part in program.parts:
        owner = part.name.rpartition(".")[0]
        if part.name and (not _NAME.fullmatch(part.name) or owner not in seen):
            yield f"module {part.name!r}: its owner {owner!r} is not listed before it"
        if part.type not in CONTAINERS and part.type not in TYPES:
            yield f"module {part.name!r}: unknown type {part.type!r}"
        if part.alias is not None and part.alias not in seen:
            yield f"module {part.name!r}: the same as {part.alias!r}, which is not listed before it"
        seen.add(part.name)
    for name in program.inputs:
        if not name.isidentifier():
            yield f"input {name!r}: not a name"
    if "" not in seen:
        yield "the network itself is not listed"


def _tensors(program: Program) -> Iterator[str]:
    for tensor in program.tensors:
        dtype_named(tensor.dtype)
        if not tensor.names or not all(map(_NAME.fullmatch, tensor.names)):
            yield f"tensor {tensor.names}: not a name"
        if tensor.offset < 0 or any(n < 0 for n in tensor.shape):
            yield f"tensor {tensor.names[0]}: starts at {tensor.offset}"
        if tensor.order and sorted(tensor.order) != list(range(len(tensor.shape))):
            yield f"tensor {tensor.names[0]}: {tensor.order} is no order of its dimensions"
        if tensor.in_state and tensor.dtype != program.dtype:
            yield f"tensor {tensor.names[0]}: {tensor.dtype} in a state of {program.dtype}"


def _tables(program: Program) -> Iterator[str]:
    for table in (program.table, program.train_table):
        if table is not None:
            yield from _rows(program, table)


def _rows(program: Program, table: Table) -> Iterator[str]:
    parts = {part.name for part in program.parts}
    known: dict[str, set[str]] = {"input": set(program.inputs), "module": _with_inner(program, parts)}
    known["tensor"] = set(program.tensor_named)
    for position, row in enumerate(table.rows):
        if any(not 0 <= i < position for i in row.inputs):
            yield f"{row.name}: fed by rows {row.inputs}, which are not all earlier"
        if not row.name.isidentifier() or not all(str(key).isidentifier() for key in _keywords(row.kwargs)):
            yield f"row {position}: {row.name!r} or a keyword is not a name"
        _check_call(row)
        if row.op in known and row.target not in known[row.op]:
            yield f"{row.name}: {row.op} {row.target!r} is unknown"
    if any(not 0 <= i < len(table.rows) for i in references(table.output)):
        yield "the output reads a row that does not exist"
    for row in table.rows:
        for name in _flags(row.args, row.kwargs):
            if name not in parts:
                yield f"{row.name}: training of {name!r}, which is unknown"


def _with_inner(program: Program, parts: set[str]) -> set[str]:
    return parts | {name.rpartition(".")[0] for name in program.tensor_named}


def _flags(*codes: Encoded) -> Iterator[str]:
    for code in codes:
        yield from references(code, "training")


def _keywords(kwargs: Encoded) -> list[Encoded]:
    return [item[1] for item in kwargs[1:]]


def _check_call(row: Row) -> None:
    if row.op == "call":
        find_operation(row.target)
        if row.target == "builtins.getattr":
            check_attribute(row.args[2])
    for code in (row.args, row.kwargs):
        decode(code, {"row": lambda position: None, "training": lambda name: False})

"""Whether a program can be rebuilt: every name, every reference and every place in the state."""

import math
import re
from collections.abc import Collection, Iterator
from itertools import chain, pairwise

from torch import nn

from netgraph.errors import InvalidGraphError
from netgraph.graph.modules.encoding import Encoded, decode, dtype_named, references
from netgraph.graph.modules.functions import check_attribute, find_operation
from netgraph.graph.modules.labels import dotted
from netgraph.graph.modules.program import CallGraph, ModuleSpec, Program
from netgraph.graph.modules.registry import CONTAINERS, ENTRIES, build
from netgraph.reading import FAILURES

#: Most elements of a value that passes through a network, whose labels are laid out (chosen: 2 GiB of them).
MOST_ELEMENTS = 2**28
#: Names that torch takes, but for quotes, brackets and what else could mean something in Python or in a path.
_NAME = re.compile(r"[\w \-+:/@]+(\.[\w \-+:/@]+)*")


def check(program: Program) -> None:
    """Check a program.

    Raises:
        InvalidGraphError: With the part, tensor or row that is wrong.
        UnsupportedLayerError: With the operation that is not registered.
    """
    tables = [table for table in (program.calls, program.train_calls) if table is not None]
    rows = chain.from_iterable(_rows(program, table) for table in tables)
    for problem in [*_constructors(program), *_parts(program), *_tensors(program), *rows]:
        raise InvalidGraphError(problem)


def _constructors(program: Program) -> Iterator[str]:
    built: dict[ModuleSpec, nn.Module] = {}
    for part in program.modules:
        kind = ModuleSpec("", part.type, part.kwargs)
        if part.type in ENTRIES and kind not in built:
            try:
                for name, value in _items(part.kwargs):  # a stack of more layers than tensors would take for ever
                    if name == "num_layers" and (type(value) is not int or value > len(program.tensors)):
                        raise InvalidGraphError(f"{value} layers with {len(program.tensors)} tensors")
                built[kind] = build(part.type, part.kwargs)
            except FAILURES as error:
                yield f"{part.type} cannot be made from {part.kwargs}: {error}"
        if part.alias is None and kind in built:
            for name, value in (*built[kind].named_parameters(), *built[kind].named_buffers()):
                stored = program.tensor_named.get(full := dotted(part.name, name))
                if stored is not None and stored.shape != tuple(value.shape):
                    yield f"tensor {full}: its state has shape {stored.shape}, a {part.type} has {tuple(value.shape)}"


def _items(hyper: Encoded) -> Iterator[tuple[Encoded, Encoded]]:
    if isinstance(hyper, tuple):
        if len(hyper) == 3 and hyper[0] == "item":
            yield hyper[1], hyper[2]
        for inner in hyper:
            yield from _items(inner)


def _parts(program: Program) -> Iterator[str]:
    seen: set[str] = set()
    for part in program.modules:
        owner = part.name.rpartition(".")[0]
        if part.name and (not _NAME.fullmatch(part.name) or owner not in seen):
            yield f"module {part.name!r}: its owner {owner!r} is not listed before it"
        if part.type not in CONTAINERS and part.type not in ENTRIES:
            yield f"module {part.name!r}: unknown type {part.type!r}"
        if part.alias is not None and part.alias not in seen:
            yield f"module {part.name!r}: the same as {part.alias!r}, which is not listed before it"
        seen.add(part.name)
    yield from (f"input {name!r}: not a name" for name in program.inputs if not name.isidentifier())
    yield from (f"held {name!r}: not an input" for name in decode(program.held, {}) if name not in program.inputs)
    if "" not in seen:
        yield "the network itself is not listed"


def _tensors(program: Program) -> Iterator[str]:
    for tensor in program.tensors:
        dtype_named(tensor.dtype)
        if not tensor.names or not all(map(_NAME.fullmatch, tensor.names)):
            yield f"tensor {tensor.names}: not a name"
        if tensor.offset < 0 or any(n < 0 for n in tensor.shape):
            yield f"tensor {tensor.names[0]}: shape {tensor.shape}, starts at {tensor.offset}"
        if tensor.order and sorted(tensor.order) != list(range(len(tensor.shape))):
            yield f"tensor {tensor.names[0]}: {tensor.order} is no order of its dimensions"
        if tensor.in_state and tensor.dtype != program.dtype:
            yield f"tensor {tensor.names[0]}: {tensor.dtype} in a state of {program.dtype}"
    for inside in (True, False):
        placed = sorted((one for one in program.tensors if one.in_state == inside and one.size), key=lambda t: t.offset)
        for before, after in pairwise(placed):
            if after.offset < before.end:
                yield f"tensor {after.names[0]}: starts at {after.offset}, inside of {before.names[0]}"


def _rows(program: Program, table: CallGraph) -> Iterator[str]:
    parts = {part.name for part in program.modules}
    inner = {name.rpartition(".")[0] for name in program.tensor_named}
    known: dict[str, Collection[str]] = {"input": program.inputs, "module": parts | inner}
    known["tensor"] = program.tensor_named
    for position, row in enumerate(table.nodes):
        if any(not 0 <= i < position for i in row.inputs):
            yield f"{row.name}: fed by rows {row.inputs}, which are not all earlier"
        if not all(str(name).isidentifier() for name in (row.name, *(item[1] for item in row.kwargs[1:]))):
            yield f"row {position}: {row.name!r} or a keyword is not a name"
        if row.shape is not None and any(math.prod(sizes) > MOST_ELEMENTS for sizes in _sizes(row.shape)):
            yield f"{row.name}: has more than {MOST_ELEMENTS:,} elements"
        if row.op == "call" and find_operation(row.target).name == "builtins.getattr":
            check_attribute(row.args[2])
        _check_readable(row.args, row.kwargs)
        if row.op in known and row.target not in known[row.op]:
            yield f"{row.name}: {row.op} {row.target!r} is unknown"
    if any(not 0 <= i < len(table.nodes) for i in references(table.output)):
        yield "the output reads a row that does not exist"
    _check_readable(table.output)
    flags = [(row, name) for row in table.nodes for name in references((row.args, row.kwargs), "training")]
    yield from (f"{row.name}: training of {name!r}, which is unknown" for row, name in flags if name not in parts)


def _check_readable(*codes: Encoded) -> None:
    for code in codes:
        decode(code, {"node": lambda position: None, "training": lambda name: False})


def _sizes(shape: Encoded) -> Iterator[tuple[int, ...]]:
    """List the recorded shapes of a row."""
    if isinstance(shape, tuple) and shape and shape[0] == "shape":
        dtype_named(shape[1])
        if any(type(size) is not int or size < 0 for size in shape[2:]):
            raise InvalidGraphError(f"{shape[2:]} is no shape")
        yield shape[2:]
    elif isinstance(shape, tuple):
        for inner in shape:
            yield from _sizes(inner)

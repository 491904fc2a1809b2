"""Whether a program can be rebuilt: every name, every reference and every index into the state."""

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
#: Names that torch takes, but for quotes, brackets and anything else with a meaning in Python or in a path.
_NAME = re.compile(r"[\w \-+:/@]+(\.[\w \-+:/@]+)*")


def check(program: Program) -> None:
    """Check a program.

    Raises:
        InvalidGraphError: With the module, the tensor or the call that is wrong.
        UnsupportedLayerError: With the operation that is not registered.
    """
    graphs = [graph for graph in (program.calls, program.train_calls) if graph is not None]
    calls = chain.from_iterable(_calls(program, graph) for graph in graphs)
    for problem in [*_constructors(program), *_modules(program), *_tensors(program), *calls]:
        raise InvalidGraphError(problem)


def _constructors(program: Program) -> Iterator[str]:
    built: dict[ModuleSpec, nn.Module] = {}
    for module in program.modules:
        kind = ModuleSpec("", module.type, module.kwargs)
        if module.type in ENTRIES and kind not in built:
            try:
                for name, value in _items(module.kwargs):  # a stack of more layers than tensors would take for ever
                    if name == "num_layers" and (type(value) is not int or value > len(program.tensors)):
                        raise InvalidGraphError(f"{value} layers with {len(program.tensors)} tensors")
                built[kind] = build(module.type, module.kwargs)
            except FAILURES as error:
                yield f"{module.type} cannot be made from {module.kwargs}: {error}"
        if module.alias is None and kind in built:
            for name, value in (*built[kind].named_parameters(), *built[kind].named_buffers()):
                spec = program.tensor_named.get(full := dotted(module.name, name))
                if spec is not None and spec.shape != tuple(value.shape):
                    yield f"tensor {full}: its state has shape {spec.shape}, a {module.type} has {tuple(value.shape)}"


def _items(kwargs: Encoded) -> Iterator[tuple[Encoded, Encoded]]:
    if isinstance(kwargs, tuple):
        if len(kwargs) == 3 and kwargs[0] == "item":
            yield kwargs[1], kwargs[2]
        for inner in kwargs:
            yield from _items(inner)


def _modules(program: Program) -> Iterator[str]:
    seen: set[str] = set()
    for module in program.modules:
        owner = module.name.rpartition(".")[0]
        if module.name and (not _NAME.fullmatch(module.name) or owner not in seen):
            yield f"module {module.name!r}: its owner {owner!r} is not listed before it"
        if module.type not in CONTAINERS and module.type not in ENTRIES:
            yield f"module {module.name!r}: unknown type {module.type!r}"
        if module.alias is not None and module.alias not in seen:
            yield f"module {module.name!r}: the same as {module.alias!r}, which is not listed before it"
        seen.add(module.name)
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
        placed = sorted((t for t in program.tensors if t.in_state == inside and t.size), key=lambda t: t.offset)
        for before, after in pairwise(placed):
            if after.offset < before.end:
                yield f"tensor {after.names[0]}: starts at {after.offset}, inside of {before.names[0]}"


def _calls(program: Program, graph: CallGraph) -> Iterator[str]:
    modules = {module.name for module in program.modules}
    inner = {name.rpartition(".")[0] for name in program.tensor_named}
    known: dict[str, Collection[str]] = {"input": program.inputs, "module": modules | inner}
    known["tensor"] = program.tensor_named
    for position, node in enumerate(graph.nodes):
        if any(not 0 <= i < position for i in node.inputs):
            yield f"{node.name}: fed by calls {node.inputs}, which are not all earlier"
        if not all(str(name).isidentifier() for name in (node.name, *(item[1] for item in node.kwargs[1:]))):
            yield f"call {position}: {node.name!r} or a keyword is not a name"
        if node.shape is not None and any(math.prod(sizes) > MOST_ELEMENTS for sizes in _sizes(node.shape)):
            yield f"{node.name}: has more than {MOST_ELEMENTS:,} elements"
        if node.op == "call" and find_operation(node.target).name == "builtins.getattr":
            check_attribute(node.args[2])
        _decode((node.args, node.kwargs))
        if node.op in known and node.target not in known[node.op]:
            yield f"{node.name}: {node.op} {node.target!r} is unknown"
        for name in references((node.args, node.kwargs), "training"):
            if name not in modules:
                yield f"{node.name}: training of {name!r}, which is unknown"
    if any(not 0 <= i < len(graph.nodes) for i in references(graph.output)):
        yield "the output reads a call that does not exist"
    _decode((graph.output,))


def _decode(codes: tuple[Encoded, ...]) -> None:
    """Decode arguments, which raises where one has an unknown tag."""
    for code in codes:
        decode(code, {"node": lambda position: None, "training": lambda name: False})


def _sizes(shape: Encoded) -> Iterator[tuple[int, ...]]:
    """List the recorded shapes of a call."""
    if isinstance(shape, tuple) and shape and shape[0] == "shape":
        dtype_named(shape[1])
        if any(type(size) is not int or size < 0 for size in shape[2:]):
            raise InvalidGraphError(f"{shape[2:]} is no shape")
        yield shape[2:]
    elif isinstance(shape, tuple):
        for inner in shape:
            yield from _sizes(inner)

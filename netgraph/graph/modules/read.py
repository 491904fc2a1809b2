"""Reading a traced module into a program: its modules, its tensors and where they lie, the shapes of its calls."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor, nn

from netgraph.errors import InvalidGraphError, NetGraphError, UnsupportedLayerError
from netgraph.graph.modules.encoding import Encoded, dtype_named, encode
from netgraph.graph.modules.execute import execute
from netgraph.graph.modules.program import ALIGNMENT, CallGraph, GraphNode, Kind, ModuleSpec, NamedTensorSpec, Program
from netgraph.graph.modules.registry import CONTAINERS, describe, is_leaf
from netgraph.graph.modules.trace import Traced, first_line, is_symbol, named_tensors
from netgraph.graph.modules.values import copies, view

#: A tensor with a name, its kind, and whether it is in the ``state_dict``.
_Entry = tuple[str, Tensor, Kind, bool]


def read_program(module: nn.Module, given: Mapping[str, Any], traced: Traced) -> Program:
    """Read a traced module.

    Args:
        module: The module.
        given: Its example inputs by name.
        traced: Its calls.

    Raises:
        NetGraphError: With the module, the tensor or the input that cannot be written down.
    """
    modules = _modules(module)
    entries = [
        *_tensors(module, modules),
        *((name, value, "constant", False) for name, value in traced.constants.items()),
    ]
    _refuse_overlaps(entries)
    tensors, dtype = _place(entries)
    try:  # inputs by which forward may have decided: no tensors, nor numbers that are symbols
        numbers = not traced.fixed
        held = encode({name: value for name, value in given.items() if not is_symbol(value, numbers)})
    except UnsupportedLayerError as error:
        raise UnsupportedLayerError(f"example_input: {error}") from None
    return Program(modules, tensors, traced.calls, tuple(given), traced.train_calls, traced.fixed, dtype, held)


def read_state(module: nn.Module, constants: Mapping[str, Tensor], program: Program) -> tuple[Tensor, Tensor]:
    """Copy the tensors of a module: the flat state, [P], and the bytes of the other state, [Q] uint8."""
    values = {name: value.detach() for name, value in (named_tensors(module) | dict(constants)).items()}
    device = next((value.device for value in values.values()), torch.device("cpu"))
    state = torch.empty(program.state_size, dtype=dtype_named(program.dtype), device=device)
    other = torch.zeros(program.other_size, dtype=torch.uint8, device=device)
    for tensor in program.tensors:
        view(tensor, state, other).copy_(values[tensor.names[0]])
    return state, other


def _modules(module: nn.Module) -> tuple[ModuleSpec, ...]:
    """List the modules, those inside a registered one left out: its constructor makes them."""
    specs: list[ModuleSpec] = []
    first: dict[nn.Module, str] = {}

    def visit(name: str, part: nn.Module) -> None:
        if part in first:
            specs.append(ModuleSpec(name, "Module", alias=first[part]))
            return
        first[part] = name
        if not is_leaf(part):
            kind = type(part).__name__
            specs.append(ModuleSpec(name, kind if CONTAINERS.get(kind) is type(part) else "Module"))
            for key, child in part._modules.items():
                if child is not None:
                    visit(f"{name}.{key}".lstrip("."), child)
            return
        try:
            specs.append(ModuleSpec(name, *describe(part)))
        except InvalidGraphError as error:
            raise InvalidGraphError(f"{name}.{error}".lstrip(".")) from None
        except UnsupportedLayerError as error:
            raise UnsupportedLayerError(f"{name or 'the module'}: {error}") from None

    visit("", module)
    return tuple(specs)


def _tensors(module: nn.Module, modules: Sequence[ModuleSpec]) -> Iterator[_Entry]:
    """List the tensors in the order of the ``state_dict``."""
    aliases = tuple(f"{spec.name}." for spec in modules if spec.alias is not None)
    for owner, part in module.named_modules(remove_duplicate=False):
        if f"{owner}.".startswith(aliases):
            continue
        prefix = f"{owner}." if owner else ""
        for name, value in part._parameters.items():
            if value is not None:
                yield prefix + name, value, "parameter", True
        for name, held in part._buffers.items():
            if held is not None:
                yield prefix + name, held, "buffer", name not in part._non_persistent_buffers_set


def _place(entries: Sequence[_Entry]) -> tuple[tuple[NamedTensorSpec, ...], str]:
    """Place every tensor: those of the commonest floating-point type in the flat state, others as bytes."""
    once: dict[int, list[_Entry]] = {}
    for entry in entries:
        once.setdefault(id(entry[1]), []).append(entry)
    counts: Counter[torch.dtype] = Counter()
    for (_, value, _, _), *_ in once.values():
        if value.is_floating_point():
            counts[value.dtype] += value.numel()
    dtype = max(counts, key=counts.__getitem__, default=torch.float32)
    placed: list[NamedTensorSpec] = []
    elements, size = 0, 0
    for group in once.values():
        _, value, kind, persistent = group[0]
        inside, shape = value.dtype == dtype, tuple(value.shape)
        names, text = tuple(entry[0] for entry in group), str(value.dtype).removeprefix("torch.")
        # from the slowest dimension to the fastest, where that is not their own order
        order = () if value.is_contiguous() else sorted(range(value.ndim), key=value.stride, reverse=True)
        offset, trainable = elements if inside else size, bool(value.requires_grad)
        placed.append(NamedTensorSpec(names, shape, text, kind, offset, inside, persistent, trainable, tuple(order)))
        if inside:
            elements = placed[-1].end
        else:
            size = -(-placed[-1].end // ALIGNMENT) * ALIGNMENT
    return tuple(placed), str(dtype).removeprefix("torch.")


def _refuse_overlaps(entries: Sequence[_Entry]) -> None:
    """Raise for tensors that share memory without being one: a copy of each would not be the same network."""
    spans = {}
    for name, value, *_ in reversed(entries):
        if value.numel():
            steps = zip(value.shape, value.stride(), strict=True)
            size = value.element_size() * (1 + sum((n - 1) * stride for n, stride in steps))
            spans[id(value)] = (value.data_ptr(), size, name)
    for (start, size, name), (next_start, _, other) in pairwise(sorted(spans.values())):
        if next_start < start + size:
            raise UnsupportedLayerError(f"{other}: shares memory with {name}; tie the two by one nn.Parameter")


def with_shapes(program: Program, rebuilt: nn.Module, given: Mapping[str, Any]) -> Program:
    """Run the calls of a rebuilt network on the example and note the shapes of their results."""
    calls, shapes = program.calls, list[Encoded]()
    for node in calls.nodes:
        held = given[node.target] if node.op == "input" else None
        shapes.append(shape_of(attrgetter(node.target)(rebuilt) if node.op == "tensor" else held))

    def caller(position: int, node: GraphNode, args: tuple[Any, ...], kwargs: dict[str, Any], make: Any) -> Any:
        value = make(*args, **kwargs)
        shapes[position] = shape_of(value)
        return value

    try:
        with torch.no_grad():
            execute(calls, rebuilt, copies(given), caller)
    except NetGraphError:
        raise
    except Exception as error:
        raise UnsupportedLayerError(f"its calls, replayed, fail: {first_line(error)}") from error
    nodes = tuple(replace(node, shape=shape) for node, shape in zip(calls.nodes, shapes, strict=True))
    return replace(program, calls=CallGraph(nodes, calls.output))


def shape_of(value: Any) -> Encoded:
    """Write down the shape of a result: ("shape", type, ...) for a tensor, tuples of these, None for numbers."""
    if isinstance(value, Tensor):
        return ("shape", str(value.dtype).removeprefix("torch."), *value.shape)
    if isinstance(value, list | tuple) and not isinstance(value, torch.Size):
        return ("tuple", *map(shape_of, value))
    return None

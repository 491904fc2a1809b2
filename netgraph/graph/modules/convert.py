"""``torch.nn`` modules of any kind to graphs."""

import inspect
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor, nn

from netgraph.errors import NetGraphError, UnsupportedLayerError
from netgraph.graph.modules.encoding import Encoded, dtype_named, encode
from netgraph.graph.modules.execute import Lender, execute, rebuild
from netgraph.graph.modules.export import Sizes, trace_by_export
from netgraph.graph.modules.preserve import draws_restored, preserved
from netgraph.graph.modules.program import ALIGNMENT, CallGraph, GraphNode, Kind, ModuleSpec, NamedTensorSpec, Program
from netgraph.graph.modules.registry import CONTAINERS, describe, is_leaf
from netgraph.graph.modules.trace import NotTraceableError, first_line, is_symbol, named_tensors, trace
from netgraph.graph.modules.values import same, view
from netgraph.graph.modules.verify import Observer, check_same, fails_on, observe
from netgraph.graph.netgraph import NetGraph

Example = Tensor | Sequence[Any] | Mapping[str, Any]


@draws_restored()
def convert(module: nn.Module, example_input: Example) -> NetGraph:
    """Read any module of registered layers and operations into a graph.

    Args:
        module: The module; it is not changed.
        example_input: Its input, or a tuple or a mapping of its inputs. Shapes are read from a run on it.

    Raises:
        UnsupportedLayerError: When a layer or an operation is not supported; it names the submodule or the call.
        NetGraphError: When the example does not fit, or the network that was read gives another output than the module.
    """
    given = _bind(module, example_input)
    refuse_hooks(module)
    parts = _parts(module)
    try:
        return _graph(module, given, parts, *trace(module, given))
    except NotTraceableError as error:
        with preserved(module), torch.no_grad():
            for part in module.modules():  # without eval(), which a module may refuse for a reason of its own
                part.training = False
            try:
                module(**_copies(given))
            except Exception as fault:  # whatever forward raises, which is then no fault of tracing
                raise fails_on(module, fault) from fault
        traced = trace_by_export(module, given, str(error), partial(_agrees, module))
        return _graph(module, given, parts, *traced)


def _graph(
    module: nn.Module,
    given: Mapping[str, Any],
    parts: tuple[ModuleSpec, ...],
    table: CallGraph,
    train_table: CallGraph | None,
    constants: dict[str, Tensor],
    fixed: Sizes = (),
) -> NetGraph:
    """Place the tensors, note the shapes, and compare the calls with the module."""
    found = list(_tensors(module, parts))
    found += [(name, value, "constant", False) for name, value in constants.items()]
    _refuse_overlaps(found)
    tensors, dtype = _place(found)
    try:  # inputs by which forward may have decided: no tensors, nor numbers that are symbols
        held = encode({name: value for name, value in given.items() if not is_symbol(value, numbers=not fixed)})
    except UnsupportedLayerError as error:
        raise UnsupportedLayerError(f"example_input: {error}") from None
    program = Program(parts, tensors, table, tuple(given), train_table, fixed, dtype, held)
    observer = Observer(
        lambda network, inputs: network(**dict(zip(given, inputs, strict=True))),
        [*given.values()],
        all(sizes is None or sizes[:1] in ((), (None,)) for sizes in fixed),
    )
    expected = observe(module, observer)
    values = {name: value.detach() for name, value in (named_tensors(module) | constants).items()}
    device = next((value.device for value in values.values()), torch.device("cpu"))
    state = torch.empty(program.state_size, dtype=dtype_named(program.dtype), device=device)
    other = torch.zeros(program.other_size, dtype=torch.uint8, device=device)
    for tensor in tensors:
        view(tensor, state, other).copy_(values[tensor.names[0]])
    rebuilt = rebuild(program, state, other)
    seen = observer.observe(rebuilt, expected)
    graph = NetGraph(replace(program, calls=_with_shapes(program, rebuilt.eval(), given)), state, other_state=other)
    check_same(module, rebuilt, observer, expected, seen)
    return graph


def _bind(module: nn.Module, example: Example) -> dict[str, Any]:
    """Return the example inputs by their names in ``forward``."""
    signature = inspect.signature(module.forward)
    try:
        if isinstance(example, Mapping):
            bound = signature.bind(**example)
        else:
            bound = signature.bind(*((example,) if isinstance(example, Tensor) else example))
    except TypeError as error:
        raise NetGraphError(f"example_input does not fit {type(module).__name__}.forward: {error}") from None
    for name, parameter in signature.parameters.items():
        named = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        if not named and name in bound.arguments:
            raise UnsupportedLayerError(f"{type(module).__name__}.forward: inputs without names ({parameter})")
    for name, value in bound.arguments.items():
        if isinstance(value, Mapping | list | tuple):
            raise UnsupportedLayerError(
                f"{name}: an input that is a {type(value).__name__}; give each tensor by itself"
            )
    return dict(bound.arguments)


def _parts(module: nn.Module) -> tuple[ModuleSpec, ...]:
    """List the modules, those inside a registered one left out: its constructor makes them."""
    parts: list[ModuleSpec] = []
    first: dict[nn.Module, str] = {}

    def visit(name: str, part: nn.Module) -> None:
        if part in first:
            parts.append(ModuleSpec(name, "Module", alias=first[part]))
            return
        first[part] = name
        try:
            kind = type(part).__name__ if CONTAINERS.get(type(part).__name__) is type(part) else "Module"
            parts.append(ModuleSpec(name, *describe(part)) if is_leaf(part) else ModuleSpec(name, kind))
        except UnsupportedLayerError as error:
            raise UnsupportedLayerError(f"{name or 'the module'}: {error}") from None
        for key, child in () if is_leaf(part) else part._modules.items():
            if child is not None:
                visit(f"{name}.{key}".lstrip("."), child)

    visit("", module)
    return tuple(parts)


def _tensors(module: nn.Module, parts: Sequence[ModuleSpec]) -> Iterator[tuple[str, Tensor, Kind, bool]]:
    """List (name, tensor, kind, persistent) in the order of the ``state_dict``."""
    aliases = tuple(f"{part.name}." for part in parts if part.alias is not None)
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


def _place(found: Sequence[tuple[str, Tensor, Kind, bool]]) -> tuple[tuple[NamedTensorSpec, ...], str]:
    """Place every tensor: those of the commonest floating-point type in the flat state, others as bytes."""
    once: dict[int, list[tuple[str, Tensor, Kind, bool]]] = {}
    for entry in found:
        once.setdefault(id(entry[1]), []).append(entry)
    counts: Counter[torch.dtype] = Counter()
    for (_, value, _, _), *_ in once.values():
        if value.is_floating_point():
            counts[value.dtype] += value.numel()
    dtype = max(counts, key=counts.__getitem__, default=torch.float32)
    placed: list[NamedTensorSpec] = []
    elements, size = 0, 0
    for entries in once.values():
        _, value, kind, persistent = entries[0]
        inside, shape = value.dtype == dtype, tuple(value.shape)
        names, text = tuple(entry[0] for entry in entries), str(value.dtype).removeprefix("torch.")
        # from the slowest dimension to the fastest, where that is not their own order
        order = () if value.is_contiguous() else sorted(range(value.ndim), key=value.stride, reverse=True)
        offset, trainable = elements if inside else size, bool(value.requires_grad)
        placed.append(NamedTensorSpec(names, shape, text, kind, offset, inside, persistent, trainable, tuple(order)))
        if inside:
            elements = placed[-1].end
        else:
            size = -(-placed[-1].end // ALIGNMENT) * ALIGNMENT
    return tuple(placed), str(dtype).removeprefix("torch.")


def _refuse_overlaps(found: Sequence[tuple[str, Tensor, Kind, bool]]) -> None:
    """Raise for tensors that share memory without being one: a copy of each would not be the same network."""
    spans = {}
    for name, value, *_ in reversed(found):
        if value.numel():
            steps = zip(value.shape, value.stride(), strict=True)
            size = value.element_size() * (1 + sum((n - 1) * stride for n, stride in steps))
            spans[id(value)] = (value.data_ptr(), size, name)
    for (start, size, name), (next_start, _, other) in pairwise(sorted(spans.values())):
        if next_start < start + size:
            raise UnsupportedLayerError(f"{other}: shares memory with {name}; tie the two by one nn.Parameter")


def _with_shapes(program: Program, rebuilt: nn.Module, given: Mapping[str, Any]) -> CallGraph:
    """Run the calls on the example and note the shapes."""
    table = program.calls
    shapes: dict[int, Encoded] = {}
    for i, row in enumerate(table.nodes):
        if row.op in ("input", "tensor"):
            shapes[i] = shape_of(given[row.target] if row.op == "input" else attrgetter(row.target)(rebuilt))

    def caller(position: int, row: GraphNode, args: tuple[Any, ...], kwargs: dict[str, Any], make: Any) -> Any:
        value = make(*args, **kwargs)
        shapes[position] = shape_of(value)
        return value

    try:
        with torch.no_grad():
            execute(table, rebuilt, _copies(given), caller)
    except NetGraphError:
        raise
    except Exception as error:
        raise UnsupportedLayerError(f"its calls, replayed, fail: {first_line(error)}") from error
    return CallGraph(tuple(replace(row, shape=shapes[i]) for i, row in enumerate(table.nodes)), table.output)


def _agrees(
    module: nn.Module, inputs: Mapping[str, Any], table: CallGraph | None, constants: Mapping[str, Tensor]
) -> bool:
    """Return whether a module runs on inputs; with a table, whether its calls give the same wherever it does."""
    with preserved(module), torch.no_grad():
        before = torch.get_rng_state()
        try:
            expected = module.eval()(**_copies(inputs))
        except Exception:  # the module's own, on inputs that it was not made for
            return table is not None
        torch.set_rng_state(before)
        try:
            return table is None or same(expected, execute(table, Lender(module, constants), _copies(inputs)))
        except Exception:  # the same
            return False


def _copies(given: Mapping[str, Any]) -> dict[str, Any]:
    """Copy the example, so that a network that works in place leaves it as it is."""
    return {name: value.clone() if isinstance(value, Tensor) else value for name, value in given.items()}


def shape_of(value: Any) -> Encoded:
    """Write down the shape of a result: ("shape", type, ...) for a tensor, tuples of these, None for numbers."""
    if isinstance(value, Tensor):
        return ("shape", str(value.dtype).removeprefix("torch."), *value.shape)
    if isinstance(value, list | tuple) and not isinstance(value, torch.Size):
        return ("tuple", *map(shape_of, value))
    return None


def refuse_hooks(module: nn.Module) -> None:
    """Raise for hooks and exchanged methods, which alter outputs or gradients and are no part of a graph.

    Raises:
        UnsupportedLayerError: With the module or the parameter that has one.
    """
    for name, part in module.named_modules():
        if is_leaf(part) and "forward" in vars(part):
            raise UnsupportedLayerError(f"{name or 'the module'}: {type(part).__name__}.forward was replaced")
        if part._forward_hooks or part._forward_pre_hooks or part._backward_hooks or part._backward_pre_hooks:
            kind = "backward" if part._backward_hooks or part._backward_pre_hooks else "forward"
            raise UnsupportedLayerError(
                f"{name or type(part).__name__}: {type(part).__name__} has {kind} hooks, which a graph cannot hold"
            )
    for name, value in module.named_parameters():
        if value._backward_hooks or value._post_accumulate_grad_hooks:
            raise UnsupportedLayerError(f"{name}: has hooks on its gradient, which a graph cannot hold")

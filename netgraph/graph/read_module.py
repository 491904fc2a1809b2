"""``torch.nn`` modules to graphs: trace, read into a program, lower where the vocabulary allows, compare."""

import inspect
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from netgraph.errors import InvalidGraphError, NetGraphError, UnsupportedLayerError
from netgraph.graph.lower import lower
from netgraph.graph.modules.encoding import decode, dtype_named
from netgraph.graph.modules.execute import rebuild
from netgraph.graph.modules.export import trace_by_export
from netgraph.graph.modules.labels import dotted
from netgraph.graph.modules.preserve import draws_restored, preserved
from netgraph.graph.modules.program import Program
from netgraph.graph.modules.read import read_program, read_state, with_shapes
from netgraph.graph.modules.registry import is_leaf
from netgraph.graph.modules.trace import NotTraceableError, Traced, named_tensors, trace
from netgraph.graph.modules.values import copies
from netgraph.graph.modules.verify import InexactError, Observer, Seen, check_same, fails_on, observe
from netgraph.graph.netgraph import NetGraph, check_graph
from netgraph.graph.write_module import to_module

Example = Tensor | Sequence[Any] | Mapping[str, Any]
#: Modules that run another one in their own way, and the attribute that holds it.
_WRAPPERS = {"OptimizedModule": "_orig_mod", "DataParallel": "module", "DistributedDataParallel": "module"}


@draws_restored()
def from_module(module: nn.Module, example_input: Example | None = None) -> NetGraph:
    """Read a module into a graph; :func:`~netgraph.graph.write_module.to_module` inverts it bit for bit.

    Every module is traced into a program, see :mod:`netgraph.graph.modules`. A feed-forward one is lowered to an
    architecture, which the stack, the canonical form and the model take; tokens hold both kinds.

    Args:
        module: Any composition of registered layers and operations, nested as deep as you like. It is run, and left
            as it is: tensors, gradients, attributes, modes and random numbers.
        example_input: Its input, or a tuple or a mapping of its inputs, from which shapes are read. A feed-forward
            module, which reads [rows, features], needs it only when no layer tells how many inputs there are.

    Returns:
        The graph; its state is a copy of the module's parameters and buffers. A feed-forward network of which no
        parameter is trained comes back with all of them trained; any other keeps which are.

    Raises:
        UnsupportedLayerError: When a layer or an operation is not supported, or the graph's module has other outputs,
            gradients, buffers or modes in evaluation or in training; it names the layer, the call or the line.
        InvalidGraphError: When sizes do not fit.
        NetGraphError: When there is no module, no values, or no example that can be read.

    Example:
        >>> graph = from_module(nn.Sequential(nn.Linear(3, 2), nn.Tanh()))
        >>> graph.architecture
        Input(3) > Linear(2) > Tanh(2)
        >>> from_module(nn.Conv1d(2, 4, 3), torch.zeros(1, 2, 8)).num_nodes
        6
    """
    _check_given(module, example_input)
    refuse_hooks(module)
    if example_input is not None:
        return _convert(module, _bind(module, example_input))
    try:
        return _from_layers(module)
    except InexactError:
        raise
    except UnsupportedLayerError as error:
        raise UnsupportedLayerError(
            f"{error} in a feed-forward network; give example_input to from_module, or "
            "--example to the command, for any other"
        ) from error


def _convert(module: nn.Module, given: Mapping[str, Any], lowering: bool = True) -> NetGraph:
    """Convert a module by its example inputs, by ``torch.export`` where ``torch.fx`` does not serve."""
    try:
        return _read(module, given, trace(module, given), lowering)
    except NotTraceableError as error:
        with preserved(module), torch.no_grad():
            for part in module.modules():  # without eval(), which a module may refuse for a reason of its own
                part.training = False
            try:
                module(**copies(given))
            except Exception as fault:  # whatever forward raises, which is then no fault of tracing
                raise fails_on(module, fault) from fault
        return _read(module, given, trace_by_export(module, given, str(error)), lowering=False)


def _read(module: nn.Module, given: Mapping[str, Any], traced: Traced, lowering: bool) -> NetGraph:
    """Read a traced module, and compare it with the network that was read."""
    program = read_program(module, given, traced)
    batched = all(sizes is None or sizes[:1] in ((), (None,)) for sizes in traced.fixed)
    observer = Observer(_caller(module, list(given)), [*given.values()], batched)
    inputs = [*given.values()]
    single = len(inputs) == 1 and isinstance(inputs[0], Tensor) and inputs[0].ndim > 0
    shape = tuple(inputs[0].shape) if lowering and single else None
    try:
        expected = observe(module, observer)
    except UnsupportedLayerError:
        if shape is not None and len(shape) < 3:
            with suppress(UnsupportedLayerError):
                lower(program, shape)  # which names the layer where sizes do not fit
        raise
    if shape is not None:
        with suppress(UnsupportedLayerError, InvalidGraphError):  # more than an architecture can hold
            return _lowered(module, program, observer, expected, shape)
    state, other = read_state(module, traced.constants, program)
    rebuilt = rebuild(program, state, other)
    seen = observer.observe(rebuilt, expected)
    graph = NetGraph(with_shapes(program, rebuilt.eval(), given), state, other_state=other)
    check_same(module, rebuilt, observer, expected, seen)
    return graph


def _from_layers(module: nn.Module) -> NetGraph:
    """Convert a feed-forward module, whose layers tell the number of its inputs."""
    parameters = inspect.signature(module.forward).parameters.values()
    required = [p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    given = dict.fromkeys(required, torch.empty(0))
    program = read_program(module, given, trace(module, given, whole=True))
    if program.train_calls is not None:
        raise UnsupportedLayerError(f"{type(module).__name__}: a forward that differs in training is not supported")
    architecture = lower(program)
    x = _tensor((2, architecture.n_inputs), dtype_named(program.dtype), torch.Generator().manual_seed(0))
    device = next((value.device for value in named_tensors(module).values()), x.device)
    observer = Observer(_caller(module, required), [x.to(device)])
    expected = observe(module, observer, f"{architecture.n_inputs} inputs")
    return _lowered(module, program, observer, expected, None)


def _lowered(
    module: nn.Module, program: Program, observer: Observer, expected: list[Seen], shape: tuple[int, ...] | None
) -> NetGraph:
    """Lower a program, and compare the module with the network that the architecture says."""
    architecture = lower(program, shape)
    tensors = named_tensors(module)
    names = [dotted(architecture.layers[tensor.layer].name, tensor.name) for tensor in architecture.tensors]
    dtype = dtype_named(program.dtype)
    values = [tensors[name].detach().reshape(-1).to(dtype) for name in names]
    graph = NetGraph(architecture, torch.cat(values) if values else torch.zeros(0))
    rebuilt = to_module(graph)
    rebuilt.requires_grad_(any(value.requires_grad for value in module.parameters()))
    check_same(module, rebuilt, observer, expected, observer.observe(rebuilt, expected))
    return graph


def _caller(module: nn.Module, names: Sequence[str]) -> Any:
    """Return how networks are called: by position with one input, whose name may be another in a rebuilt network."""
    keyword_only = [p.name for p in inspect.signature(module.forward).parameters.values() if p.kind is p.KEYWORD_ONLY]
    if len(names) == 1 and names[0] not in keyword_only:
        return lambda network, inputs: network(*inputs)
    return lambda network, inputs: network(**dict(zip(names, inputs, strict=True)))


def _check_given(module: Any, example: Any) -> None:
    """Check that there is a module with values, and an example of a kind that can be read.

    Raises:
        NetGraphError: With the type of anything else.
    """
    if not isinstance(module, nn.Module):
        raise NetGraphError(f"an nn.Module is converted, not {type(module).__name__}")
    for name, part in module.named_modules():
        kind = type(part).__name__
        if isinstance(part, torch.jit.ScriptModule):
            raise NetGraphError(f"{name or kind}: TorchScript has no forward to trace; give the module it is from")
        if kind in _WRAPPERS:
            raise NetGraphError(
                f"{name or kind}: {kind} wraps a network; give the network itself, its .{_WRAPPERS[kind]}"
            )
    if example is not None and not isinstance(example, Tensor | Mapping | list | tuple):
        kind = type(example).__name__
        raise NetGraphError(f"example_input is a tensor, or a tuple or mapping of the inputs, not {kind}")
    for name, value in [*module.named_parameters(), *module.named_buffers()]:
        if is_lazy(value):
            raise NetGraphError(f"{name}: has no shape yet; run the module once on an example")
        if value.is_meta:
            raise NetGraphError(f"{name}: is on the meta device and has no values")
        if value.layout != torch.strided:
            raise NetGraphError(f"{name}: is a sparse tensor, which a graph cannot hold")


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


@draws_restored()
def generalize(graph: NetGraph) -> NetGraph:
    """Convert a feed-forward graph to the general form, in which a network of any other kind is held."""
    if check_graph(graph, "generalize").program is not None:
        return graph
    module = to_module(graph)
    return _convert(module, _bind(module, example_of(graph)), lowering=False)


def example_of(graph: NetGraph, generator: torch.Generator | None = None) -> Any:
    """Build inputs of the shapes for which a network was read: a tensor, or a tuple of them.

    Args:
        graph: The network.
        generator: Draws standard normal numbers; None gives zeros.
    """
    graph = check_graph(graph, "example_of")
    if graph.program is None:
        return _tensor((2, graph.architecture.n_inputs), graph.state.dtype, generator).to(graph.state.device)
    rows = {row.target: row.shape for row in graph.program.nodes if row.op == "input"}
    held = decode(graph.program.held, {})
    inputs: list[Any] = []
    for name in graph.program.inputs:
        shape = rows[name]
        if name not in held and isinstance(shape, tuple) and shape[0] == "shape":
            inputs.append(_tensor(shape[2:], dtype_named(shape[1]), generator).to(graph.state.device))
        else:
            value = held.get(name)
            inputs.append(value.to(graph.state.device) if isinstance(value, Tensor) else value)
    return inputs[0] if len(inputs) == 1 else tuple(inputs)


def _tensor(sizes: tuple[int, ...], dtype: torch.dtype, generator: torch.Generator | None) -> Tensor:
    if generator is None or not dtype.is_floating_point:
        return torch.zeros(sizes, dtype=dtype)
    return torch.randn(sizes, dtype=dtype, generator=generator)

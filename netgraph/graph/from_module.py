"""``torch.nn`` modules to graphs, through torch.fx."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from netgraph.errors import InvalidGraphError, NetGraphError, UnsupportedLayerError
from netgraph.graph.architecture import Architecture
from netgraph.graph.check import check_architecture
from netgraph.graph.lower import Lowering
from netgraph.graph.modules.convert import Example, convert, refuse_hooks
from netgraph.graph.modules.encoding import decode, dtype_named
from netgraph.graph.modules.preserve import draws_restored
from netgraph.graph.modules.trace import named_tensors
from netgraph.graph.modules.verify import InexactError, Observer, check_same, observe
from netgraph.graph.netgraph import NetGraph, as_graph
from netgraph.graph.to_module import to_module

#: Modules that run another one in their own way, and the attribute that holds it.
_WRAPPERS = {"OptimizedModule": "_orig_mod", "DataParallel": "module", "DistributedDataParallel": "module"}


@draws_restored()
def from_module(module: nn.Module, example_input: Example | None = None) -> NetGraph:
    """Read a module into a graph; :func:`~netgraph.graph.to_module.to_module` inverts it bit for bit.

    A feed-forward module gives a graph that tokens, stack and canonical form take; any other is traced on the example,
    see :mod:`netgraph.graph.modules`.

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
    """
    _check_given(module, example_input)
    rows = _rows(example_input)
    if example_input is not None and rows is None:
        return convert(module, example_input)
    try:
        return _feed_forward(module, rows)
    except InexactError:
        if example_input is None:
            raise
    except UnsupportedLayerError as error:
        if example_input is None:
            raise UnsupportedLayerError(
                f"{error} in a feed-forward network; give example_input for any other"
            ) from error
    except InvalidGraphError:
        if example_input is None or (rows is not None and rows.ndim < 3):
            raise
    return convert(module, example_input)


def _check_given(module: Any, example: Any) -> None:
    """Check that there is a module with values, and an example of a kind that can be read.

    Raises:
        NetGraphError: With what is given instead.
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


def _rows(example: Example | None) -> Tensor | None:
    """Return the example of a network with one input, however it was given."""
    if isinstance(example, Tensor) or example is None:
        return example
    values = list(example.values() if isinstance(example, Mapping) else example)
    return values[0] if len(values) == 1 and isinstance(values[0], Tensor) else None


def _feed_forward(module: nn.Module, example: Tensor | None) -> NetGraph:
    """Lower a module to an architecture, and compare the module with what the graph says.

    Args:
        module: The module.
        example: Rows around which the two run; without them two random ones.

    Raises:
        UnsupportedLayerError: With the submodule, the tensor or the line that an architecture cannot say.
        InvalidGraphError: When sizes do not fit.
    """
    lowering = Lowering(module)
    architecture = Architecture(tuple(lowering.layers(example)))
    check_architecture(architecture)
    graph = NetGraph(architecture, _state(architecture, lowering.modules))
    refuse_hooks(module)
    for problem in _tensors(module, graph):
        raise UnsupportedLayerError(f"{problem}, which is not supported")
    given = example if example is not None else example_of(graph, torch.Generator().manual_seed(0))
    if given.ndim != 2 and any(layer.type == "BatchNorm1d" for layer in architecture.layers):
        raise UnsupportedLayerError(f"BatchNorm1d of an input with {given.ndim} dimensions is not supported")
    observer = Observer(lambda network, inputs: network(*inputs), (given,))
    expected = observe(module, observer, "example_input" if example is not None else f"{given.shape[-1]} inputs")
    rebuilt = to_module(graph)
    rebuilt.requires_grad_(any(value.requires_grad for value in module.parameters()))
    check_same(module, rebuilt, observer, expected, observer.observe(rebuilt, expected))
    return graph


def _tensors(module: nn.Module, graph: NetGraph) -> Iterator[str]:
    """List the tensors that an architecture cannot hold as they are."""
    architecture = graph.architecture
    said = {f"{architecture.layers[t.layer].name}.{t.name}".lstrip(".") for t in architecture.tensors}
    parameters = dict(module.named_parameters(remove_duplicate=False))
    yield from (
        f"{name}: a tensor that is not one of its layer's" for name in named_tensors(module) if name not in said
    )
    first: dict[int, str] = {}
    for name, value in parameters.items():
        owner = first.setdefault(value.data_ptr(), name)
        if owner != name and value.numel():
            yield f"{name}: the same as {owner}, or in the same memory"
        if not value.requires_grad and any(other.requires_grad for other in parameters.values()):
            yield f"{name}: not trained while other parameters are"


def _state(architecture: Architecture, modules: dict[str, nn.Module]) -> Tensor:
    """Copy the parameters and buffers in the order of the flat state."""
    values = []
    for tensor in architecture.tensors:
        layer = architecture.layers[tensor.layer]
        value = getattr(modules[layer.name], tensor.name)
        if value.shape != tensor.shape:
            name, sizes = f"{layer.name}.{tensor.name}".lstrip("."), f"{tuple(value.shape)}, not {tensor.shape}"
            raise InvalidGraphError(f"{name}: has shape {sizes} as its {layer.type} says")
        values.append(value)
    if any(value.is_complex() for value in values):
        raise UnsupportedLayerError("complex parameters are not supported")
    floats = {value.dtype for value in values if value.is_floating_point()}
    if len(floats) > 1:
        raise UnsupportedLayerError(f"parameters of several types: {', '.join(sorted(map(str, floats)))}")
    dtype = floats.pop() if floats else torch.float32
    if not values:
        return torch.zeros(0)
    return torch.cat([value.detach().reshape(-1).to(dtype) for value in values]).clone()


def generalize(graph: NetGraph) -> NetGraph:
    """Convert a feed-forward graph to the general form, in which a network of any other kind is held."""
    if as_graph(graph, "generalize").program is not None:
        return graph
    return convert(to_module(graph), example_of(graph))


def example_of(graph: NetGraph, generator: torch.Generator | None = None) -> Any:
    """Build inputs of the shapes for which a network was read: a tensor, or a tuple of them.

    Args:
        graph: The network.
        generator: Draws standard normal numbers; None gives zeros.
    """
    graph = as_graph(graph, "example_of")
    if graph.program is None:
        return _tensor((2, graph.architecture.n_inputs), graph.state.dtype, generator).to(graph.state.device)
    rows = {row.target: row.shape for row in graph.program.nodes if row.op == "input"}
    held = decode(graph.program.held, {})
    found: list[Any] = []
    for name in graph.program.inputs:
        shape = rows[name]
        if name not in held and isinstance(shape, tuple) and shape[0] == "shape":
            found.append(_tensor(shape[2:], dtype_named(shape[1]), generator).to(graph.state.device))
        else:
            value = held.get(name)
            found.append(value.to(graph.state.device) if isinstance(value, Tensor) else value)
    return found[0] if len(found) == 1 else tuple(found)


def _tensor(sizes: tuple[int, ...], dtype: torch.dtype, generator: torch.Generator | None) -> Tensor:
    if generator is None or not dtype.is_floating_point:
        return torch.zeros(sizes, dtype=dtype)
    return torch.randn(sizes, dtype=dtype, generator=generator)

"""Whether a feed-forward architecture says everything about a module: its tensors, its calls, its gradients."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from netgraph.errors import NetGraphError, UnsupportedLayerError
from netgraph.graph.modules.convert import refuse_hooks
from netgraph.graph.modules.general import example_of
from netgraph.graph.modules.verify import Observer, check_same, observe
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.to_module import to_module

#: Modules that run another one in their own way, and the attribute that holds it.
_WRAPPERS = {"OptimizedModule": "_orig_mod", "DataParallel": "module", "DistributedDataParallel": "module"}


def check_given(module: Any, example: Any) -> None:
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


def check_faithful(module: nn.Module, graph: NetGraph, example: Tensor | None) -> None:
    """Compare a module with what its feed-forward graph says.

    Args:
        module: The module.
        graph: Its graph.
        example: Rows around which the two run; without them two random ones.

    Raises:
        UnsupportedLayerError: With the submodule, the tensor or the line that an architecture cannot say.
    """
    refuse_hooks(module)
    for problem in _tensors(module, graph):
        raise UnsupportedLayerError(f"{problem}, which is not supported")
    _compare(module, graph, example)


def _tensors(module: nn.Module, graph: NetGraph) -> Iterator[str]:
    architecture = graph.architecture
    said = {f"{architecture.layers[t.layer].name}.{t.slot.name}".lstrip(".") for t in architecture.tensors}
    parameters = dict(module.named_parameters(remove_duplicate=False))
    buffers = dict(module.named_buffers(remove_duplicate=False))
    yield from (f"{name}: a tensor that is not one of its layer's" for name in parameters | buffers if name not in said)
    first: dict[int, str] = {}
    for name, value in parameters.items():
        owner = first.setdefault(value.data_ptr(), name)
        if owner != name and value.numel():
            yield f"{name}: the same as {owner}, or in the same memory"
        if not value.requires_grad and any(other.requires_grad for other in parameters.values()):
            yield f"{name}: not trained while other parameters are"


def _compare(module: nn.Module, graph: NetGraph, example: Tensor | None) -> None:
    given = example if example is not None else example_of(graph, torch.Generator().manual_seed(0))
    if given.ndim != 2 and any(layer.type == "BatchNorm1d" for layer in graph.architecture.layers):
        raise UnsupportedLayerError(f"BatchNorm1d of an input with {given.ndim} dimensions is not supported")
    observer = Observer(lambda network, inputs: network(*inputs), (given,))
    expected = observe(module, observer, "example_input" if example is not None else f"{given.shape[-1]} inputs")
    rebuilt = to_module(graph)
    rebuilt.requires_grad_(any(value.requires_grad for value in module.parameters()))
    check_same(module, rebuilt, observer, expected, observer.observe(rebuilt, expected))

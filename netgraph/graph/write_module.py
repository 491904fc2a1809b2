"""Graphs to plain ``torch.nn`` modules."""

import operator
from functools import reduce

import torch
from torch import fx, nn

from netgraph.graph.architecture import Architecture
from netgraph.graph.modules.execute import rebuild
from netgraph.graph.netgraph import NetGraph, check_graph


def to_module(graph: NetGraph) -> nn.Module:
    """Build the module that a graph describes, in evaluation mode; its outputs are the same bit for bit.

    A chain of feed-forward layers becomes a (nested) ``nn.Sequential``, other feed-forward networks a
    ``torch.fx.GraphModule``. Layers keep their names; those without get their position in the layer table. A network of
    any other kind becomes a :class:`~netgraph.graph.modules.execute.NetworkModule`, equal to the original in training
    mode too, with the same ``state_dict`` and the same gradients.

    Args:
        graph: A valid graph.

    Returns:
        The module, in the graph's floating-point type and on its device.

    Raises:
        InvalidGraphError: When the graph is not a runnable network.

    Example:
        >>> from netgraph import from_module
        >>> to_module(from_module(nn.Sequential(nn.Linear(3, 2), nn.Tanh())))
        Sequential(
          (0): Linear(in_features=3, out_features=2, bias=True)
          (1): Tanh()
        )
    """
    check_graph(graph, "to_module").validate()
    if graph.program is not None:
        return rebuild(graph.program, graph.state.detach(), graph.other_state)
    names = _names(graph.architecture)
    modules = _modules(graph, names)
    if names[1:] == [""]:
        return modules[""].eval()
    chain = _sequential(graph.architecture, names, modules)
    return (_graph_module(graph.architecture, names, modules) if chain is None else chain).eval()


def _names(architecture: Architecture) -> list[str]:
    """Return a name for every layer, unique unless two are one module used twice."""
    if len(architecture.layers) == 2 and architecture.layers[1].kind.module is not None:
        return ["x", architecture.layers[1].name]
    given = {layer.name for layer in architecture.layers}
    names = []
    for position, layer in enumerate(architecture.layers):
        name = layer.name or str(position - 1 if position else "x")
        while not layer.name and name in given:
            name += "_"
        names.append(name)
    return names


def _modules(graph: NetGraph, names: list[str]) -> dict[str, nn.Module]:
    """Build the layers' modules and fill them."""
    architecture = graph.architecture
    built: dict[str, nn.Module] = {}
    for name, layer in zip(names, architecture.layers, strict=True):
        if layer.kind.module is not None and name not in built:
            fan_in = architecture.layers[layer.inputs[0]].size
            module = layer.kind.build(fan_in, layer.size, layer.hyper_parameters)
            built[name] = module.to(device=graph.state.device, dtype=graph.state.dtype)
    with torch.no_grad():
        for tensor in architecture.tensors:
            getattr(built[names[tensor.layer]], tensor.name).copy_(graph.tensor(tensor))
    return built


def _sequential(architecture: Architecture, names: list[str], modules: dict[str, nn.Module]) -> nn.Sequential | None:
    """Nest the layers by their names; None unless they then run as the chain that they are."""
    chain = nn.Sequential()
    for name in names[1:] if len(modules) == len(names) - 1 else ():
        *path, leaf = name.split(".")
        branch: nn.Module = chain
        for step in path:
            if step not in branch._modules:
                branch.add_module(step, nn.Sequential())
            branch = branch.get_submodule(step)
        branch.add_module(leaf, modules[name])
    order = [name for name, module in chain.named_modules() if type(module) is not nn.Sequential]
    straight = all(layer.inputs == (i - 1,) for i, layer in enumerate(architecture.layers) if i)
    return chain if straight and order == names[1:] else None


def _graph_module(architecture: Architecture, names: list[str], modules: dict[str, nn.Module]) -> nn.Module:
    graph = fx.Graph()
    nodes: list[fx.Node] = [graph.placeholder("x")]
    for layer, name in list(zip(architecture.layers, names, strict=True))[1:]:
        operands = [nodes[i] for i in layer.inputs]
        if layer.type == "Add":
            nodes.append(reduce(lambda total, operand: graph.call_function(operator.add, (total, operand)), operands))
        elif layer.type == "Concat":
            nodes.append(graph.call_function(torch.cat, (operands,), {"dim": -1}))
        else:
            nodes.append(graph.call_module(name, (operands[0],)))
    graph.output(nodes[-1])
    return fx.GraphModule(dict(modules), graph)

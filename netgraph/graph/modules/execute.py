"""The module of a program: how it is built, and how its calls are run."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor, nn

from netgraph.errors import InvalidGraphError, NetGraphError
from netgraph.graph.modules.encoding import decode, references
from netgraph.graph.modules.functions import find_operation
from netgraph.graph.modules.program import CallGraph, GraphNode, Program
from netgraph.graph.modules.registry import CONTAINERS, build
from netgraph.graph.modules.values import same, view

#: Makes a call in its own way: (position, graph node, arguments, keyword arguments, module or function) -> value.
Caller = Callable[[int, GraphNode, tuple[Any, ...], dict[str, Any], Callable[..., Any]], Any]


def execute(
    calls: CallGraph, root: nn.Module, inputs: Mapping[str, Any], caller: Caller | None = None, release: bool = True
) -> Any:
    """Run a graph of calls.

    Args:
        calls: The graph.
        root: The module that holds the modules and tensors which the nodes name.
        inputs: The inputs by name.
        caller: Makes the calls in its own way, and returns their values.
        release: Let go of each value after its last use.

    Returns:
        The network's result.
    """
    values: list[Any] = [None] * len(calls.nodes)
    special = {"node": values.__getitem__, "training": lambda name: root.get_submodule(name).training}
    for position, (node, spent) in enumerate(zip(calls.nodes, _spent(calls), strict=True)):
        if node.op == "input":
            values[position] = inputs[node.target]
        elif node.op == "tensor":
            values[position] = attrgetter(node.target)(root)
        else:
            args, kwargs = decode(node.args, special), decode(node.kwargs, special)
            make = root.get_submodule(node.target) if node.op == "module" else find_operation(node.target)
            values[position] = make(*args, **kwargs) if caller is None else caller(position, node, args, kwargs, make)
        for old in spent if release else ():
            values[old] = None
    return decode(calls.output, special)


@lru_cache(maxsize=256)
def _spent(calls: CallGraph) -> tuple[tuple[int, ...], ...]:
    """List, for each node, the nodes with values that nothing reads after it."""
    last = {position: position for position in range(len(calls.nodes))}
    for position, node in enumerate(calls.nodes):
        last.update(dict.fromkeys(node.inputs, position))
    for position in references(calls.output):
        last.pop(position, None)
    spent: list[list[int]] = [[] for _ in calls.nodes]
    for position, reader in last.items():
        spent[reader].append(position)
    return tuple(map(tuple, spent))


def bind(program: Program, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Match arguments to the inputs of a network.

    Raises:
        NetGraphError: When one is missing, unknown, or of a value or a size for which the network was not traced.
    """
    names, held = program.inputs, decode(program.held, {})
    given: dict[str, Any] = held | dict(zip(names, args, strict=False)) | dict(kwargs)
    if len(args) > len(names) or set(given) != set(names):
        raise NetGraphError(f"the network takes ({', '.join(names)}); given {len(args)} and {sorted(kwargs)}")
    for name, value in held.items():
        if not same(given[name], value):
            kind = type(given[name]).__name__
            raise NetGraphError(f"{name}: the network was traced for {value!r}; given another value, of type {kind}")
    for name, sizes in zip(names, program.fixed, strict=False):
        if sizes is None or not isinstance(given[name], Tensor):
            continue
        shape = given[name].shape
        if len(sizes) != len(shape) or any(size not in (None, n) for size, n in zip(sizes, shape, strict=True)):
            expected = ", ".join("any" if size is None else str(size) for size in sizes)
            raise NetGraphError(f"{name} has shape {tuple(shape)}; the network was traced for [{expected}]")
    return given


class NetworkModule(nn.Module):
    """A network that was rebuilt from its calls; its submodules are plain ``torch.nn`` modules."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self._program = program

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the network's result, in its mode."""
        program = self._program
        calls = program.train_calls if self.training and program.train_calls is not None else program.calls
        return execute(calls, self, bind(program, args, kwargs))


class Lender(nn.Module):
    """Lends a module's own parts and tensors to the replay, and the constants that tracing found."""

    def __init__(self, module: nn.Module, constants: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.__dict__ |= {"lent": module, "constants": constants}

    def get_submodule(self, target: str) -> nn.Module:
        """Return a part of the module."""
        lent: nn.Module = self.__dict__["lent"]
        return lent.get_submodule(target)

    def __getattr__(self, name: str) -> Any:
        constants = self.__dict__["constants"]
        return constants[name] if name in constants else getattr(self.__dict__["lent"], name)


def rebuild(program: Program, state: Tensor, other: Tensor) -> nn.Module:
    """Build the module, in evaluation mode; its tensors are copies.

    Raises:
        InvalidGraphError: When a tensor is missing.
    """
    top, *others = program.modules
    root = NetworkModule(program) if top.type in CONTAINERS else build(top.type, top.kwargs)
    modules = {"": root}
    for part in others:
        modules[part.name] = build(part.type, part.kwargs) if part.alias is None else modules[part.alias]
        owner, _, name = part.name.rpartition(".")
        modules[owner].add_module(name, modules[part.name])
    for tensor in program.tensors:
        value = view(tensor, state, other)
        if tensor.order:  # in memory the dimensions lay in another order than in the shape
            inverse = sorted(range(len(tensor.order)), key=tensor.order.__getitem__)
            value = value.permute(tensor.order).clone(memory_format=torch.contiguous_format).permute(inverse)
        value = (value if tensor.order else value.clone()).requires_grad_(tensor.trainable)
        held = nn.Parameter(value, requires_grad=tensor.trainable) if tensor.kind == "parameter" else value
        for full in tensor.names:
            owner, _, name = full.rpartition(".")
            module = root.get_submodule(owner)
            if tensor.kind == "buffer":
                module.register_buffer(name, held, persistent=tensor.persistent)
            else:  # a parameter, or a constant that is in no ``state_dict``
                (setattr if tensor.kind == "parameter" else object.__setattr__)(module, name, held)
    for name, value in [*root.named_parameters(), *root.named_buffers()]:
        if value.is_meta:
            raise InvalidGraphError(f"{name} has no values")
    return root.eval()

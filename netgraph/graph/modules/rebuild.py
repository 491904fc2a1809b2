"""Networks of any kind to ``torch.nn`` modules, through the registry of module types."""

import torch
from torch import Tensor, nn

from netgraph.errors import InvalidGraphError
from netgraph.graph.modules.execute import NetworkModule
from netgraph.graph.modules.parts import CONTAINERS, build
from netgraph.graph.modules.program import Program, Stored
from netgraph.graph.modules.values import view


def rebuild(program: Program, state: Tensor, other: Tensor) -> nn.Module:
    """Build the module, in evaluation mode; its tensors are copies.

    Raises:
        InvalidGraphError: When a tensor is missing.
    """
    modules: dict[str, nn.Module] = {}
    for part in program.parts:
        if part.alias is not None:
            modules[part.name] = modules[part.alias]
        elif part.name == "" and part.type in CONTAINERS:
            modules[part.name] = NetworkModule(program)
        else:
            modules[part.name] = build(part.type, part.hyper)
        owner, _, name = part.name.rpartition(".")
        if part.name:
            modules[owner].add_module(name, modules[part.name])
    root = modules[""]
    for tensor in program.tensors:
        _fill(root, tensor, _laid(tensor, view(tensor, state, other)))
    for name, value in [*root.named_parameters(), *root.named_buffers()]:
        if value.is_meta:
            raise InvalidGraphError(f"{name} has no values")
    return root.eval()


def _laid(tensor: Stored, value: Tensor) -> Tensor:
    """Copy a value into the order in memory that it had."""
    if not tensor.order:
        return value.clone()
    inverse = sorted(range(len(tensor.order)), key=tensor.order.__getitem__)
    return value.permute(tensor.order).clone(memory_format=torch.contiguous_format).permute(inverse)


def _fill(root: nn.Module, tensor: Stored, value: Tensor) -> None:
    value.requires_grad_(tensor.trainable)
    held = nn.Parameter(value, requires_grad=tensor.trainable) if tensor.kind == "parameter" else value
    for full in tensor.names:
        owner, _, name = full.rpartition(".")
        module = root.get_submodule(owner)
        if tensor.kind == "buffer":
            module.register_buffer(name, held, persistent=tensor.persistent)
        elif tensor.kind == "parameter":
            setattr(module, name, held)
        else:
            object.__setattr__(module, name, held)

"""Tensors of a network and results of its calls: viewed in the state, compared, copied."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from netgraph.graph.modules.encoding import dtype_named
from netgraph.graph.modules.program import NamedTensorSpec


def view(tensor: NamedTensorSpec, state: Tensor, other: Tensor) -> Tensor:
    """View one tensor of the network in its own shape and type.

    Args:
        tensor: Which.
        state: The flat state, [P].
        other: The bytes of tensors of other types, [Q] uint8.
    """
    if tensor.in_state:
        return state[tensor.offset : tensor.end].view(tensor.shape)
    return other[tensor.offset : tensor.end].view(dtype_named(tensor.dtype)).view(tensor.shape)


def is_finite(values: Tensor) -> bool:
    """Return whether no number is NaN or infinite."""
    small = values.is_floating_point() and values.itemsize == 1  # torch asks this of no float8 itself
    return bool(torch.isfinite(values.float() if small else values).all())


def same(a: Any, b: Any) -> bool:
    """Return whether two results are equal bit for bit: types, shapes and every number; NaN is equal to NaN alone.

    Namedtuples are of one type where their names and fields are the same.
    """
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        if a.dtype != b.dtype or a.shape != b.shape:
            return False
        return bool(torch.all((a == b) | (torch.isnan(a) & torch.isnan(b))))
    kinds = [(type(x).__name__, x._fields) if hasattr(x, "_fields") else type(x) for x in (a, b)]
    if kinds[0] != kinds[1]:
        return False
    if isinstance(a, Mapping):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b or (a != a and b != b))


def copies(given: Mapping[str, Any]) -> dict[str, Any]:
    """Copy the example, so that a network that works in place leaves it as it is."""
    return {name: value.clone() if isinstance(value, Tensor) else value for name, value in given.items()}

"""Whether two networks' results are equal bit for bit."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def same(a: Any, b: Any) -> bool:
    """Return whether two results are equal: types, shapes and every number; NaN is equal to NaN alone.

    Namedtuples are of one type where their names and fields are the same.
    """
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return same_tensors(a, b)
    if _kind(a) != _kind(b):
        return False
    if isinstance(a, Mapping):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and bool(a == b or (a != a and b != b))


def _kind(value: Any) -> Any:
    fields = getattr(value, "_fields", None)
    return type(value) if fields is None else (type(value).__name__, fields)


def same_tensors(a: Tensor, b: Tensor) -> bool:
    """Say whether two tensors have the same type, shape and numbers."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    return bool(torch.all((a == b) | (torch.isnan(a) & torch.isnan(b))))

"""Whether two networks' results are equal bit for bit."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


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

"""Calls that leave [rows, features] as they are, which a feed-forward network does not need."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import fx, nn

#: Stands for the number of rows, which is not known.
ROWS = "rows"


def size_read(node: fx.Node, widths: Mapping[fx.Node, int], sizes: Mapping[fx.Node, Any]) -> Any:
    """Return what a node reads of the shape of [rows, features]: all of it, the rows, a width, or None for neither."""
    source: Any = node.args[0] if node.args else None
    if source in widths and (node.target == "size" or (node.target is getattr and node.args[1] == "shape")):
        shape = (ROWS, widths[source])
        dim: Any = node.kwargs.get("dim", node.args[1] if node.target == "size" and len(node.args) > 1 else None)
        return shape if dim is None else shape[dim]
    whole = sizes.get(source)
    if isinstance(whole, tuple) and getattr(node.target, "__name__", "") == "getitem" and isinstance(node.args[1], int):
        return whole[node.args[1]] if -2 <= node.args[1] < 2 else None
    return None


def leaves_alone(node: fx.Node, part: nn.Module | None, width: int, sizes: Mapping[fx.Node, Any]) -> bool:
    """Return whether a call leaves its operand, [rows, features], as it is."""
    if part is not None:
        return isinstance(part, nn.Flatten) and _flat(part.start_dim, part.end_dim)
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    if name not in _CALLS or (node.op == "call_function" and getattr(torch, name, None) is not node.target):
        return False
    args = [sizes.get(a, a) if isinstance(a, fx.Node) else a for a in _listed(node.args[1:])]
    return _CALLS[name](width, args, dict(node.kwargs))


def _listed(args: Any) -> list[Any]:
    return list(args[0]) if len(args) == 1 and isinstance(args[0], list | tuple) else list(args)


def _flat(start: Any, end: Any) -> bool:
    return start in (1, -1) and end in (1, -1)


def _flatten(width: int, args: list[Any], named: dict[str, Any]) -> bool:
    given = dict(zip(("start_dim", "end_dim"), args, strict=False)) | named
    return _flat(given.get("start_dim", 0), given.get("end_dim", -1))


def _squeeze(width: int, args: list[Any], named: dict[str, Any]) -> bool:
    return width != 1 and [*args, *named.values()] in ([1], [-1])


def _reshape(width: int, args: list[Any], named: dict[str, Any]) -> bool:
    shape = tuple(_listed([*args, *named.values()]))
    return shape in ((ROWS, -1), (ROWS, width), (-1, width))


def _contiguous(width: int, args: list[Any], named: dict[str, Any]) -> bool:
    return not args and not named


def _concatenate(width: int, args: list[Any], named: dict[str, Any]) -> bool:
    return True  # of one operand, along any dimension


_CALLS = {
    **dict.fromkeys(("cat", "concat", "concatenate"), _concatenate),
    "flatten": _flatten,
    "squeeze": _squeeze,
    "view": _reshape,
    "reshape": _reshape,
    "contiguous": _contiguous,
}

"""The wiring of calls: one rule a role, whether a function, a tensor method or a registered module is called."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from netgraph.errors import UnsupportedLayerError
from netgraph.graph.modules import edges
from netgraph.graph.modules.calls import Call
from netgraph.graph.modules.labels import Value, along, compress, values_in
from netgraph.graph.modules.registry import n_spatial_dims
from netgraph.graph.modules.reshapes import reshape


def constant(c: Call) -> Any:
    """Compute sizes and numbers; of a tensor that depends on no input keep the shape alone."""
    named = {key: value for key, value in c.kwargs.items() if key not in ("device", "pin_memory")}
    with torch.device("meta"):
        empty = lambda leaf: torch.empty(leaf.shape, dtype=leaf.dtype) if isinstance(leaf, Value) else leaf  # noqa: E731
        args, kwargs = pytree.tree_map(empty, (c.args, named))
        result = c.function(*args, **kwargs)
    shape_of = lambda leaf: Value(tuple(leaf.shape), leaf.dtype) if isinstance(leaf, Tensor) else leaf  # noqa: E731
    return pytree.tree_map(shape_of, result)


def channel_axis(kind: str, ndim: int) -> int:
    """Return the axis of channels, behind the batch where there is one: batch norm always has one."""
    spatial = n_spatial_dims(kind)
    if spatial is None or kind in ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d"):
        return min(1, ndim - 1)
    return max(0, ndim - spatial - 1)


def _binary(c: Call) -> Tensor:
    """A parameter that is multiplied is the edges' weights, one that is added is the bias."""
    held = [value.slots for value in values_in(c.args, c.kwargs) if value.labels is None and value.slots is not None]
    weight, bias = (held[0] if held and c.kind == kind else None for kind in ("Mul", "Add"))
    return edges.elementwise(c.b, c.name, c.kind, c.live, weight, bias)


def _dense(c: Call) -> Tensor:
    return edges.dense(c.b, c.name, c.kind, c.operand, -1, c.weights(), c.slots("bias", 2))


def _bilinear(c: Call) -> Tensor:
    """Each edge carries the weights of all products in which its source takes part."""
    labels = edges.dense(c.b, c.name, c.kind, c.operand, -1, c.weights(position=2), c.slots("bias", 3))
    second = c.weights(lambda slots: slots.transpose(1, 2), 2)  # [outputs, second, first]
    c.b.connect_densely(c.args[1], -1, second, labels.reshape(-1))
    return labels


def _conv(c: Call) -> Tensor:
    groups, transposed = c.argument("groups", 6), "transpose" in c.base.lower()
    weight = c.weights(partial(_without_groups, groups=1 if groups is None else groups, transposed=transposed))
    axis = len(c.operand.shape) - (len(weight.shape) - 2) - 1
    return edges.dense(c.b, c.name, c.kind, c.operand, axis, weight, c.slots("bias", 2))


def _without_groups(weight: Tensor, groups: int, transposed: bool) -> Tensor:
    """Return the weight of a convolution as [outputs, inputs, *kernel], 0 between groups."""
    parts = list(weight.chunk(groups))
    if transposed:  # [inputs, outputs / groups, *kernel]
        parts = [part.transpose(0, 1) for part in parts]
    if groups == 1:
        return parts[0]
    rows, columns = parts[0].shape[:2]
    full = weight.new_zeros(rows * groups, columns * groups, *weight.shape[2:])
    for i, part in enumerate(parts):
        full[i * rows : (i + 1) * rows, i * columns : (i + 1) * columns] = part
    return full


def _norm(c: Call) -> Tensor:
    """Scales are the edges' weights, shifts the biases; statistics are none."""
    ndim, last = len(c.operand.shape), c.kind in ("LayerNorm", "RMSNorm")
    first = 2 if last or c.kind == "GroupNorm" else 3 if c.target.startswith("functional.") else 1
    weight, bias = c.slots("weight", first), None if c.kind == "RMSNorm" else c.slots("bias", first + 1)
    if not last:
        axis = channel_axis(c.kind, ndim)
        weight, bias = (None if slots is None else along(axis, ndim, slots) for slots in (weight, bias))
    return edges.elementwise(c.b, c.name, c.kind, [c.operand], weight, bias)


def _prelu(c: Call) -> Tensor:
    if not c.of_module:
        return _binary(replace(c, kind="Mul"))
    ndim = len(c.operand.shape)
    return edges.elementwise(c.b, c.name, c.kind, [c.operand], along(min(1, ndim - 1), ndim, c.weights().make()))


def _pool(c: Call) -> Tensor:
    ndim, spatial = len(c.operand.shape), n_spatial_dims(c.kind)
    return edges.reduce(c.b, c.name, c.kind, c.operand, range(2 if spatial is None else ndim - spatial, ndim))


def _reduce(c: Call) -> Tensor:
    if len(values_in(c.args, c.kwargs)) > 1:
        return _binary(c)
    ndim, dims = len(c.operand.shape), c.dim(2 if c.base == "norm" else 1)
    axes = range(ndim) if dims is None or dims == [] else [dims] if isinstance(dims, int) else list(dims)
    labels = edges.reduce(c.b, c.name, c.kind, c.operand, axes)
    shape = c.shape[1] if c.shape[0] == "tuple" else c.shape
    if len(shape) - 2 == ndim:
        return labels
    return labels.reshape([n for i, n in enumerate(labels.shape) if i not in {axis % ndim for axis in axes}])


def _matmul(c: Call) -> Tensor:
    first, second = values_in(c.args, c.kwargs)[:2]
    n = max(len(first.shape), len(second.shape), 2) - 2
    batch, i, j = "abcdefgh"[:n], "i" * (len(first.shape) > 1), "j" * (len(second.shape) > 1)
    a, b = (batch[n - max(len(value.shape) - 2, 0) :] for value in (first, second))
    return edges.einsum(c.b, c.name, "Matmul", [(first, f"{a}{i}k"), (second, f"{b}k{j}")], batch + i + j)


def _einsum(c: Call) -> Tensor:
    equation = c.args[0].replace(" ", "")
    inputs, arrow, out = equation.partition("->")
    if "." in equation or not arrow:
        raise UnsupportedLayerError(f"einsum {equation!r}; write every letter and the output")
    terms = list(zip(values_in(c.args[1:]), inputs.split(","), strict=True))
    return edges.einsum(c.b, c.name, "Einsum", terms, out)


def _attention(c: Call) -> Tensor:
    """Scaled dot-product attention of values [..., length, width]."""
    q, k, v = (c.argument(name, i) for i, name in enumerate(("query", "key", "value")))
    batch = "abcdefgh"[: len(q.shape) - 2]
    terms = [(q, batch + "tx"), (k, batch + "sx"), (v, batch + "sy")]
    return edges.einsum(c.b, c.name, "Attention", terms, batch + "ty")


def _embedding(c: Call) -> Tensor:
    at = (1, 0) if c.target.startswith(("aten.", "torch.")) else (0, 1)
    indices = c.argument("indices" if at[0] else "input", at[0])
    labels = edges.embedding(c.b, c.name, indices, c.weights(position=at[1]))
    return along(-1, len(indices.shape) + 1, labels)


def _glu(c: Call) -> Tensor:
    """A gated linear unit: half as many nodes, each fed by its value and its gate."""
    halves = c.operand.spread().chunk(2, c.dim(default=-1))
    return edges.elementwise(c.b, c.name, "GLU", [Value(tuple(half.shape), labels=compress(half)) for half in halves])


def _scatter(c: Call) -> Tensor:
    live = [value for value in c.live if value.dtype.is_floating_point] or c.live
    axis = c.dim()
    if any(value.known.shape[axis] > 1 for value in live):
        raise UnsupportedLayerError("channels scattered by a tensor of indices; the choice would have to be a constant")
    return edges.elementwise(c.b, c.name, c.kind, live)


#: The rules by roles; of ``scalar`` and ``identity``, which add no nodes, there is none.
RULES: dict[str, Callable[[Call], Any]] = {
    "elementwise": lambda c: edges.elementwise(c.b, c.name, c.kind, [c.operand], before=True),
    "softmax": lambda c: edges.softmax(c.b, c.name, c.kind, c.operand, c.dim(default=1)),
    "reshape": reshape, "binary": _binary, "dense": _dense, "bilinear": _bilinear, "conv": _conv, "norm": _norm,
    "prelu": _prelu, "pool": _pool, "reduce": _reduce, "matmul": _matmul, "einsum": _einsum, "attention": _attention,
    "embedding": _embedding, "glu": _glu, "scatter": _scatter,
}  # fmt: skip

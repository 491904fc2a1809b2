"""The wiring of calls: one rule a role, whether a function, a tensor method or a registered module is called."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from netgraph.errors import UnsupportedLayerError
from netgraph.graph.modules import rules
from netgraph.graph.modules.builder import Builder
from netgraph.graph.modules.composites import COMPOSITES
from netgraph.graph.modules.encoding import decode
from netgraph.graph.modules.functions import find_operation
from netgraph.graph.modules.labels import Value, along, compress, values_in
from netgraph.graph.modules.parts import TYPES, type_of_operation
from netgraph.graph.modules.program import GraphNode, ModuleSpec
from netgraph.graph.modules.rules import Call
from netgraph.graph.modules.views import view

#: Roles of module types, by the beginnings of their names; the first that fits.
_ROLES: list[tuple[tuple[str, ...], str]] = [
    (("Linear",), "dense"),
    (("Bilinear",), "bilinear"),
    (("Conv",), "conv"),
    (("BatchNorm", "InstanceNorm", "GroupNorm", "LayerNorm", "RMSNorm"), "norm"),
    (("PReLU",), "prelu"),
    (("MaxPool", "AvgPool", "LPPool", "Adaptive", "Upsampl", "MaxUnpool", "FractionalMaxPool"), "pool"),
    (("Softmax", "LogSoftmax", "Softmin"), "mix"),
    (("GLU",), "glu"),
    (("Embedding",), "embedding"),
    (
        ("Flatten", "Unflatten", "PixelShuffle", "PixelUnshuffle", "ChannelShuffle", "ZeroPad", "ReflectionPad",
         "ReplicationPad", "CircularPad", "ConstantPad"),
        "view",
    ),
    (
        ("ReLU", "RReLU", "SiLU", "Mish", "Hard", "SELU", "Tanh", "Sigmoid", "LogSigmoid", "Soft", "Identity",
         "LeakyReLU", "ELU", "CELU", "GELU", "Threshold", "Dropout", "AlphaDropout", "FeatureAlphaDropout",
         "LocalResponseNorm"),
        "each",
    ),
]  # fmt: skip


def role_of_module(kind: str) -> str:
    """Return the role of a module type; "" where it has none."""
    return next((role for prefixes, role in _ROLES if kind.startswith(prefixes)), "")


def wire_module(b: Builder, row: GraphNode, part: ModuleSpec, operands: Sequence[Any]) -> Any:
    """Wire one call of a module.

    Raises:
        UnsupportedLayerError: When its type has no rule.
    """
    if not any(isinstance(value, Value) and value.labels is not None for value in operands):
        return None
    hyper: dict[str, Any] = decode(part.kwargs, {"module": lambda inner: inner})
    if part.type in COMPOSITES:
        return _checked(COMPOSITES[part.type](b, part.name, hyper, list(operands)))
    role, target = role_of_module(part.type), f"module.{part.type}"
    if role == "view":
        fixed = TYPES[part.type](**hyper | ({"value": 0.0} if "value" in hyper else {}))
        return view(Call(b, row, part.name, part.type, target, tuple(operands), {}, fixed))
    if role not in _RULES:
        raise UnsupportedLayerError(f"how the vertices of {part.type} are wired is not known; it needs a rule")
    return _checked(_RULES[role](Call(b, row, part.name, part.type, target, tuple(operands), hyper)))


def wire_call(b: Builder, row: GraphNode, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wire one call of a function or a method.

    Raises:
        UnsupportedLayerError: When its vertices cannot be told.
    """
    operation = find_operation(row.target)
    c = Call(b, row, row.name, type_of_operation(operation.name), operation.name, args, kwargs, operation)
    values = values_in(args, kwargs)
    if operation.role == "same" and values:
        return args[0] if args else next(iter(kwargs.values()))
    if operation.role == "view":
        return view(c)
    if operation.role in ("scalar", "same") or not any(value.labels is not None for value in values):
        return _constant(c)
    return _checked(_RULES[operation.role](c))


def _checked(result: Any) -> Any:
    if result is None:  # what depends on an input has vertices
        raise UnsupportedLayerError("its rule gives no vertices")
    return result


def _constant(c: Call) -> Any:
    """Compute sizes and numbers; of a tensor that depends on no input keep the shape alone."""
    named = {key: value for key, value in c.kwargs.items() if key not in ("device", "pin_memory")}
    with torch.device("meta"):
        empty = lambda leaf: torch.empty(leaf.shape, dtype=leaf.dtype) if isinstance(leaf, Value) else leaf  # noqa: E731
        args, kwargs = pytree.tree_map(empty, (c.args, named))
        result = c.function(*args, **kwargs)
    shape_of = lambda leaf: Value(tuple(leaf.shape), leaf.dtype) if isinstance(leaf, Tensor) else leaf  # noqa: E731
    return pytree.tree_map(shape_of, result)


def _join(c: Call) -> Tensor:
    return rules.join(c.b, c.name, c.kind, values_in(c.args, c.kwargs))


def _dense(c: Call) -> Tensor:
    labels = rules.dense(c.b, c.name, c.kind, c.operand, -1, c.weights(), c.slots("bias", 2))
    return along(-1, len(c.operand.shape), labels)


def _bilinear(c: Call) -> Tensor:
    """Each edge carries the weights of all products in which its source takes part."""
    labels = rules.dense(c.b, c.name, c.kind, c.operand, -1, c.weights(position=2), c.slots("bias", 3))
    c.b.dense(c.args[1], -1, c.weights(lambda slots: slots.transpose(1, 2), 2), labels)  # [outputs, second, first]
    return along(-1, len(c.operand.shape), labels)


def _conv(c: Call) -> Tensor:
    groups, transposed = c.argument("groups", 6), "transpose" in c.base.lower()
    weight = c.weights(partial(rules.grouped, groups=1 if groups is None else groups, transposed=transposed))
    axis, ndim = len(c.operand.shape) - (len(weight.shape) - 2) - 1, len(c.operand.shape)
    return along(axis, ndim, rules.dense(c.b, c.name, c.kind, c.operand, axis, weight, c.slots("bias", 2)))


def _norm(c: Call) -> Tensor:
    ndim, last = len(c.operand.shape), c.kind in ("LayerNorm", "RMSNorm")
    first = 2 if last or c.kind == "GroupNorm" else 3 if c.target.startswith("functional.") else 1
    found = [c.slots("weight", first), None if c.kind == "RMSNorm" else c.slots("bias", first + 1)]
    if not last:  # channels are axis 1, but axis 0 of what has no batch, which only InstanceNorm allows
        axis = max(0, ndim - int(c.kind[-2]) - 1) if c.kind[:-2] == "InstanceNorm" else 1
        found = [None if slots is None else along(axis, ndim, slots) for slots in found]
    return rules.norm(c.b, c.name, c.kind, c.operand, *found)


def _prelu(c: Call) -> Tensor:
    if not c.of_module:
        return rules.join(c.b, c.name, "Mul", [c.operand, c.args[1]])
    ndim, slope = len(c.operand.shape), c.weights().make()
    return rules.norm(c.b, c.name, c.kind, c.operand, along(min(1, ndim - 1), ndim, slope), None)


def _pool(c: Call) -> Tensor:
    ndim, digits = len(c.operand.shape), [int(letter) for letter in c.base if letter.isdigit()]
    return rules.merge(c.b, c.name, c.kind, c.operand, range(ndim - (digits[0] if digits else ndim - 2), ndim))


def _reduce(c: Call) -> Tensor:
    if len(values_in(c.args, c.kwargs)) > 1:
        return _join(c)
    ndim, dims = len(c.operand.shape), c.dim(2 if c.base == "norm" else 1)
    axes = range(ndim) if dims is None or dims == [] else [dims] if isinstance(dims, int) else list(dims)
    labels = rules.merge(c.b, c.name, c.kind, c.operand, axes)
    given = c.row.shape[1] if c.row.shape[0] == "tuple" else c.row.shape
    if len(given) - 2 == ndim:
        return labels
    return labels.reshape([n for i, n in enumerate(labels.shape) if i not in {axis % ndim for axis in axes}])


def _matmul(c: Call) -> Tensor:
    first, second = values_in(c.args, c.kwargs)[:2]
    n = max(len(first.shape), len(second.shape), 2) - 2
    batch, i, j = "abcdefgh"[:n], "i" * (len(first.shape) > 1), "j" * (len(second.shape) > 1)
    a, b = (batch[n - max(len(value.shape) - 2, 0) :] for value in (first, second))
    return rules.contract(c.b, c.name, "Matmul", [(first, f"{a}{i}k"), (second, f"{b}k{j}")], batch + i + j)


def _einsum(c: Call) -> Tensor:
    equation = c.args[0].replace(" ", "")
    inputs, arrow, out = equation.partition("->")
    if "." in equation or not arrow:
        raise UnsupportedLayerError(f"einsum {equation!r}; write every letter and the output")
    terms = list(zip(values_in(c.args[1:]), inputs.split(","), strict=True))
    return rules.contract(c.b, c.name, "Einsum", terms, out)


def _attention(c: Call) -> Tensor:
    """Scaled dot-product attention of values [..., length, width]."""
    q, k, v = (c.argument(name, i) for i, name in enumerate(("query", "key", "value")))
    batch = "abcdefgh"[: len(q.shape) - 2]
    terms = [(q, batch + "tx"), (k, batch + "sx"), (v, batch + "sy")]
    return rules.contract(c.b, c.name, "Attention", terms, batch + "ty")


def _embedding(c: Call) -> Tensor:
    at = (1, 0) if c.target.startswith(("aten.", "torch.")) else (0, 1)
    indices = c.argument("indices" if at[0] else "input", at[0])
    labels = rules.embedding(c.b, c.name, indices, c.weights(position=at[1]))
    return along(-1, len(indices.shape) + 1, labels)


def _glu(c: Call) -> Tensor:
    """A gated linear unit: half as many vertices, each fed by its value and its gate."""
    halves = c.operand.spread().chunk(2, c.dim(default=-1))
    values = [Value(tuple(half.shape), c.operand.dtype, compress(half)) for half in halves]
    return rules.join(c.b, c.name, "GLU", values)


def _scatter(c: Call) -> Tensor:
    every = [value for value in values_in(c.args, c.kwargs) if value.labels is not None]
    live = [value for value in every if value.dtype.is_floating_point] or every
    axis = c.dim()
    if any(value.known.shape[axis] > 1 for value in live):
        raise UnsupportedLayerError("channels scattered by a tensor of indices; the choice would have to be a constant")
    return rules.join(c.b, c.name, c.kind, [replace(value, shape=()) for value in live])


_RULES: dict[str, Callable[[Call], Any]] = {
    "each": lambda c: rules.each(c.b, c.name, c.kind, c.operand),
    "mix": lambda c: rules.mix(c.b, c.name, c.kind, c.operand, c.dim(default=1)),
    "join": _join, "dense": _dense, "bilinear": _bilinear, "conv": _conv, "norm": _norm,
    "prelu": _prelu, "pool": _pool, "reduce": _reduce, "matmul": _matmul, "einsum": _einsum, "attention": _attention,
    "embedding": _embedding, "glu": _glu, "scatter": _scatter,
}  # fmt: skip

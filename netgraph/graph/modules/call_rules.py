"""The wiring of each role of functions and tensor methods."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from netgraph.errors import UnsupportedLayerError
from netgraph.graph.modules import rules
from netgraph.graph.modules.builder import Builder, held
from netgraph.graph.modules.functions import Operation, call
from netgraph.graph.modules.labels import Value, along
from netgraph.graph.modules.layer_rules import glu, made
from netgraph.graph.modules.program import Row
from netgraph.graph.modules.views import view
from netgraph.graph.modules.vocabulary import type_of_operation

Arguments = tuple[Any, ...]
Keywords = dict[str, Any]
Rule = Callable[[Builder, Row, Operation, Arguments, Keywords], Any]


def apply(b: Builder, row: Row, operation: Operation, args: Arguments, kwargs: Keywords) -> Any:
    """Wire one call of a function or a method.

    Raises:
        UnsupportedLayerError: When its vertices cannot be told.
    """
    values = _values(args, kwargs)
    if operation.role == "view" or (operation.role == "same" and values):
        return _RULES[operation.role](b, row, operation, args, kwargs)
    if operation.role == "scalar" or not any(value.labels is not None for value in values):
        return _constant(operation, args, kwargs)
    return made(_RULES[operation.role](b, row, operation, args, kwargs))


def _values(*trees: Any) -> list[Value]:
    return [leaf for leaf in pytree.tree_leaves(trees) if isinstance(leaf, Value)]


def _constant(operation: Operation, args: Arguments, kwargs: Keywords) -> Any:
    """Compute sizes and numbers; of a tensor that depends on no input keep the shape alone."""
    empty = pytree.tree_map(lambda leaf: leaf.meta() if isinstance(leaf, Value) else leaf, (args, kwargs))
    with torch.device("meta"):
        result = call(operation, empty[0], {k: v for k, v in empty[1].items() if k not in ("device", "pin_memory")})
    return pytree.tree_map(
        lambda leaf: Value(tuple(leaf.shape), leaf.dtype) if isinstance(leaf, Tensor) else leaf, result
    )


def _dim(args: Arguments, kwargs: Keywords, position: int = 1) -> Any:
    for key in ("dim", "axis", "dims"):
        if key in kwargs:
            return kwargs[key]
    return args[position] if len(args) > position else None


def _same(b: Builder, row: Row, operation: Operation, args: Arguments, kwargs: Keywords) -> Any:
    return args[0] if args else next(iter(kwargs.values()))


def _each(b: Builder, row: Row, operation: Operation, args: Arguments, kwargs: Keywords) -> Any:
    kind = type_of_operation(operation.name)
    operand: Value = args[0] if args else kwargs["input"]
    base = operation.name.split(".")[1]
    if base == "prelu":
        return rules.join(b, row.name, "Mul", [operand, args[1]])
    if base in ("softmax", "log_softmax", "softmin", "normalize", "cumsum"):
        axis = _dim(args, kwargs)
        return rules.mix(b, row.name, kind, operand, 1 if axis is None else axis)
    return rules.each(b, row.name, kind, operand)


def _join(b: Builder, row: Row, operation: Operation, args: Arguments, kwargs: Keywords) -> Any:
    return rules.join(b, row.name, type_of_operation(operation.name), _values(args, kwargs))


def _argument(args: Arguments, kwargs: Keywords, position: int, name: str) -> Any:
    return args[position] if len(args) > position else kwargs.get(name)


def _slots(value: Value | None) -> Tensor | None:
    return None if value is None else value.slots


def _dense(b: Builder, row: Row, operation: Operation, args: Arguments, kwargs: Keywords) -> Any:
    operand, weight = args[0] if args else kwargs["input"], _argument(args, kwargs, 1, "weight")
    if weight.slots is None or operation.name.endswith("bilinear"):
        raise UnsupportedLayerError("weights that are computed; they would have to be a parameter")
    bias = _slots(_argument(args, kwargs, 2, "bias"))
    return rules.last(operand, rules.dense(b, row.name, "Linear", operand, -1, held(weight.slots), bias))


def _conv(b: Builder, row: Row, operation: Operation, args: Arguments, kwargs: Keywords) -> Any:
    operand, weight = args[0], _argument(args, kwargs, 1, "weight")
    if weight.slots is None:
        raise UnsupportedLayerError("weights that are computed; they would have to be a parameter")
    transposed = "transpose" in operation.name
    groups = _argument(args, kwargs, 6, "groups")
    full = rules.grouped(weight.slots, 1 if groups is None else groups, transposed)
    axis = len(operand.shape) - (full.ndim - 2) - 1
    kind = type_of_operation(operation.name)
    labels = rules.dense(b, row.name, kind, operand, axis, held(full), _slots(_argument(args, kwargs, 2, "bias")))
    return along(axis, len(operand.shape), labels)


_WEIGHTS = {
    "layer_norm": (2, 3),
    "rms_norm": (2, 9),
    "group_norm": (2, 3),
    "batch_norm": (3, 4),
    "instance_norm": (3, 4),
}


def _norm(b: Builder, row: Row, operation: Operation, args: Arguments, kwargs: Keywords) -> Any:
    base, operand = operation.name.split(".")[1], args[0]
    places = (
        (1, 2)
        if operation.name.startswith("aten.") and "batch" in base + "instance" * ("instance" in base)
        else _WEIGHTS[base]
    )
    found = [_slots(_argument(args, kwargs, at, name)) for at, name in zip(places, ("weight", "bias"), strict=True)]
    if base not in ("layer_norm", "rms_norm"):
        ndim = len(operand.shape)
        found = [None if slots is None else along(1, ndim, slots) for slots in found]
    return rules.norm(b, row.name, type_of_operation(operation.name), operand, *found)


def _pool(b: Builder, row: Row, operation: Operation, args: Arguments, kwargs: Keywords) -> Any:
    operand: Value = args[0] if args else kwargs["input"]
    kind, ndim = type_of_operation(operation.name), len(operand.shape)
    digits = [int(letter) for letter in operation.name.split(".")[1] if letter.isdigit()]
    if operation.name.endswith("local_response_norm"):
        return rules.each(b, row.name, kind, operand)
    return rules.merge(b, row.name, kind, operand, range(ndim - (digits[0] if digits else ndim - 2), ndim))


def _reduce(b: Builder, row: Row, operation: Operation, args: Arguments, kwargs: Keywords) -> Any:
    if len(_values(args, kwargs)) > 1:
        return _join(b, row, operation, args, kwargs)
    operand: Value = args[0] if args else kwargs["input"]
    ndim = len(operand.shape)
    dims = _dim(args, kwargs, 2 if operation.name.endswith("norm") else 1)
    axes = range(ndim) if dims is None or dims == [] else [dims] if isinstance(dims, int) else list(dims)
    labels = rules.merge(b, row.name, type_of_operation(operation.name), operand, axes)
    given = row.shape[1] if row.shape[0] == "tuple" else row.shape
    if len(given) - 2 == ndim:
        return labels
    return labels.reshape([n for i, n in enumerate(labels.shape) if i not in {axis % ndim for axis in axes}])


def _matmul(b: Builder, row: Row, operation: Operation, args: Arguments, kwargs: Keywords) -> Any:
    first, second = _values(args, kwargs)[:2]
    batch = "abcdefgh"
    n = max(len(first.shape), len(second.shape), 2) - 2
    a = batch[:n][n - max(len(first.shape) - 2, 0) :] + ("i" if len(first.shape) > 1 else "") + "k"
    c = batch[:n][n - max(len(second.shape) - 2, 0) :] + "k" + ("j" if len(second.shape) > 1 else "")
    out = batch[:n] + ("i" if len(first.shape) > 1 else "") + ("j" if len(second.shape) > 1 else "")
    return rules.contract(b, row.name, "Matmul", [(first, a), (second, c)], out)


def _einsum(b: Builder, row: Row, operation: Operation, args: Arguments, kwargs: Keywords) -> Any:
    equation = args[0].replace(" ", "")
    inputs, arrow, out = equation.partition("->")
    if "." in equation or not arrow:
        raise UnsupportedLayerError(f"einsum {equation!r}; write every letter and the output")
    return rules.contract(b, row.name, "Einsum", list(zip(_values(args[1:]), inputs.split(","), strict=True)), out)


def _attention(b: Builder, row: Row, operation: Operation, args: Arguments, kwargs: Keywords) -> Any:
    q, k, v = (_argument(args, kwargs, i, name) for i, name in enumerate(("query", "key", "value")))
    return rules.attention(b, row.name, q, k, v)


def _embedding(b: Builder, row: Row, operation: Operation, args: Arguments, kwargs: Keywords) -> Any:
    first, second = (_argument(args, kwargs, i, name) for i, name in enumerate(("input", "weight")))
    indices, weight = (second, first) if operation.name.startswith("aten.") else (first, second)
    if weight.slots is None:
        raise UnsupportedLayerError("weights that are computed; they would have to be a parameter")
    return along(-1, len(indices.shape) + 1, rules.embedding(b, row.name, indices, held(weight.slots)))


def _glu(b: Builder, row: Row, operation: Operation, args: Arguments, kwargs: Keywords) -> Any:
    axis = _dim(args, kwargs)
    return glu(b, row.name, args[0], -1 if axis is None else axis)


def _scatter(b: Builder, row: Row, operation: Operation, args: Arguments, kwargs: Keywords) -> Any:
    every = [value for value in _values(args, kwargs) if value.labels is not None]
    live = [value for value in every if value.dtype.is_floating_point] or every
    axis = _dim(args, kwargs)
    if any(value.labels is not None and value.labels.shape[axis] > 1 for value in live):
        raise UnsupportedLayerError("channels scattered by a tensor of indices; the choice would have to be a constant")
    return rules.join(b, row.name, type_of_operation(operation.name), [replace(value, shape=()) for value in live])


_RULES: dict[str, Rule] = {
    "view": view, "same": _same, "each": _each, "join": _join, "dense": _dense, "conv": _conv, "norm": _norm,
    "pool": _pool, "reduce": _reduce, "matmul": _matmul, "einsum": _einsum, "attention": _attention,
    "embedding": _embedding, "glu": _glu, "scatter": _scatter,
}  # fmt: skip

"""Lowering: a general program in the terms of the vocabulary, where every call is a layer of it or moves no value.

Calls that only change shapes (``flatten``, ``view(x.size(0), -1)``, ``squeeze`` and ``unsqueeze``) lower to nothing.
They are found by running them: elements are numbered, and a call that leaves the numbers in their order leaves the
features alone. Calls that read sizes are run too, for two numbers of rows, so that nothing depends on the
example's.
"""

from collections import Counter
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from netgraph.errors import InvalidGraphError, UnsupportedLayerError
from netgraph.graph.architecture import Architecture, Layer, make_layer
from netgraph.graph.check import check_architecture
from netgraph.graph.layers import LAYER_TYPES, LayerType
from netgraph.graph.modules.aliases import in_place
from netgraph.graph.modules.encoding import decode, dtype_named, references
from netgraph.graph.modules.functions import find_operation
from netgraph.graph.modules.labels import dotted
from netgraph.graph.modules.program import GraphNode, Program
from netgraph.graph.modules.registry import ENTRIES, build, type_of_operation

Shape = tuple[int, ...]


@dataclass(frozen=True)
class _Features:
    """The output of a layer, in whatever shape.

    Attributes:
        layer: Position of the layer.
        elements: The numbers of its elements, in the shape of the value.
        calls: Positions of the calls whose results share its memory.
        label: The call that gave it this shape, as an error names it.
    """

    layer: int
    elements: Tensor
    calls: tuple[int, ...]
    label: str


def lower(program: Program, shape: Shape | None = None) -> Architecture:
    """Lower a program to a feed-forward architecture.

    Args:
        program: The program.
        shape: Shape of its input, features last; None where it is [rows, features], and the layers tell how many.

    Raises:
        UnsupportedLayerError: With the call or the tensor that an architecture cannot hold.
        InvalidGraphError: When sizes do not fit, or no layer tells the number of inputs.
    """
    if program.train_calls is not None:
        raise UnsupportedLayerError("a forward that differs in training is not supported")
    if shape is None or len(shape) == 2:
        shape = (2, _n_inputs(program, None if shape is None else shape[-1]))
    shapes = [(rows, *shape[1:]) for rows in (2, 3)] if len(shape) > 1 else [shape]
    architecture, *others = (Architecture(tuple(_Lowering(program, each).run())) for each in shapes)
    if any(other != architecture for other in others):
        raise UnsupportedLayerError("layers whose sizes depend on the number of rows are not supported")
    _check_tensors(program, architecture)
    check_architecture(architecture)
    return architecture


def _n_inputs(program: Program, default: int | None) -> int:
    """Find the number of inputs from the first layer that tells it, or return the example's.

    Raises:
        UnsupportedLayerError: When none does, and a call that reads the input is no layer.
        InvalidGraphError: When none does.
    """
    reached = {i for i, node in enumerate(program.nodes) if node.op == "input"}
    direct = set(reached)
    for position, node in enumerate(program.nodes):
        if not reached.intersection(node.inputs):
            continue
        size = _reads(_constructor_kwargs(program, node)) if node.op == "module" else None
        if size is not None:
            return size
        if len(node.inputs) == 1 or node.op == "module" or type_of_operation(node.target) != "Concat":
            reached.add(position)
    if default is not None:
        return default
    for node in program.nodes:
        if direct.intersection(node.inputs):
            _kind(program, node)
    raise InvalidGraphError("no layer tells the number of inputs; give example_input")


def _constructor_kwargs(program: Program, node: GraphNode) -> dict[str, Any]:
    kwargs: dict[str, Any] = decode(program.module_named[node.target].kwargs, {"module": lambda inner: inner})
    return kwargs


def _reads(kwargs: dict[str, Any]) -> int | None:
    """Return the number of values that a layer with these arguments reads, where it tells."""
    shape = kwargs.get("normalized_shape")
    return shape[-1] if shape else kwargs.get("in_features", kwargs.get("num_features"))


def _kind(program: Program, node: GraphNode) -> LayerType:
    """Find the layer type of a call.

    Raises:
        UnsupportedLayerError: When it is none of the vocabulary.
    """
    if node.op == "module" and program.module_named[node.target].type in LAYER_TYPES:
        return LAYER_TYPES[program.module_named[node.target].type]
    if node.op == "call" and (name := type_of_operation(node.target)) in LAYER_TYPES:
        without_tensors = LAYER_TYPES[name].kind in ("elementwise", "join")
        if without_tensors and (name == "Add" or not find_operation(node.target).in_place):
            return LAYER_TYPES[name]
    raise UnsupportedLayerError(f"{_label(program, node)} is not supported")


def _label(program: Program, node: GraphNode) -> str:
    if node.op == "module":
        return f"{node.target}: {program.module_named[node.target].type}".removeprefix(": ")
    return f"{node.name}: {node.target.rpartition('.')[2]}"


class _Lowering:
    """Goes through the calls of a program, for an input of some shape."""

    def __init__(self, program: Program, shape: Shape) -> None:
        self.program, self.shape = program, shape
        self.layers: list[Layer] = []
        self.values: list[Any] = []
        self.seen: set[str] = set()
        self.altering = {i for i, node in enumerate(program.nodes) if in_place(program, node)}
        self.live = self._live()
        self.users = Counter(i for position in self.live for i in program.nodes[position].inputs)
        self.users.update(references(program.calls.output))

    def _live(self) -> set[int]:
        """Return the calls that the output needs, and calls that alter or check a value."""
        nodes, output = self.program.nodes, set(references(self.program.calls.output))
        live = output | self.altering | {i for i, node in enumerate(nodes) if node.target == "torch._assert"}
        for position in reversed(range(len(nodes))):
            if position in live or nodes[position].op == "input":
                live |= {position, *nodes[position].inputs}
        return live

    def run(self) -> list[Layer]:
        """Return the layers."""
        for position, node in enumerate(self.program.nodes):
            if position in self.altering and not self.users[position]:
                raise UnsupportedLayerError(f"{node.name}: in place, while its input is used again")
            self.values.append(self._value(position, node) if position in self.live else None)
        result = decode(self.program.calls.output, {"node": self.values.__getitem__})
        if not isinstance(result, _Features) or result.layer != len(self.layers) - 1 or len(self.layers) < 2:
            raise UnsupportedLayerError("the module must give one tensor, computed by its last layer")
        self._check_shape(result)
        return self.layers

    def _value(self, position: int, node: GraphNode) -> Any:
        if node.op == "input":
            if self.layers:
                raise UnsupportedLayerError(f"{node.name}: a second input is not supported")
            self.layers.append(make_layer("Input", (), self.shape[-1], node.name))
            return _Features(0, torch.arange(prod(self.shape)).view(self.shape), (position,), node.name)
        special = {"node": self.values.__getitem__, "training": lambda name: False}
        args, kwargs = decode(node.args, special), decode(node.kwargs, special)
        operands = [leaf for leaf in pytree.tree_leaves((args, kwargs)) if isinstance(leaf, _Features)]
        if self._moves(node):
            moved = self._moved(position, node, args, kwargs, operands)
            if moved is not None:
                return moved
        return self._layer(position, node, args, kwargs, operands)

    def _moves(self, node: GraphNode) -> bool:
        """Return whether a call may read sizes, or change the shape alone."""
        if node.op == "module":
            entry = ENTRIES.get(self.program.module_named[node.target].type)
            return entry is not None and entry.role == "reshape"
        if node.op != "call":
            return False
        reads_values = find_operation(node.target).role not in ("reshape", "scalar") and node.inputs
        return node.target == "Tensor.contiguous" or not reads_values

    def _moved(self, position: int, node: GraphNode, args: Any, kwargs: Any, operands: list[_Features]) -> Any:
        """Run a call on the numbers of elements; None where it computes, or leaves them in another order."""
        elements = lambda leaf: leaf.elements if isinstance(leaf, _Features) else leaf  # noqa: E731
        if node.op == "module":
            spec = self.program.module_named[node.target]
            make: Any = build(spec.type, spec.kwargs)
        else:
            make = find_operation(node.target)
        try:
            result = make(*pytree.tree_map(elements, args), **pytree.tree_map(elements, kwargs))
        except (RuntimeError, IndexError, TypeError, ValueError):  # not for this number of rows
            return None
        if not any(isinstance(leaf, Tensor) for leaf in pytree.tree_leaves(result)):
            return result
        if len(operands) != 1 or not isinstance(result, Tensor):
            return None
        (source,) = operands
        if not torch.equal(result.reshape(-1), source.elements.reshape(-1)):
            return None
        return _Features(source.layer, result, (*source.calls, position), _label(self.program, node))

    def _layer(self, position: int, node: GraphNode, args: Any, kwargs: Any, operands: list[_Features]) -> _Features:
        """Add the layer of a call."""
        kind = _kind(self.program, node)
        if not operands:
            raise UnsupportedLayerError(f"{_label(self.program, node)} of something that is not a layer's output")
        if position in self.altering and any(self.users[call] > 1 for call in operands[0].calls):
            raise UnsupportedLayerError(f"{node.name}: in place, while its input is used again")
        widths, hyper = [self.layers[operand.layer].size for operand in operands], kind.defaults()
        for operand in operands if kind.kind != "elementwise" else ():
            self._check_shape(operand)
        size = widths[0]
        if node.op == "module":
            given = _constructor_kwargs(self.program, node)
            self._check_module(node.target, kind, given, size)
            hyper |= {key: given[key] for key in hyper if key in given}
            hyper |= {"bias": dotted(node.target, "bias") in self.program.tensor_named} if "bias" in hyper else {}
            size = given.get("out_features", size)
        elif kind.kind == "join":
            size = self._join(node, kind, widths, args, kwargs)
        else:
            given = dict(zip(hyper, args[1:], strict=False)) | kwargs
            hyper |= {key: given[key] for key in hyper if key in given}
        shape, label = (*self.shape[:-1], size), _label(self.program, node)
        if kind.kind == "elementwise":  # in whatever shape
            shape, label = tuple(operands[0].elements.shape), operands[0].label
        name = node.target if node.op == "module" else node.name
        self.layers.append(make_layer(kind.name, [operand.layer for operand in operands], size, name, hyper))
        elements = torch.arange(prod(shape)).view(shape)
        return _Features(len(self.layers) - 1, elements, (position,), label)

    def _join(self, node: GraphNode, kind: LayerType, widths: list[int], args: Any, kwargs: Any) -> int:
        """Return the size of a layer that joins others."""
        if kind.name == "Add":
            if len(args) != 2 or kwargs or len(widths) != 2:
                raise UnsupportedLayerError(f"{node.name}: Add of anything but two layers' outputs is not supported")
            if len(set(widths)) != 1:
                raise InvalidGraphError(f"{node.name}: Add of {widths[0]} and {widths[1]} values")
            return widths[0]
        parts, dim = [*args, None][0], kwargs.get("dim", args[1] if len(args) > 1 else 0)
        if dim not in (-1, len(self.shape) - 1) or not isinstance(parts, list | tuple):
            raise UnsupportedLayerError(f"{node.name}: Concat must be along the features, dim=-1")
        if len(parts) != len(widths):
            raise UnsupportedLayerError(f"{node.name}: Concat of something that is not a layer's output")
        return sum(widths)

    def _check_shape(self, features: _Features) -> None:
        """Check that features lie last, behind the dimensions of the input."""
        if features.elements.shape != (*self.shape[:-1], self.layers[features.layer].size):
            raise UnsupportedLayerError(f"{features.label} is not supported")

    def _check_module(self, name: str, kind: LayerType, given: dict[str, Any], width: int) -> None:
        if name in self.seen and kind.tensors:
            raise UnsupportedLayerError(f"{name}: {kind.name} is used twice; weights cannot be shared")
        self.seen.add(name)
        if kind.name == "LayerNorm" and len(given["normalized_shape"]) != 1:
            raise UnsupportedLayerError(f"{name}: LayerNorm over several dimensions is not supported")
        if kind.name == "BatchNorm1d" and not given["track_running_stats"]:
            raise UnsupportedLayerError(f"{name}: BatchNorm1d without running statistics is not supported")
        if kind.name == "BatchNorm1d" and len(self.shape) != 2:
            raise UnsupportedLayerError(f"BatchNorm1d of an input with {len(self.shape)} dimensions is not supported")
        if _reads(given) not in (None, width):
            raise InvalidGraphError(f"{name}: {kind.name} reads {_reads(given)} values, but is fed {width}")


def _check_tensors(program: Program, architecture: Architecture) -> None:
    """Check that an architecture holds all tensors of a program as they are.

    Raises:
        UnsupportedLayerError: With one that it does not.
    """
    layers = {layer.name for layer in architecture.layers}
    held = {dotted(architecture.layers[t.layer].name, t.name) for t in architecture.tensors}
    for name in held - program.tensor_named.keys():
        raise UnsupportedLayerError(f"{name}: is missing")
    trained = any(tensor.trainable for tensor in program.tensors if tensor.kind == "parameter")
    for tensor in program.tensors:
        name, owner = tensor.names[0], program.module_named.get(tensor.names[0].rpartition(".")[0])
        if owner is not None and owner.type in ENTRIES and owner.name not in layers:
            raise UnsupportedLayerError(f"{owner.name}: {owner.type} plays no part in the output")
        if name not in held:
            raise UnsupportedLayerError(f"{name}: a tensor that is not one of its layer's, which is not supported")
        if len(tensor.names) > 1:
            raise UnsupportedLayerError(f"{tensor.names[1]}: the same as {name}, which is not supported")
        if tensor.kind == "parameter" and trained and not tensor.trainable:
            raise UnsupportedLayerError(f"{name}: not trained while other parameters are, which is not supported")
    dtypes = {dtype_named(tensor.dtype) for tensor in program.tensors}
    if any(dtype.is_complex for dtype in dtypes):
        raise UnsupportedLayerError("complex parameters are not supported")
    floats = sorted(str(dtype) for dtype in dtypes if dtype.is_floating_point)
    if len(floats) > 1:
        raise UnsupportedLayerError(f"parameters of several types: {', '.join(floats)}")

"""Traced feed-forward modules in the terms of the vocabulary: the calls of ``forward`` as rows of the layer table."""

import inspect
import operator
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from netgraph.errors import InvalidGraphError, UnsupportedLayerError
from netgraph.graph.architecture import Layer, make_layer
from netgraph.graph.layers import BY_MODULE, LAYER_TYPES, HyperValue, LayerType
from netgraph.graph.modules.preserve import preserved
from netgraph.graph.modules.trace import InputTracer, first_line, mode

#: Functions and tensor methods that are layers.
_FUNCTIONS: dict[Any, str] = {
    **dict.fromkeys((F.relu, torch.relu, "relu"), "ReLU"),
    **dict.fromkeys((F.tanh, torch.tanh, "tanh"), "Tanh"),
    **dict.fromkeys((F.sigmoid, torch.sigmoid, "sigmoid"), "Sigmoid"),
    F.leaky_relu: "LeakyReLU",
    F.gelu: "GELU",
    F.silu: "SiLU",
    F.elu: "ELU",
    **dict.fromkeys((operator.add, operator.iadd, torch.add, "add"), "Add"),
    **dict.fromkeys((torch.cat, torch.concat, torch.concatenate), "Concat"),
}
#: Stands for the number of rows, which is not known.
_ROWS = "rows"


class _Tracer(InputTracer):
    """Keeps every known layer whole, also one that stands alone, and leaves inputs that have defaults to forward."""

    def __init__(self, root: nn.Module) -> None:
        parameters = inspect.signature(root.forward).parameters.values()
        required = [
            p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        ]
        super().__init__(dict.fromkeys(required, torch.empty(0)))

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return type(m) in BY_MODULE or fx.Tracer.is_leaf_module(self, m, module_qualified_name)


class Lowering:
    """A traced module: its nodes, and the modules by the names its layers keep.

    Raises:
        UnsupportedLayerError: When it cannot be traced, or differs in training.
    """

    def __init__(self, module: nn.Module) -> None:
        self.alone = type(module) in BY_MODULE
        root = nn.Sequential(module) if self.alone else module
        self.modules = {("" if self.alone else name): part for name, part in root.named_modules() if name}
        self.seen: set[str] = set()
        self.passed: dict[fx.Node, fx.Node] = {}
        try:
            (self.graph, self.result), (training, _) = (self._trace(root, training) for training in (False, True))
        except UnsupportedLayerError:
            raise
        except Exception as error:
            raise UnsupportedLayerError(f"{type(module).__name__} cannot be traced: {first_line(error)}") from error
        calls = [[(n.op, n.target, str(n.args), str(n.kwargs)) for n in each.nodes] for each in (self.graph, training)]
        if calls[0] != calls[1]:  # which an architecture cannot say
            raise UnsupportedLayerError(f"{type(root).__name__}: a forward that differs in training is not supported")

    def _trace(self, root: nn.Module, training: bool) -> tuple[fx.Graph, fx.Node | None]:
        if "forward" in vars(root):
            raise UnsupportedLayerError(f"{type(root).__name__}: forward was replaced on the instance")
        with preserved(root), mode(root, training):
            tracer = _Tracer(root)
            graph = tracer.trace(root)
            # What is computed for nothing is taken out, but for what alters a value although nothing reads its result.
            fx.GraphModule(root, graph).graph.eliminate_dead_code(lambda node: node.is_impure() or self._alters(node))
        for node in graph.nodes:
            if self._alters(node) and not node.users:
                raise UnsupportedLayerError(f"{node.name}: in place, while its input is used again")
        return graph, tracer.output.node if isinstance(tracer.output, fx.Proxy) else None

    def name(self, node: fx.Node) -> str:
        """Return the name that a node's layer keeps."""
        return node.name if node.op != "call_module" else "" if self.alone else str(node.target)

    def _part(self, node: fx.Node) -> nn.Module | None:
        return self.modules.get(self.name(node)) if node.op == "call_module" else None

    def _alters(self, node: fx.Node) -> bool:
        named = node.op != "call_module" and getattr(node.target, "__name__", str(node.target)).endswith("_")
        inside = getattr(self._part(node), "inplace", False) or node.kwargs.get("inplace", False)
        return bool(named or inside or node.target is operator.iadd)

    def layers(self, example_input: Tensor | None) -> list[Layer]:
        """Turn the nodes into rows of the layer table.

        Raises:
            UnsupportedLayerError: With the call that is no layer.
            InvalidGraphError: When sizes do not fit.
        """
        position: dict[fx.Node, int] = {}
        layers: list[Layer] = []
        sizes: dict[fx.Node, Any] = {}
        for node in self.graph.nodes:
            if node.op == "output":
                break
            widths = {known: layers[i].size for known, i in position.items()}
            source = _source(node)
            read = _size_read(node, widths, sizes)
            if read is not None:
                sizes[node] = read
            elif source in widths and _leaves_alone(node, self._part(node), widths[source], sizes):
                position[node] = position[source]
                self.passed[node] = source
            else:
                layers.append(self._layer(node, position, layers, example_input))
                position[node] = len(layers) - 1
        if position.get(self.result) != len(layers) - 1 or len(layers) < 2:  # type: ignore[arg-type]
            raise UnsupportedLayerError("the module must give one tensor, computed by its last layer")
        used = {layer.name for layer in layers}
        for name, part in self.modules.items():
            if name not in used and any(True for _ in part.parameters(recurse=False)):
                raise UnsupportedLayerError(f"{name}: {type(part).__name__} plays no part in the output")
        return layers

    def _layer(
        self, node: fx.Node, position: dict[fx.Node, int], layers: list[Layer], example_input: Tensor | None
    ) -> Layer:
        name = self.name(node)
        if node.op == "placeholder":
            if layers:
                raise UnsupportedLayerError(f"{name}: a second input is not supported")
            return make_layer("Input", (), self._n_inputs(node, example_input), name)
        kind = self._kind(node)
        hyper, operands = self._call(node, kind)
        if not operands or any(operand not in position for operand in operands):
            raise UnsupportedLayerError(f"{name}: {kind.name} of something that is not a layer's output")
        shared, operand = len(operands[0].users) > 1, operands[0]
        while operand in self.passed:  # the same memory under another shape
            operand = self.passed[operand]
            shared = shared or len(operand.users) > 1
        if shared and self._alters(node):
            raise UnsupportedLayerError(f"{name}: in place, while its input is used again")
        inputs = [position[operand] for operand in operands]
        return make_layer(kind.name, inputs, self._size(node, kind, [layers[i].size for i in inputs]), name, hyper)

    def _kind(self, node: fx.Node) -> LayerType:
        """Find a node's layer type."""
        part = self._part(node)
        if part is not None:
            if type(part) not in BY_MODULE:
                raise UnsupportedLayerError(f"{self.name(node)}: {type(part).__name__} is not supported")
            return BY_MODULE[type(part)]
        if node.op not in ("call_function", "call_method") or node.target not in _FUNCTIONS:
            what = getattr(node.target, "__name__", node.target)
            raise UnsupportedLayerError(f"{node.name}: {what} is not supported")
        return LAYER_TYPES[_FUNCTIONS[node.target]]

    def _call(self, node: fx.Node, kind: LayerType) -> tuple[dict[str, HyperValue], list[Any]]:
        """Find a node's hyper-parameters and operands."""
        part = self._part(node)
        if part is not None:
            self._check_module(self.name(node), part)
            values = {h.name: getattr(part, h.name) for h in kind.hyper}
            bias = {"bias": values["bias"] is not None} if "bias" in values else {}
            return values | bias, list(node.all_input_nodes)
        if kind.name == "Concat":
            parts, dim = [*node.args, None][0], node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)
            if dim not in (1, -1) or not isinstance(parts, list | tuple):
                raise UnsupportedLayerError(f"{node.name}: Concat must be along the features, dim=-1")
            return {}, list(parts)
        if kind.name == "Add":
            if len(node.args) != 2 or node.kwargs or not all(isinstance(a, fx.Node) for a in node.args):
                raise UnsupportedLayerError(f"{node.name}: Add of anything but two layers' outputs is not supported")
            return {}, list(node.args)
        given: dict[str, Any] = dict(zip((h.name for h in kind.hyper), node.args[1:], strict=False)) | node.kwargs
        return {h.name: given.get(h.name, h.default) for h in kind.hyper}, [node.args[0]]

    def _check_module(self, name: str, part: nn.Module) -> None:
        if name in self.seen and any(True for _ in part.parameters()):
            raise UnsupportedLayerError(f"{name}: {type(part).__name__} is used twice; weights cannot be shared")
        self.seen.add(name)
        if isinstance(part, nn.LayerNorm) and len(part.normalized_shape) != 1:
            raise UnsupportedLayerError(f"{name}: LayerNorm over several dimensions is not supported")
        if isinstance(part, nn.BatchNorm1d) and part.running_mean is None:
            raise UnsupportedLayerError(f"{name}: BatchNorm1d without running statistics is not supported")

    def _size(self, node: fx.Node, kind: LayerType, sizes: list[int]) -> int:
        part = self._part(node)
        expected = _inputs_of(part)
        if expected is not None and expected != sizes[0]:
            raise InvalidGraphError(f"{self.name(node)}: {kind.name} reads {expected} values, but is fed {sizes[0]}")
        if isinstance(part, nn.Linear):
            return part.out_features
        if kind.name == "Add" and len(set(sizes)) != 1:
            raise InvalidGraphError(f"{self.name(node)}: Add of {sizes[0]} and {sizes[1]} values")
        return sum(sizes) if kind.name == "Concat" else sizes[0]

    def _n_inputs(self, node: fx.Node, example_input: Tensor | None) -> int:
        """Find the number of inputs from the first layer that tells it."""
        waiting, seen = [node], set()
        while waiting:
            for user in waiting.pop(0).users:
                size = _inputs_of(self._part(user))
                if size is not None:
                    return size
                joins = _FUNCTIONS.get(user.target) == "Concat" and _source(user) is None
                if user not in seen and not joins and user.op != "output":
                    waiting.append(user)
                seen.add(user)
        if example_input is None:
            for user in node.users:
                self._kind(user)
            raise InvalidGraphError("no layer tells the number of inputs; give example_input")
        return int(example_input.shape[-1])


def _source(node: fx.Node) -> fx.Node | None:
    """Return the first operand of a call, also where it is a list of one."""
    first = node.args[0] if node.args else None
    source = first[0] if isinstance(first, list | tuple) and len(first) == 1 else first
    return source if isinstance(source, fx.Node) else None


def _inputs_of(part: nn.Module | None) -> int | None:
    """Return the number of values that a layer reads, where it tells."""
    if isinstance(part, nn.LayerNorm):
        return int(part.normalized_shape[-1])
    return part.in_features if isinstance(part, nn.Linear) else getattr(part, "num_features", None)


def _size_read(node: fx.Node, widths: Mapping[fx.Node, int], sizes: Mapping[fx.Node, Any]) -> Any:
    """Return what a node reads of the shape of [rows, features]: all of it, the rows, a width, or None for neither."""
    source: Any = node.args[0] if node.args else None
    if source in widths and (node.target == "size" or (node.target is getattr and node.args[1] == "shape")):
        shape = (_ROWS, widths[source])
        dim: Any = node.kwargs.get("dim", node.args[1] if node.target == "size" and len(node.args) > 1 else None)
        return shape if dim is None else shape[dim]
    whole = sizes.get(source)
    if isinstance(whole, tuple) and getattr(node.target, "__name__", "") == "getitem" and isinstance(node.args[1], int):
        return whole[node.args[1]] if -2 <= node.args[1] < 2 else None
    return None


def _leaves_alone(node: fx.Node, part: nn.Module | None, width: int, sizes: Mapping[fx.Node, Any]) -> bool:
    """Return whether a call leaves its operand, [rows, features], as it is, so that no network needs it."""
    if part is not None:
        return isinstance(part, nn.Flatten) and {part.start_dim, part.end_dim} <= {1, -1}
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    if node.op == "call_function" and getattr(torch, name, None) is not node.target:
        return False
    args = [sizes.get(a, a) if isinstance(a, fx.Node) else a for a in _listed(node.args[1:])]
    given = [*args, *node.kwargs.values()]
    if name == "flatten":
        dims = {"start_dim": 0, "end_dim": -1} | dict(zip(("start_dim", "end_dim"), args, strict=False)) | node.kwargs
        return {dims["start_dim"], dims["end_dim"]} <= {1, -1}
    if name == "squeeze":
        return width != 1 and given in ([1], [-1])
    if name in ("view", "reshape"):
        return tuple(_listed(given)) in ((_ROWS, -1), (_ROWS, width), (-1, width))
    # of one operand a concatenation, along any dimension
    return name in ("cat", "concat", "concatenate") or (name == "contiguous" and not given)


def _listed(args: Any) -> list[Any]:
    return list(args[0]) if len(args) == 1 and isinstance(args[0], list | tuple) else list(args)

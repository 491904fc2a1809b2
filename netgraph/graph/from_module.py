"""``torch.nn`` modules to graphs, through torch.fx."""

import inspect
import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from netgraph.errors import InvalidGraphError, UnsupportedLayerError
from netgraph.graph.architecture import Architecture, Layer, make_layer
from netgraph.graph.faithful import check_faithful, check_given
from netgraph.graph.layers import BY_MODULE, LAYER_TYPES, HyperValue, LayerType
from netgraph.graph.modules.convert import Example, convert
from netgraph.graph.modules.preserve import draws_restored, preserved
from netgraph.graph.modules.trace import InputTracer, first_line, mode
from netgraph.graph.modules.verify import InexactError
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.reshapes import leaves_alone, size_read

#: Functions and tensor methods that are layers, with the arguments that are hyper-parameters and their defaults.
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


@draws_restored()
def from_module(module: nn.Module, example_input: Example | None = None) -> NetGraph:
    """Read a module into a graph; :func:`~netgraph.graph.to_module.to_module` inverts it bit for bit.

    A feed-forward module gives a graph that tokens, stack and canonical form take; any other is traced on the example,
    see :mod:`netgraph.graph.modules`.

    Args:
        module: Any composition of registered layers and operations, nested as deep as you like. It is run, and left
            as it is: tensors, gradients, attributes, modes and random numbers.
        example_input: Its input, or a tuple or a mapping of its inputs, from which shapes are read. A feed-forward
            module, which reads [rows, features], needs it only when no layer tells how many inputs there are.

    Returns:
        The graph; its state is a copy of the module's parameters and buffers. A feed-forward network of which no
        parameter is trained comes back with all of them trained; any other keeps which are.

    Raises:
        UnsupportedLayerError: When a layer or an operation is not supported, or the graph's module has other outputs,
            gradients, buffers or modes in evaluation or in training; it names the layer, the call or the line.
        InvalidGraphError: When sizes do not fit.
        NetGraphError: When there is no module, no values, or no example that can be read.
    """
    check_given(module, example_input)
    rows = _rows(example_input)
    if example_input is not None and rows is None:
        return convert(module, example_input)
    try:
        return _feed_forward(module, rows)
    except InexactError:
        if example_input is None:
            raise
    except UnsupportedLayerError as error:
        if example_input is None:
            raise UnsupportedLayerError(
                f"{error} in a feed-forward network; give example_input for any other"
            ) from error
    except InvalidGraphError:
        if example_input is None or (rows is not None and rows.ndim < 3):
            raise
    return convert(module, example_input)


def _feed_forward(module: nn.Module, example_input: Tensor | None) -> NetGraph:
    traced = _Trace(module)
    layers = traced.layers(example_input)
    architecture = Architecture(tuple(layers))
    architecture.validate()
    traced.check_all_used(layers)
    graph = NetGraph(architecture, _state(architecture, traced.modules))
    check_faithful(module, graph, example_input)
    return graph


def _rows(example: Example | None) -> Tensor | None:
    """Give the example of a network with one input, however it was given."""
    if isinstance(example, Tensor) or example is None:
        return example
    values = list(example.values() if isinstance(example, Mapping) else example)
    return values[0] if len(values) == 1 and isinstance(values[0], Tensor) else None


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


class _Trace:
    """A traced module: its nodes, and the modules by the names its layers keep."""

    def __init__(self, module: nn.Module) -> None:
        self.alone = type(module) in BY_MODULE
        root = nn.Sequential(module) if self.alone else module
        try:
            (self.graph, self.result), (training, _) = (self._trace(root, mode) for mode in (False, True))
        except UnsupportedLayerError:
            raise
        except Exception as error:
            raise UnsupportedLayerError(f"{type(module).__name__} cannot be traced: {first_line(error)}") from error
        calls = [[(n.op, n.target, str(n.args), str(n.kwargs)) for n in each.nodes] for each in (self.graph, training)]
        if calls[0] != calls[1]:  # which an architecture cannot say
            raise UnsupportedLayerError(f"{type(root).__name__}: a forward that differs in training is not supported")
        self.modules = {("" if self.alone else name): part for name, part in root.named_modules() if name}
        self.seen: dict[str, str] = {}
        self.passed: dict[fx.Node, fx.Node] = {}

    def _trace(self, root: nn.Module, training: bool) -> tuple[fx.Graph, fx.Node | None]:
        if "forward" in vars(root):
            raise UnsupportedLayerError(f"{type(root).__name__}: forward was replaced on the instance")
        with preserved(root), mode(root, training):
            tracer = _Tracer(root)
            graph = tracer.trace(root)
            self._clean(root, graph)
        return graph, tracer.output.node if isinstance(tracer.output, fx.Proxy) else None

    def _clean(self, root: nn.Module, graph: fx.Graph) -> None:
        """Take out what is computed for nothing, and refuse what alters a value although nothing reads its result."""
        parts = dict(root.named_modules())

        def alters(node: fx.Node) -> bool:
            name = getattr(node.target, "__name__", str(node.target))
            inside = node.op == "call_module" and getattr(parts[str(node.target)], "inplace", False)
            return bool(
                inside or name.endswith("_") or node.kwargs.get("inplace", False) or node.target is operator.iadd
            )

        fx.GraphModule(root, graph).graph.eliminate_dead_code(lambda node: node.is_impure() or alters(node))
        for node in graph.nodes:
            if alters(node) and not node.users:
                raise UnsupportedLayerError(f"{node.name}: in place, while its input is used again")

    def name(self, node: fx.Node) -> str:
        """Give the name a node's layer keeps."""
        if node.op == "call_module":
            return "" if self.alone else str(node.target)
        return node.name

    def layers(self, example_input: Tensor | None) -> list[Layer]:
        """Turn the nodes into rows of the layer table."""
        position: dict[fx.Node, int] = {}
        layers: list[Layer] = []
        sizes: dict[fx.Node, Any] = {}
        for node in self.graph.nodes:
            if node.op == "output":
                break
            widths = {known: layers[i].size for known, i in position.items()}
            source = _source(node)
            part = self.modules.get(self.name(node)) if node.op == "call_module" else None
            read = size_read(node, widths, sizes)
            if read is not None:
                sizes[node] = read
            elif source in widths and leaves_alone(node, part, widths[source], sizes):
                position[node] = position[source]
                self.passed[node] = source
            else:
                layers.append(self._layer(node, position, layers, example_input))
                position[node] = len(layers) - 1
        if position.get(self.result) != len(layers) - 1 or len(layers) < 2:  # type: ignore[arg-type]
            raise UnsupportedLayerError("the module must give one tensor, computed by its last layer")
        return layers

    def _layer(
        self, node: fx.Node, position: dict[fx.Node, int], layers: list[Layer], example_input: Tensor | None
    ) -> Layer:
        if node.op == "placeholder":
            if layers:
                raise UnsupportedLayerError(f"{node.name}: a second input is not supported")
            return make_layer("Input", (), self._n_inputs(node, example_input), node.name)
        kind, hyper, operands = self._call(node)
        missing = [operand for operand in operands if operand not in position]
        if missing or not operands:
            raise UnsupportedLayerError(f"{self.name(node)}: {kind.name} of something that is not a layer's output")
        inputs = [position[operand] for operand in operands]
        self._check_inplace(node, operands)
        size = self._size(node, kind, [layers[i].size for i in inputs])
        return make_layer(kind.name, inputs, size, self.name(node), hyper)

    def _kind(self, node: fx.Node) -> LayerType:
        """Find a node's layer type."""
        if node.op == "call_module":
            part = self.modules[self.name(node)]
            if type(part) not in BY_MODULE:
                raise UnsupportedLayerError(f"{self.name(node)}: {type(part).__name__} is not supported")
            return BY_MODULE[type(part)]
        if node.op not in ("call_function", "call_method") or node.target not in _FUNCTIONS:
            what = getattr(node.target, "__name__", node.target)
            raise UnsupportedLayerError(f"{node.name}: {what} is not supported")
        return LAYER_TYPES[_FUNCTIONS[node.target]]

    def _call(self, node: fx.Node) -> tuple[LayerType, dict[str, HyperValue], list[fx.Node]]:
        """Find a node's layer type, hyper-parameters and operands."""
        kind = self._kind(node)
        if node.op != "call_module":
            return self._function(node, kind)
        part = self.modules[self.name(node)]
        self._check_module(self.name(node), part)
        return kind, {h.name: _read(part, h.name) for h in kind.hyper}, list(node.all_input_nodes)

    def _function(self, node: fx.Node, kind: LayerType) -> tuple[LayerType, dict[str, HyperValue], list[fx.Node]]:
        if kind.name == "Concat":
            parts, dim = [*node.args, None][0], node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0)
            if dim not in (1, -1) or not isinstance(parts, list | tuple):
                raise UnsupportedLayerError(f"{node.name}: Concat must be along the features, dim=-1")
            return kind, {}, list(parts)
        if kind.name == "Add":
            if len(node.args) != 2 or node.kwargs or not all(isinstance(a, fx.Node) for a in node.args):
                raise UnsupportedLayerError(f"{node.name}: Add of anything but two layers' outputs is not supported")
            return kind, {}, list(node.args)  # type: ignore[arg-type]
        given = dict(zip((h.name for h in kind.hyper), node.args[1:], strict=False)) | node.kwargs
        hyper = {h.name: given.get(h.name, h.default) for h in kind.hyper}
        return kind, hyper, [node.args[0]]  # type: ignore[return-value, list-item]

    def _check_module(self, name: str, part: nn.Module) -> None:
        if self.seen.get(name) is not None and any(True for _ in part.parameters()):
            raise UnsupportedLayerError(f"{name}: {type(part).__name__} is used twice; weights cannot be shared")
        self.seen[name] = type(part).__name__
        if isinstance(part, nn.LayerNorm) and len(part.normalized_shape) != 1:
            raise UnsupportedLayerError(f"{name}: LayerNorm over several dimensions is not supported")
        if isinstance(part, nn.BatchNorm1d) and part.running_mean is None:
            raise UnsupportedLayerError(f"{name}: BatchNorm1d without running statistics is not supported")

    def _check_inplace(self, node: fx.Node, operands: list[fx.Node]) -> None:
        part = self.modules.get(self.name(node)) if node.op == "call_module" else None
        inplace = node.kwargs.get("inplace", False) or getattr(part, "inplace", False) or node.target is operator.iadd
        shared, operand = False, operands[0]
        while operand in self.passed:  # the same memory under another shape
            operand = self.passed[operand]
            shared = shared or len(operand.users) > 1
        if inplace and (shared or len(operands[0].users) > 1):
            raise UnsupportedLayerError(f"{self.name(node)}: in place, while its input is used again")

    def _size(self, node: fx.Node, kind: LayerType, sizes: list[int]) -> int:
        part = self.modules.get(self.name(node)) if node.op == "call_module" else None
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
                part = self.modules.get(self.name(user)) if user.op == "call_module" else None
                size = _inputs_of(part)
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

    def check_all_used(self, layers: list[Layer]) -> None:
        """Refuse a module some of whose parameters play no part."""
        used = {layer.name for layer in layers}
        for name, part in self.modules.items():
            if name not in used and any(True for _ in part.parameters(recurse=False)):
                raise UnsupportedLayerError(f"{name}: {type(part).__name__} plays no part in the output")


def _source(node: fx.Node) -> fx.Node | None:
    """Return the first operand of a call, also where it is a list of one."""
    first = node.args[0] if node.args else None
    source = first[0] if isinstance(first, list | tuple) and len(first) == 1 else first
    return source if isinstance(source, fx.Node) else None


def _inputs_of(part: nn.Module | None) -> int | None:
    readers: dict[type, Callable[[Any], int]] = {
        nn.Linear: lambda m: m.in_features,
        nn.LayerNorm: lambda m: m.normalized_shape[-1],
        nn.BatchNorm1d: lambda m: m.num_features,
    }
    reader = readers.get(type(part))
    return None if reader is None else int(reader(part))


def _read(part: nn.Module, name: str) -> HyperValue:
    if name == "bias":
        return part.bias is not None
    value: HyperValue = getattr(part, name)
    return value


def _state(architecture: Architecture, modules: dict[str, nn.Module]) -> Tensor:
    """Copy the parameters and buffers in the order of the flat state."""
    values = []
    for tensor in architecture.tensors:
        layer = architecture.layers[tensor.layer]
        value = getattr(modules[layer.name], tensor.slot.name)
        if value.shape != tensor.shape:
            name, sizes = f"{layer.name}.{tensor.slot.name}".lstrip("."), f"{tuple(value.shape)}, not {tensor.shape}"
            raise InvalidGraphError(f"{name}: has shape {sizes} as its {layer.type} says")
        values.append(value)
    if any(value.is_complex() for value in values):
        raise UnsupportedLayerError("complex parameters are not supported")
    floats = {value.dtype for value in values if value.is_floating_point()}
    if len(floats) > 1:
        raise UnsupportedLayerError(f"parameters of several types: {', '.join(sorted(map(str, floats)))}")
    dtype = floats.pop() if floats else torch.float32
    if not values:
        return torch.zeros(0)
    return torch.cat([value.detach().reshape(-1).to(dtype) for value in values]).clone()

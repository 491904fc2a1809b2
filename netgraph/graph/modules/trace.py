"""Modules to graphs of calls: ``torch.fx`` first, ``torch.export`` where it does not serve.

``torch.fx`` runs ``forward`` on symbols: registered modules stay whole, nothing is computed, batch sizes stay free, and
the calls carry the names that a reader knows. It fails where ``forward`` decides by its input (``if x.shape[0] > 3``,
``for t in range(len(x))``, ``assert``); :mod:`netgraph.graph.modules.export` then runs the module on the example with
``torch.export``, which evaluates such decisions, flattens everything to ATen calls, and holds for the sizes that it
reports only: the rebuilt module refuses others.

``forward`` is traced in both modes. Where the two differ in ``training`` flags only (``F.dropout(x, p,
self.training)``) there is one graph whose flags follow the module that asked; where they differ in more (stochastic
depth, auxiliary heads) there are two.
"""

import builtins
import inspect
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree

from netgraph.errors import NetGraphError, UnsupportedLayerError
from netgraph.graph.modules.encoding import Encoded, encode
from netgraph.graph.modules.functions import OPERATIONS, check_attribute, name_of
from netgraph.graph.modules.preserve import preserved
from netgraph.graph.modules.program import CallGraph, GraphNode, Operator
from netgraph.graph.modules.registry import is_leaf
from netgraph.graph.modules.values import same

#: For each input the sizes it must have, None for any; None for an input that is not a tensor.
Sizes = tuple[tuple[int | None, ...] | None, ...]
#: Operators by the names that fx has for them.
_OPERATORS: dict[str, Operator] = {"placeholder": "input", "get_attr": "tensor", "call_module": "module",
                                   "call_function": "call", "call_method": "call"}  # fmt: skip


class NotTraceableError(UnsupportedLayerError):
    """``torch.fx`` cannot follow ``forward``; the fallback may."""


class InputTracer(fx.Tracer):
    """Keeps registered modules whole, reads buffers as attributes, and the result in its own structure.

    Attributes:
        failed: The innermost module that cannot be traced.
        output: The result of ``forward``, made of symbols.
    """

    def __init__(self, given: Mapping[str, Any], whole: bool = False) -> None:
        super().__init__(param_shapes_constant=True)
        self.given, self.whole = given, whole
        self.failed = ""
        self.output: Any = None

    def create_args_for_root(self, root_fn: Any, is_module: bool, concrete_args: Any = None) -> Any:
        """Make symbols of the inputs that are given, tensors and numbers; forward decides by any other value.

        Other arguments are left to ``forward``, whose defaults may be tuples, and whose result may be of any type: fx
        would make lists of them.
        """
        signature = inspect.signature(root_fn)
        arguments: dict[str, Any] = {next(iter(signature.parameters)): self.root}
        for name, value in self.given.items():
            arguments[name] = self.create_proxy("placeholder", name, (), {}) if is_symbol(value) else value
        bound = inspect.BoundArguments(signature, OrderedDict(arguments))

        def forward() -> Any:
            self.output = root_fn(*bound.args, **bound.kwargs)
            return tuple(leaf for leaf in pytree.tree_leaves(self.output) if isinstance(leaf, fx.Proxy))

        return forward, []

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        """Call a module, and note the innermost one that fails."""
        try:
            return super().call_module(m, forward, args, kwargs)
        except Exception:
            self.failed = self.failed or f"{self.path_of_module(m)}: {type(m).__name__}"
            raise

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Return whether a module is kept whole."""
        if self.whole and not is_leaf(m) and super().is_leaf_module(m, module_qualified_name):
            raise UnsupportedLayerError(f"{module_qualified_name}: {type(m).__name__} is not supported")
        return is_leaf(m)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, fx.Proxy]) -> Any:
        """Read a buffer by its name."""
        if isinstance(attr_val, Tensor) and not isinstance(attr_val, nn.Parameter):
            for name, value in self.root.named_buffers():
                if value is attr_val:
                    if name not in parameter_proxy_cache:
                        parameter_proxy_cache[name] = self.create_proxy("get_attr", name, (), {})
                    return parameter_proxy_cache[name]
        return super().getattr(attr, attr_val, parameter_proxy_cache)


def is_symbol(value: Any, numbers: bool = True) -> bool:
    """Return whether an input is traced as a symbol: a tensor or a number, not a flag, a name or None."""
    return isinstance(value, Tensor) or (numbers and type(value) in (int, float))


@contextmanager
def mode(module: nn.Module, training: bool) -> Iterator[None]:
    """Set one mode on every part of a module, and restore its own."""
    modes = {part: part.training for part in module.modules()}
    module.train(training)
    try:
        yield
    finally:
        for part, before in modes.items():
            part.training = before


@dataclass(frozen=True)
class Traced:
    """The calls of a module.

    Attributes:
        calls: Those of evaluation mode.
        train_calls: Those of training mode, where more than ``training`` flags differ.
        constants: The tensors that ``forward`` itself makes or reads from plain attributes, by the names that the graph
            nodes call them.
        fixed: For each input the sizes that it must have, None for any; None for an input that is no tensor; empty
            where nothing is fixed.
    """

    calls: CallGraph
    train_calls: CallGraph | None = None
    constants: Mapping[str, Tensor] = field(default_factory=dict)
    fixed: Sizes = ()


def trace(module: nn.Module, given: Mapping[str, Any], whole: bool = False) -> Traced:
    """Trace a module in both modes.

    Args:
        module: The module; it is not changed.
        given: The example inputs by name.
        whole: Refuse a layer of ``torch.nn`` that is not registered, rather than trace through it.

    Raises:
        NotTraceableError: When ``torch.fx`` cannot follow ``forward``.
        UnsupportedLayerError: When a call is not supported, with its name and the entry that it needs.
    """
    if is_leaf(module):  # stands alone; a name of a builtin function is numbered, as fx does
        inputs = [GraphNode("input", name, f"{name}_1" if hasattr(builtins, name) else name) for name in given]
        kwargs = ("dict", *(("item", name, ("node", i)) for i, name in enumerate(given)))
        return Traced(CallGraph((*inputs, GraphNode("module", "", "output", kwargs=kwargs)), ("node", len(inputs))))
    if "forward" in vars(module):
        raise NotTraceableError(f"{type(module).__name__}: forward was replaced on the instance")

    def graph_of(training: bool) -> tuple[fx.Graph, Any, dict[str, Tensor]]:
        tracer = InputTracer(given, whole)
        try:
            with preserved(module), mode(module, training):
                graph = tracer.trace(module)
                return graph, tracer.output, plain_attributes(graph, module, module)
        except NetGraphError:
            raise
        except Exception as error:
            name = tracer.failed or type(module).__name__
            raise NotTraceableError(f"{name} cannot be traced: {first_line(error)}") from error

    return read_both(graph_of)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def named_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return the parameters and buffers of a module by all their names."""
    return dict(module.named_parameters(remove_duplicate=False)) | dict(module.named_buffers(remove_duplicate=False))


def plain_attributes(graph: fx.Graph, module: nn.Module, holder: nn.Module) -> dict[str, Tensor]:
    """Return the tensors of ``holder`` that a graph reads and that are no parameters or buffers of the module.

    Raises:
        UnsupportedLayerError: With an attribute that is no tensor, for instance a generator of random numbers.
    """
    held, tensors = named_tensors(module), {}
    for node in graph.nodes:
        if node.op == "get_attr" and node.target not in held:
            owner, _, name = node.target.rpartition(".")
            value = getattr(holder.get_submodule(owner), name)
            if not isinstance(value, Tensor):
                raise UnsupportedLayerError(f"{node.target}: forward passes on a {type(value).__name__}, no tensor")
            tensors[node.target] = value
    return tensors


def read_both(graph_of: Callable[[bool], tuple[fx.Graph, Any, dict[str, Tensor]]]) -> Traced:
    """Read the graphs of both modes into one where they differ in flags that follow the mode, else into two.

    Args:
        graph_of: Traces one mode: the graph, its result and the tensors that ``forward`` makes.

    Raises:
        UnsupportedLayerError: With a tensor that differs from run to run.
    """
    constants: dict[str, Tensor] = {}
    both: list[CallGraph] = []
    owners: list[str] = []
    for training in (False, True):
        graph, result, attributes = graph_of(training)
        for name in constants.keys() & attributes.keys():
            if not same(constants[name], attributes[name]):
                reason = "forward makes a tensor that differs from run to run; draw it from the shape of an input"
                raise UnsupportedLayerError(f"{name}: {reason}")
        constants |= attributes
        both.append(_read(graph, result))
        owners = owners or [_owner(node) for node in graph.nodes][:-1]
    first, second = both
    if len(first.nodes) != len(second.nodes) or first.output != second.output:
        return Traced(first, second, constants)
    codes = ([tuple(vars(node).values()) for node in graph.nodes] for graph in both)
    try:
        nodes = tuple(GraphNode(*_with_flags(a, b, owner)) for a, b, owner in zip(*codes, owners, strict=True))
    except _DifferError:
        return Traced(first, second, constants)
    return Traced(CallGraph(nodes, first.output), None, constants)


class _DifferError(Exception):
    """Calls differ in more than flags."""


def _with_flags(first: Encoded, second: Encoded, owner: str) -> Encoded:
    """Put the mode of the module that asked for it where two codes have a flag of their own."""
    if first is False and second is True:
        return ("training", owner)
    if isinstance(first, tuple) and isinstance(second, tuple) and len(first) == len(second):
        return tuple(_with_flags(a, b, owner) for a, b in zip(first, second, strict=True))
    if first != second or type(first) is not type(second):
        raise _DifferError
    return first


def _read(graph: fx.Graph, result: Any) -> CallGraph:
    """Read an fx graph.

    Raises:
        UnsupportedLayerError: With a call or an argument that is not supported.
    """
    position: dict[fx.Node, int] = {}

    def code(node: fx.Node, value: Any) -> Encoded:
        def reference(value: Any) -> Encoded | None:
            node = value.node if isinstance(value, fx.Proxy) else value
            return ("node", position[node]) if isinstance(node, fx.Node) else None

        try:
            return encode(value, reference)
        except UnsupportedLayerError as error:
            unseen = any(isinstance(leaf, Tensor) for leaf in pytree.tree_leaves(value))  # made of parameters alone
            raise (NotTraceableError if unseen else UnsupportedLayerError)(f"{_where(node)}: {error}") from None

    *calls, output = graph.nodes
    nodes = []
    for node in calls:
        op, target = _OPERATORS[node.op], str(node.target)
        if op == "call":
            target = name_of(node.target) if node.op == "call_function" else f"Tensor.{node.target}"
            _check_call(node, target)
        operands = (code(node, tuple(node.args)), code(node, dict(node.kwargs))) if op in ("call", "module") else ()
        nodes.append(GraphNode(op, target, node.name, *operands))
        position[node] = len(nodes) - 1
    return CallGraph(tuple(nodes), code(output, result))


def _check_call(node: fx.Node, name: str) -> None:
    """Raise for a call that is not registered, or an attribute that no network needs."""
    if name not in OPERATIONS:
        missing = f"{name} is not supported; it needs an entry in the table of operations"
        raise UnsupportedLayerError(f"{_where(node)}: {missing}")
    if name == "builtins.getattr":
        try:
            check_attribute(node.args[1])
        except UnsupportedLayerError as error:
            raise UnsupportedLayerError(f"{_where(node)}: {error}") from None


def _owner(node: fx.Node) -> str:
    """Return the name of the module in whose ``forward`` a call stands."""
    stack = node.meta.get("nn_module_stack") or {}
    return str(next(reversed(stack.values()), ("", None))[0])


def _where(node: fx.Node) -> str:
    """Return the names of the module in whose ``forward`` a call stands, and of the call."""
    return f"{_owner(node)}.{node.name}".lstrip(".")

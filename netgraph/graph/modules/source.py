"""A readable Python class for a network."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any, cast

from torch import Tensor

from netgraph.graph.modules.encoding import Encoded
from netgraph.graph.modules.general import generalize
from netgraph.graph.modules.parts import CONTAINERS, TYPES
from netgraph.graph.modules.program import Part, Program, Row, Stored, Table
from netgraph.graph.modules.values import view
from netgraph.graph.netgraph import NetGraph

_HEAD = '''"""Written by netgraph; load the weights with ``load_state_dict``."""

import math
import operator

import torch
from torch import nn
from torch.nn import functional as F


class {name}(nn.Module):
    """{summary}"""

    def __init__(self):
        super().__init__()
'''
_IMPORTED = ("F", "math", "nn", "operator", "self", "torch")
_INFIX = {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**", "matmul": "@",
          "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "and_": "&", "or_": "|"}  # fmt: skip


def to_source(graph: NetGraph, name: str = "Network") -> str:
    """Write a network as a Python class whose ``state_dict`` is the network's.

    Args:
        graph: The network.
        name: Name of the class.

    Returns:
        A module's source: the class alone, which needs torch and nothing else.
    """
    graph = generalize(graph)
    program = cast(Program, graph.program)
    program.validate()
    writer = _Writer(program, graph)
    kinds = dict.fromkeys(part.type for part in program.parts if part.type in TYPES)
    summary = ", ".join(kinds) or "A network"
    body = [*writer.constructor(), *writer.forward()]
    return _HEAD.format(name=name, summary=f"{summary}.") + "\n".join(body) + "\n"


class _Writer:
    def __init__(self, program: Program, graph: NetGraph) -> None:
        self.program, self.graph = program, graph
        self.parts = {part.name: part for part in program.parts}

    def constructor(self) -> Iterator[str]:
        """Write the modules, then the tensors that no constructor makes."""
        root = self.parts[""]
        for part in self.program.parts:
            if part.name:
                yield f"        {self._attach(part)}"
        if root.type in TYPES:
            yield f"        self.network = {constructor(root.type, root.hyper)}"
        for tensor in self.program.tensors:
            yield from (f"        {line}" for line in self._tensor(tensor))

    def _attach(self, part: Part) -> str:
        owner, _, name = part.name.rpartition(".")
        made = self.path(part.alias) if part.alias is not None else constructor(part.type, part.hyper)
        if name.isidentifier() and self.parts[owner].type not in ("ModuleList", "ModuleDict", "Sequential"):
            return f"{self.path(owner)}.{name} = {made}"
        return f"{self.path(owner)}.add_module({name!r}, {made})"

    def _tensor(self, tensor: Stored) -> Iterator[str]:
        for position, full in enumerate(tensor.names):
            owner, _, name = full.rpartition(".")
            shared = self.parts.get(owner)
            made_by_constructor = shared is None or shared.type in TYPES
            if position:
                yield f"{self.path(owner)}.{name} = {self.path(tensor.names[0])}"
            elif not made_by_constructor:
                yield self._new(tensor, self.path(owner), name)
            if not tensor.trainable and tensor.kind == "parameter" and not position:
                yield f"{self.path(full)}.requires_grad_(False)"
            yield from self._retype(tensor, full, made_by_constructor and not position)

    def _retype(self, tensor: Stored, full: str, needed: bool) -> Iterator[str]:
        default = "int64" if full.endswith("num_batches_tracked") else "float32"
        if needed and tensor.dtype != default:
            yield f"{self.path(full)}.data = {self.path(full)}.data.to(torch.{tensor.dtype})"

    def _new(self, tensor: Stored, owner: str, name: str) -> str:
        empty = f"torch.empty({tensor.shape}, dtype=torch.{tensor.dtype})"
        if tensor.kind == "parameter" and not name.isidentifier():
            return f"{owner}.register_parameter({name!r}, nn.Parameter({empty}))"
        if tensor.kind == "parameter":
            return f"{owner}.{name} = nn.Parameter({empty})"
        if tensor.kind == "buffer" and tensor.persistent:
            return f'{owner}.register_buffer("{name}", {empty})'
        literal = _literal(view(tensor, self.graph.state, self.graph.other_state))
        if tensor.kind == "buffer":
            return f'{owner}.register_buffer("{name}", {literal}, persistent=False)'
        return f"{owner}.{name} = {literal}"

    def path(self, name: str) -> str:
        """Write the way to a module or a tensor."""
        code, so_far = "self", ""
        for step in name.split(".") if name else ():
            kind = self.parts[so_far].type if so_far in self.parts and so_far else "Module"
            if step.isdigit():
                code = f"{code}[{step}]" if kind in ("Sequential", "ModuleList") else f"getattr({code}, {step!r})"
            else:
                code = f"{code}[{step!r}]" if kind == "ModuleDict" else f"{code}.{step}"
            so_far = f"{so_far}.{step}".lstrip(".")
        return code

    def forward(self) -> Iterator[str]:
        """Write ``forward``, in two methods where training differs in more than flags."""
        inputs = "".join(f", {name}" for name in self.program.inputs)
        yield ""
        yield f"    def forward(self{inputs}):"
        if self.program.train_table is not None:
            yield "        if self.training:"
            yield f"            return self.forward_in_training({inputs.removeprefix(', ')})"
        yield from self._calls(self.program.table)
        if self.program.train_table is not None:
            yield ""
            yield f"    def forward_in_training(self{inputs}):"
            yield from self._calls(self.program.train_table)

    def _calls(self, table: Table) -> Iterator[str]:
        names: list[str] = []
        expression = _Expression(self, names)
        for row in table.rows:
            name = f"{row.name}_" if row.name in _IMPORTED else row.name
            if row.op != "input":
                yield f"        {name} = {expression.call(row)}"
            names.append(row.target if row.op == "input" else name)
        yield f"        return {expression(table.output)}"


def _literal(tensor: Tensor) -> str:
    return f"torch.tensor({_plain(tensor.tolist())}, dtype={tensor.dtype})"


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_plain, value)) + "]"
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return f'float("{value}")'
    return repr(value)


def constructor(kind: str, hyper: Encoded) -> str:
    """Write the call that makes a module, with the arguments that are not the defaults."""
    if kind in CONTAINERS:
        return f"nn.{kind}()"
    arguments = []
    defaults = inspect.signature(TYPES[kind].__init__).parameters
    for _, name, value in hyper[1:]:
        code = _constant(value)
        if name not in defaults or code != repr(defaults[name].default):
            arguments.append(f"{name}={code}")
    return f"nn.{kind}({', '.join(arguments)})"


def _constant(value: Encoded) -> str:
    if isinstance(value, tuple) and value and value[0] == "part":
        return constructor(*value[1])
    return _Expression(None, [])(value)


class _Expression:
    """Writes arguments and calls."""

    def __init__(self, writer: _Writer | None, names: list[str]) -> None:
        self.writer, self.names = writer, names

    def __call__(self, code: Encoded) -> str:
        if not isinstance(code, tuple):
            return repr(code)
        tag, *rest = code
        simple: dict[str, Callable[[], str]] = {
            "row": lambda: self.names[rest[0]],
            "training": lambda: f"{self._path(rest[0])}.training",
            "tuple": lambda: "(" + "".join(f"{self(part)}, " for part in rest).rstrip(" ") + ")" if rest else "()",
            "list": lambda: "[" + ", ".join(map(self, rest)) + "]",
            "dict": lambda: "{" + ", ".join(f"{key!r}: {self(part)}" for _, key, part in rest) + "}",
            "slice": lambda: f"slice({', '.join(map(self, rest))})",
            "dtype": lambda: f"torch.{rest[0]}",
            "device": lambda: f"torch.device({rest[0]!r})",
            "format": lambda: f"torch.{rest[0]}",
            "float": lambda: f"float({rest[0]!r})",
            "...": lambda: "...",
        }
        return simple[tag]()

    def _path(self, name: str) -> str:
        return self.writer.path(name) if self.writer is not None else "self"

    def call(self, row: Row) -> str:
        """Write a row's call."""
        if row.op == "tensor":
            return self._path(row.target)
        args = [self(part) for part in row.args[1:]]
        kwargs = [f"{key}={self(part)}" for _, key, part in row.kwargs[1:]]
        if row.op == "module":
            return f"{self._path(row.target) if row.target else 'self.network'}({', '.join([*args, *kwargs])})"
        space, name = row.target.split(".", 1)
        if space == "operator" and name in _INFIX and len(args) == 2:
            return f"{args[0]} {_INFIX[name]} {args[1]}"
        if row.target == "operator.getitem":
            return f"{args[0]}[{self._index(row.args[2])}]"
        if row.target == "builtins.getattr":
            return f"{args[0]}.{row.args[2]}"
        if space == "Tensor":
            return f"{args[0]}.{name}({', '.join([*args[1:], *kwargs])})"
        prefix = {"functional": "F.", "builtins": "", "aten": "torch.ops.aten."}.get(space, f"{space}.")
        return f"{prefix}{name}({', '.join([*args, *kwargs])})"

    def _index(self, code: Encoded) -> str:
        if isinstance(code, tuple) and code[0] == "tuple" and len(code) > 1:
            return ", ".join(map(self._index, code[1:])) + ("," if len(code) == 2 else "")
        if isinstance(code, tuple) and code[0] == "slice":
            start, stop, step = ("" if part is None else self(part) for part in code[1:])
            return f"{start}:{stop}" + (f":{step}" if step else "")
        return self(code)

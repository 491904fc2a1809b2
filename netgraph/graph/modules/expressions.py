"""Python expressions of a program: its arguments, calls, and constructors, as a person would write them."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from itertools import pairwise
from typing import Any

from netgraph.errors import NetGraphError
from netgraph.graph.modules.encoding import Encoded
from netgraph.graph.modules.functions import find_operation
from netgraph.graph.modules.program import GraphNode
from netgraph.graph.modules.registry import CONTAINERS, ENTRIES, build, describe

_INFIX = {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**", "matmul": "@",
          "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "and_": "&", "or_": "|"}  # fmt: skip
#: Longest line that is written in one.
WIDTH = 110


@lru_cache(maxsize=1024)
def constructor(kind: str, kwargs: Encoded) -> str:
    """Write the call that makes a module: arguments without defaults by position, others by name, defaults left out."""
    if kind in CONTAINERS:
        return f"nn.{kind}()"
    needed = [
        name
        for name, parameter in inspect.signature(ENTRIES[kind].type.__init__).parameters.items()
        if parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ][1:]
    write = Expression(lambda name: "self", [])
    nested = lambda value: isinstance(value, tuple) and value and value[0] == "module"  # noqa: E731
    items = [(name, value) for _, name, value in _lean(kind, kwargs)[1:]]
    written = {name: constructor(*value[1]) if nested(value) else write(value) for name, value in items}
    first = [written.pop(name) for name in needed if name in written]
    return f"nn.{kind}({', '.join([*first, *(f'{name}={code}' for name, code in written.items())])})"


def _lean(kind: str, hyper: Encoded) -> Encoded:
    """Leave out every argument, and write every tuple as one number, where the module is the same without."""
    kept = list(hyper[1:])
    for item in hyper[1:]:
        position, (tag, name, value) = kept.index(item), item
        repeated = isinstance(value, tuple) and value[0] == "tuple" and len(set(value[1:])) == 1
        for shorter in ([], *([[(tag, name, value[1])]] if repeated else [])):
            tried = [*kept[:position], *shorter, *kept[position + 1 :]]
            with suppress(TypeError, ValueError, RuntimeError, AttributeError, AssertionError, NetGraphError):
                if describe(build(kind, ("dict", *tried))) == (kind, hyper):
                    kept = tried
                    break
    return ("dict", *kept)


def wrap(line: str) -> Iterator[str]:
    """Break a long line within its last brackets, as many of their parts on a line as fit."""
    core, tail = line.removesuffix(","), line[len(line.removesuffix(",")) :]
    opening, parts = _last_brackets(core) if len(line) > WIDTH else (-1, [])
    if not parts:
        yield line
        return
    indent = " " * (len(line) - len(line.lstrip()))
    yield core[: opening + 1]
    for row in _rows(parts, f"{indent}    "):
        yield from wrap(row)
    yield f"{indent}{core[-1]}{tail}"


def _rows(parts: list[str], indent: str) -> Iterator[str]:
    row = ""
    for part in parts:
        if row and len(f"{indent}{row} {part},") > WIDTH:
            yield indent + row
            row = ""
        row = f"{row} {part},".lstrip()
    yield indent + row


def _last_brackets(line: str) -> tuple[int, list[str]]:
    """Find where the brackets that close at the end of a line open, and the parts between their commas."""
    open_, quote = [[-1]], ""
    for i, character in enumerate(line):
        if quote or character in ("'", '"'):
            quote = "" if character == quote else quote or character
        elif character in "([{":
            open_.append([i])
        elif character == ",":
            open_[-1].append(i)
        elif character in ")]}":
            cuts = open_.pop()
    index = bool(line) and line[-1] == "]" and line[cuts[0] - 1] not in " ([{"
    if not line.endswith((")", "]", "}")) or index:
        return -1, []
    parts = [line[a + 1 : b].strip() for a, b in pairwise([*cuts, len(line) - 1])]
    return cuts[0], [part for part in parts if part]


#: Keyword arguments that may be left out with these values, whatever function takes them.
_USUAL = {"inplace": False, "return_indices": False, "ceil_mode": False, "dilation": 1, "padding": 0, "stride": None}


@lru_cache(maxsize=256)
def _defaults(name: str) -> dict[str, Any]:
    """Return the defaults of a function of ``torch.nn.functional``; others are written in C and tell none."""
    function = find_operation(name).function
    if not name.startswith("functional.") or not inspect.isfunction(function):
        return {}
    return _USUAL | {key: parameter.default for key, parameter in inspect.signature(function).parameters.items()}


#: How values without parts are written, by their tags.
_PLAIN = {"dtype": "torch.{}", "format": "torch.{}", "layout": "torch.{}", "device": "torch.device({!r})",
          "float": "float({!r})", "...": "..."}  # fmt: skip


class Expression:
    """Writes arguments and calls.

    Args:
        path: Writes the way to a module or a tensor.
        names: Variables of the values of graph nodes.
    """

    def __init__(self, path: Callable[[str], str], names: list[str]) -> None:
        self._path, self.names = path, names

    def __call__(self, code: Encoded) -> str:
        """Write an argument."""
        if not isinstance(code, tuple):
            return repr(code).replace("e+", "e") if isinstance(code, float) else repr(code)
        tag, *rest = code
        if tag in _PLAIN:
            return _PLAIN[tag].format(*rest)
        if tag in ("dict", "ordered"):
            items = ", ".join(f"{self(key)}: {self(value)}" for _, key, value in rest)
            return f"{{{items}}}" if tag == "dict" else f"collections.OrderedDict({{{items}}})"
        if tag == "node":
            return self.names[rest[0]]
        if tag == "training":
            return f"{self._path(rest[0])}.training"
        if tag == "named":
            name, (_, *fields), *rest = rest
            return f"collections.namedtuple({name!r}, {fields})({', '.join(map(self, rest))})"
        items = ", ".join(map(self, rest))
        if tag == "tuple":
            return f"({items},)" if len(rest) == 1 else f"({items})"
        return {"list": "[{}]", "size": "torch.Size([{}])", "slice": "slice({})"}[tag].format(items)

    def call(self, node: GraphNode) -> str:
        """Write the call of a graph node."""
        if node.op == "tensor":
            return self._path(node.target)
        args = [self(argument) for argument in node.args[1:]]
        usual = _defaults(node.target) if node.op == "call" else {}
        kwargs = []
        for _, key, argument in node.kwargs[1:]:
            default = usual.get(key, inspect.Parameter.empty)
            if type(argument) is not type(default) or argument != default:
                kwargs.append(f"{key}={self(argument)}")
        if node.op == "module":
            return f"{self._path(node.target)}({', '.join([*args, *kwargs])})"
        space, name = node.target.split(".", 1)
        if space == "operator" and name in _INFIX and len(args) == 2:
            return f"{args[0]} {_INFIX[name]} {args[1]}"
        if node.target == "operator.getitem":
            return f"{args[0]}[{self._index(node.args[2])}]"
        if node.target == "builtins.getattr":
            return f"{args[0]}.{node.args[2]}"
        if space == "Tensor":
            return f"{args[0]}.{name}({', '.join([*args[1:], *kwargs])})"
        prefix = {"functional": "F.", "builtins": "", "aten": "torch.ops.aten."}.get(space, f"{space}.")
        return f"{prefix}{name}({', '.join([*args, *kwargs])})"

    def _index(self, code: Encoded) -> str:
        if isinstance(code, tuple) and code[0] == "tuple" and len(code) > 1:
            return ", ".join(map(self._index, code[1:])) + ("," if len(code) == 2 else "")
        if isinstance(code, tuple) and code[0] == "slice":
            start, stop, step = ("" if bound is None else self(bound) for bound in code[1:])
            return f"{start}:{stop}" + (f":{step}" if step else "")
        return self(code)

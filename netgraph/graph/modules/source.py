"""A readable Python class for a network."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from keyword import iskeyword
from typing import Any, cast

from netgraph.errors import NetGraphError
from netgraph.graph.from_module import generalize
from netgraph.graph.modules.check import check
from netgraph.graph.modules.encoding import decode, references
from netgraph.graph.modules.expressions import Expression, arguments, constructor, wrap
from netgraph.graph.modules.parts import TYPES
from netgraph.graph.modules.program import CallGraph, GraphNode, ModuleSpec, NamedTensorSpec, Program
from netgraph.graph.netgraph import NetGraph, as_graph

_HEAD = '''"""Written by netgraph; load the weights with ``load_state_dict``."""

{imports}


class {name}({base}):
    """{summary}"""

    def __init__(self):
{body}
'''
_IMPORTS = {"collections": "import collections", "math": "import math", "operator": "import operator",
            "torch": "import torch", "nn": "from torch import nn",
            "F": "from torch.nn import functional as F"}  # fmt: skip
_STANDARD = ("collections", "math", "operator")
_IMPORTED = (*_IMPORTS, "self")


def to_source(graph: NetGraph, name: str = "Network") -> str:
    """Write a network as a Python class whose ``state_dict`` is the network's.

    Args:
        graph: The network.
        name: Name of the class.

    Returns:
        A module's source: the class alone, which needs torch and nothing else.

    Raises:
        NetGraphError: When the name is not one that a class can have.
    """
    if not is_attribute(name) or name in _IMPORTS:
        raise NetGraphError(f"{name!r} is not a name for a class")
    graph = generalize(as_graph(graph, "to_source"))
    program = cast(Program, graph.program)
    check(program)
    writer = _Writer(program, graph)
    kinds = dict.fromkeys(part.type for part in program.modules if part.type in TYPES)
    body = "\n".join(line for long in writer.lines() for line in wrap(long))
    base, summary = f"nn.{program.modules[0].type}", f"{', '.join(kinds) or 'A network'}."
    used = [key for key in _IMPORTS if re.search(rf"\b{key}\.", f"{base} {body}")]
    groups = ([key for key in used if (key in _STANDARD) == own] for own in (True, False))
    imports = "\n\n".join("\n".join(map(_IMPORTS.__getitem__, group)) for group in groups if group)
    return _HEAD.format(name=name, base=base, imports=imports, summary=summary, body=body)


def is_attribute(name: str) -> bool:
    """Return whether an attribute can be written as ``.name``."""
    return name.isidentifier() and not iskeyword(name)


class _Writer:
    def __init__(self, program: Program, graph: NetGraph) -> None:
        self.program, self.graph = program, graph
        self.parts = {part.name: part for part in program.modules}
        self.children: dict[str, list[ModuleSpec]] = defaultdict(list)
        for part in program.modules[1:]:
            self.children[part.name.rpartition(".")[0]].append(part)

    def lines(self) -> Iterator[str]:
        """Write the body of the class."""
        yield from (f"        {line}" for line in self._constructor())
        if self.program.modules[0].type not in TYPES and not self._whole(""):  # else the base class calls as it does
            yield from self._forward()

    def _constructor(self) -> Iterator[str]:
        """Write the modules, then the tensors that no constructor makes."""
        root = self.program.modules[0]
        if root.type in TYPES:
            yield f"super().__init__({arguments(root.type, root.kwargs)})"
        elif self._whole(""):
            yield "super().__init__("
            yield from self._entries("", "    ")
            yield ")"
        else:
            yield "super().__init__()"
            yield from self._modules()
        for tensor in self.program.tensors:
            yield from self._tensor(tensor)

    def _modules(self) -> Iterator[str]:
        inside: tuple[str, ...] = ()
        for part in self.program.modules:
            if not part.name or part.name.startswith(inside):
                continue
            if not self._whole(part.name):
                yield self._attach(part, constructor(part.type, part.kwargs))
                continue
            inside = (*inside, f"{part.name}.")
            opening = self._attach(part, "nn.Sequential(")
            yield opening.removesuffix(")")
            yield from self._entries(part.name, "    ")
            yield "))" if opening.endswith(")") else ")"

    def _whole(self, name: str) -> bool:
        """Return whether a ``Sequential`` can be written in one expression, with all that is in it."""
        part, children = self.parts[name], self.children[name]
        if part.type != "Sequential" or part.alias is not None or not children or not self._listed(name):
            return False
        return all(inner.alias is None and (inner.type in TYPES or self._whole(inner.name)) for inner in children)

    def _entries(self, name: str, indent: str) -> Iterator[str]:
        for part in self.children[name]:
            if part.type in TYPES:
                yield f"{indent}{constructor(part.type, part.kwargs)},"
            else:
                yield f"{indent}nn.Sequential("
                yield from self._entries(part.name, f"{indent}    ")
                yield f"{indent}),"

    def _listed(self, name: str) -> bool:
        """Return whether a module's own are numbered from 0 on, so that they are appended and read by number."""
        kind, steps = self.parts[name].type, [part.name.rpartition(".")[2] for part in self.children[name]]
        return kind in ("Sequential", "ModuleList") and steps == [str(i) for i in range(len(steps))]

    def _attach(self, part: ModuleSpec, made: str) -> str:
        owner, _, name = part.name.rpartition(".")
        made = self.path(part.alias) if part.alias is not None else made
        kind = self.parts[owner].type
        if self._listed(owner):
            return f"{self.path(owner)}.append({made})"
        if kind == "ModuleDict":
            return f"{self.path(owner)}[{name!r}] = {made}"
        if is_attribute(name):
            return f"{self.path(owner)}.{name} = {made}"
        return f"{self.path(owner)}.add_module({name!r}, {made})"

    def _tensor(self, tensor: NamedTensorSpec) -> Iterator[str]:
        for position, full in enumerate(tensor.names):
            owner, _, name = full.rpartition(".")
            shared = self.parts.get(owner)
            made_by_constructor = shared is None or shared.type in TYPES
            if position:
                yield f"{self.path(owner)}.{name} = {self.path(tensor.names[0])}"
            elif not made_by_constructor:
                yield self._new(tensor, self.path(owner), name)
            if made_by_constructor and not tensor.trainable and tensor.kind == "parameter" and not position:
                yield f"{self.path(full)}.requires_grad_(False)"
            default = "int64" if full.endswith("num_batches_tracked") else "float32"
            if made_by_constructor and not position and tensor.dtype != default:
                yield f"{self.path(full)}.data = {self.path(full)}.data.to(torch.{tensor.dtype})"

    def _new(self, tensor: NamedTensorSpec, owner: str, name: str) -> str:
        empty = f"torch.empty({tensor.shape}, dtype=torch.{tensor.dtype})"
        parameter = f"nn.Parameter({empty}{'' if tensor.trainable else ', requires_grad=False'})"
        if tensor.kind == "parameter" and not name.isidentifier():
            return f"{owner}.register_parameter({name!r}, {parameter})"
        if tensor.kind == "parameter":
            return f"{owner}.{name} = {parameter}"
        if tensor.kind == "buffer" and tensor.persistent:
            return f'{owner}.register_buffer("{name}", {empty})'
        value = self.graph.tensor(tensor)
        literal = f"torch.tensor({_plain(value.tolist())}, dtype={value.dtype})"
        if tensor.kind == "buffer":
            return f'{owner}.register_buffer("{name}", {literal}, persistent=False)'
        return f"{owner}.{name} = {literal}"

    def path(self, name: str) -> str:
        """Write the way to a module or a tensor."""
        code, so_far = "self", ""
        for step in name.split(".") if name else ():
            kind = self.parts[so_far].type if so_far in self.parts else ""
            if so_far in self.parts and step.isdigit() and self._listed(so_far):
                code = f"{code}[{step}]"
            elif kind == "ModuleDict":
                code = f"{code}[{step!r}]"
            else:
                code = f"{code}.{step}" if is_attribute(step) else f"getattr({code}, {step!r})"
            so_far = f"{so_far}.{step}".lstrip(".")
        return code

    def _forward(self) -> Iterator[str]:
        """Write ``forward``, in two methods where training differs in more than flags."""
        inputs = "".join(f", {_free(name)}" for name in self.program.inputs)
        yield ""
        yield f"    def forward(self{self._parameters()}):"
        yield from self._refusals()
        if self.program.train_calls is not None:
            yield "        if self.training:"
            yield f"            return self.forward_in_training({inputs.removeprefix(', ')})"
        yield from self._calls(self.program.calls)
        if self.program.train_calls is not None:
            yield ""
            yield f"    def forward_in_training(self{inputs}):"
            yield from self._calls(self.program.train_calls)

    def _parameters(self) -> str:
        """Write the inputs, with the values of the last ones that are held."""
        held, written = decode(self.program.held, {}), ""
        for i, name in enumerate(self.program.inputs):
            default = f"={held[name]!r}" if set(self.program.inputs[i:]) <= held.keys() else ""
            written += f", {_free(name)}{default}"
        return written

    def _refusals(self) -> Iterator[str]:
        """Write the checks of inputs for which the network was not traced."""
        for name, value in decode(self.program.held, {}).items():
            unlike = "is not" if value is None or isinstance(value, bool) else "!="
            yield f"        if {_free(name)} {unlike} {value!r}:"
            yield f"            raise ValueError({f'{name}: the network was traced for {value!r}'!r})"
        for name, sizes in zip(self.program.inputs, self.program.fixed, strict=False):
            name = _free(name)
            fixed = [f"{name}.shape[{i}] != {n}" for i, n in enumerate(sizes or ()) if n is not None]
            if sizes is not None and fixed:
                wanted = ", ".join("any" if n is None else str(n) for n in sizes)
                yield f"        if {' or '.join([f'{name}.ndim != {len(sizes)}', *fixed])}:"
                yield f'            raise ValueError("{name}: the network was traced for [{wanted}]")'

    def _calls(self, table: CallGraph) -> Iterator[str]:
        names: list[str] = []
        expression, whole = Expression(self.path, names), self._called_whole(table)
        while len(names) < len(table.nodes):
            row = table.nodes[len(names)]
            length, owner = whole.get(len(names), (1, ""))
            name = _free(row.target if row.op == "input" else table.nodes[len(names) + length - 1].name)
            if owner:
                yield f"        {name} = {self.path(owner)}({expression(row.args[1])})"
            elif row.op != "input":
                yield f"        {name} = {expression.call(row)}"
            names += [name] * length
        yield f"        return {expression(table.output)}"

    def _called_whole(self, table: CallGraph) -> dict[int, tuple[int, str]]:
        """Find the rows that are the call of one ``Sequential``: first row -> (how many they are, its name)."""
        found: dict[int, tuple[int, str]] = {}
        taken: set[int] = set()
        users = Counter(i for row in table.nodes for i in references((row.args, row.kwargs)))
        users.update(references(table.output))
        for part in self.program.modules[1:]:
            inner = self._leaves(part.name) if self._whole(part.name) else []
            for start in range(len(table.nodes) if inner else 0):
                rows = table.nodes[start : start + len(inner)]
                if start not in taken and [row.target for row in rows] == inner and _is_chain(rows, start, users):
                    found[start] = (len(inner), part.name)
                    taken.update(range(start, start + len(inner)))
        return found

    def _leaves(self, name: str) -> list[str]:
        leaves: list[str] = []
        for part in self.children[name]:
            leaves += [part.name] if part.type in TYPES else self._leaves(part.name)
        return leaves


def _is_chain(rows: Sequence[GraphNode], start: int, users: Counter[int]) -> bool:
    """Return whether each row is the call of a module on nothing but what the one before gave to it alone."""
    calls = all(row.op == "module" and len(row.args) == 2 and len(row.kwargs) == 1 for row in rows)
    linked = all(row.args[1] == ("node", start + i) for i, row in enumerate(rows[1:]))
    return calls and linked and all(users[start + i] == 1 for i in range(len(rows) - 1))


def _free(name: str) -> str:
    """Return a variable's name that hides no import."""
    return f"{name}_" if name in _IMPORTED else name


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_plain, value)) + "]"
    if isinstance(value, complex):
        return f"complex({_plain(value.real)}, {_plain(value.imag)})"
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return f'float("{value}")'
    return repr(value)

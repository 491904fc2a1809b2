"""A readable Python class for a network."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from keyword import iskeyword
from typing import Any, cast

from netgraph.errors import NetGraphError
from netgraph.graph.arguments import Network, as_graph
from netgraph.graph.modules.check import check
from netgraph.graph.modules.encoding import decode, references
from netgraph.graph.modules.expressions import Expression, constructor, wrap
from netgraph.graph.modules.program import CallGraph, GraphNode, ModuleSpec, NamedTensorSpec, Program
from netgraph.graph.modules.registry import ENTRIES
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.read_module import generalize

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


def to_source(graph: Network, name: str = "Network") -> str:
    """Write a network as a Python class whose ``state_dict`` is the network's.

    Args:
        graph: A graph, or a module that needs no example input.
        name: Name of the class.

    Returns:
        A module's source: the class alone, which needs torch and nothing else.

    Raises:
        NetGraphError: When the name is not one that a class can have.

    Example:
        >>> import netgraph, torch
        >>> print(to_source(netgraph.from_module(torch.nn.Linear(3, 2))).splitlines()[-1].strip())
        super().__init__(3, 2)
    """
    if not is_attribute(name) or name in _IMPORTS:
        raise NetGraphError(f"{name!r} is not a name for a class")
    general = generalize(as_graph(graph, "to_source"))
    program = cast(Program, general.program)
    check(program)
    kinds = dict.fromkeys(module.type for module in program.modules if module.type in ENTRIES)
    body = "\n".join(line for long in _Writer(program, general).lines() for line in wrap(long))
    base, summary = f"nn.{program.modules[0].type}", f"{', '.join(kinds) or 'A network'}."
    used = [key for key in _IMPORTS if re.search(rf"\b{key}\.", f"{base} {body}")]
    groups = ([key for key in used if (key in _STANDARD) == standard] for standard in (True, False))
    imports = "\n\n".join("\n".join(map(_IMPORTS.__getitem__, group)) for group in groups if group)
    return _HEAD.format(name=name, base=base, imports=imports, summary=summary, body=body)


def is_attribute(name: str) -> bool:
    """Return whether an attribute can be written as ``.name``."""
    return name.isidentifier() and not iskeyword(name)


class _Writer:
    """Writes the body of the class of a program."""

    def __init__(self, program: Program, graph: NetGraph) -> None:
        self.program, self.graph = program, graph
        self.modules = {module.name: module for module in program.modules}
        self.children: dict[str, list[ModuleSpec]] = defaultdict(list)
        for module in program.modules[1:]:
            self.children[module.name.rpartition(".")[0]].append(module)

    def lines(self) -> Iterator[str]:
        """Write the modules, the tensors that no constructor makes, and ``forward`` unless the base class has it."""
        root = self.program.modules[0]
        opening, *rest = self._whole(root) or ["nn.Module()"]
        yield f"        super().__init__({opening.partition('(')[2]}"
        yield from (f"        {line}" for line in rest)
        if not self._whole(root):
            yield from (f"        {line}" for line in self._modules())
        for tensor in self.program.tensors:
            yield from (f"        {line}" for line in self._tensor(tensor))
        if not self._whole(root):
            yield from self._forward()

    def _modules(self) -> Iterator[str]:
        inside: tuple[str, ...] = ()
        for module in self.program.modules[1:]:
            if module.name.startswith(inside):
                continue
            lines = self._whole(module)
            if len(lines) > 1:
                inside = (*inside, f"{module.name}.")
            elif module.alias is not None:
                lines = [self.path(module.alias)]
            before, after = self._place(module.name)
            first, *rest = lines or [constructor(module.type, module.kwargs)]
            yield from [before + first, *rest[:-1], rest[-1] + after] if rest else [before + first + after]

    def _whole(self, module: ModuleSpec) -> list[str]:
        """Write a layer, or a ``Sequential`` with all that is in it, as one expression; nothing for any other."""
        if module.type in ENTRIES or module.alias is not None:
            return [constructor(module.type, module.kwargs)] if module.alias is None else []
        children = self.children[module.name] if module.type == "Sequential" and self._listed(module.name) else []
        written = [self._whole(child) for child in children]
        if not written or not all(written):
            return []
        inner = [line for lines in written for line in [*lines[:-1], f"{lines[-1]},"]]
        return ["nn.Sequential(", *(f"    {line}" for line in inner), ")"]

    def _listed(self, name: str) -> bool:
        """Return whether a module's own are numbered from 0 on, so that they are appended and read by number."""
        steps = [child.name.rpartition(".")[2] for child in self.children[name]]
        return self.modules[name].type in ("Sequential", "ModuleList") and steps == list(map(str, range(len(steps))))

    def _place(self, full: str) -> tuple[str, str]:
        """Write the statement that assigns a module, before and behind the module."""
        owner, _, name = full.rpartition(".")
        path = self.path(owner)
        if self._listed(owner):
            return f"{path}.append(", ")"
        if self.modules[owner].type == "ModuleDict":
            return f"{path}[{name!r}] = ", ""
        return (f"{path}.{name} = ", "") if is_attribute(name) else (f"{path}.add_module({name!r}, ", ")")

    def _tensor(self, tensor: NamedTensorSpec) -> Iterator[str]:
        """Write a tensor that no constructor makes, the differences from one that a constructor makes, and ties."""
        full, *others = tensor.names
        owner = self.modules.get(full.rpartition(".")[0])
        if owner is not None and owner.type not in ENTRIES:
            yield self._new(tensor)
        else:
            if not tensor.trainable and tensor.kind == "parameter":
                yield f"{self.path(full)}.requires_grad_(False)"
            if tensor.dtype != ("int64" if full.endswith("num_batches_tracked") else "float32"):
                yield f"{self.path(full)}.data = {self.path(full)}.data.to(torch.{tensor.dtype})"
        for other in others:
            inside, _, name = other.rpartition(".")
            yield f"{self.path(inside)}.{name} = {self.path(full)}"

    def _new(self, tensor: NamedTensorSpec) -> str:
        inside, _, name = tensor.names[0].rpartition(".")
        owner, value = self.path(inside), f"torch.empty({tensor.shape}, dtype=torch.{tensor.dtype})"
        if tensor.kind == "parameter":
            value = f"nn.Parameter({value}{'' if tensor.trainable else ', requires_grad=False'})"
            named = name.isidentifier()
            return f"{owner}.{name} = {value}" if named else f"{owner}.register_parameter({name!r}, {value})"
        if tensor.kind == "constant" or not tensor.persistent:  # in no ``state_dict``
            numbers = self.graph.tensor(tensor)
            value = f"torch.tensor({_plain(numbers.tolist())}, dtype={numbers.dtype})"
        if tensor.kind == "constant":
            return f"{owner}.{name} = {value}"
        return f'{owner}.register_buffer("{name}", {value}{"" if tensor.persistent else ", persistent=False"})'

    def path(self, name: str) -> str:
        """Write the way to a module or a tensor."""
        code, so_far = "self", ""
        for step in name.split(".") if name else ():
            owner = self.modules.get(so_far)
            if owner is not None and step.isdigit() and self._listed(so_far):
                code = f"{code}[{step}]"
            elif owner is not None and owner.type == "ModuleDict":
                code = f"{code}[{step!r}]"
            else:
                code = f"{code}.{step}" if is_attribute(step) else f"getattr({code}, {step!r})"
            so_far = f"{so_far}.{step}".lstrip(".")
        return code

    def _forward(self) -> Iterator[str]:
        """Write ``forward``, in two methods where training differs in more than flags."""
        names, held = [_free(name) for name in self.program.inputs], decode(self.program.held, {})
        # A held value is the default of an input that only held ones follow.
        tails = [set(self.program.inputs[i:]) <= held.keys() for i in range(len(names))]
        parameters = [
            f"{name}={held[key]!r}" if tail else name
            for name, key, tail in zip(names, self.program.inputs, tails, strict=True)
        ]
        yield ""
        yield f"    def forward({', '.join(['self', *parameters])}):"
        yield from self._refusals()
        if self.program.train_calls is not None:
            yield "        if self.training:"
            yield f"            return self.forward_in_training({', '.join(names)})"
        yield from self._calls(self.program.calls)
        if self.program.train_calls is not None:
            yield ""
            yield f"    def forward_in_training({', '.join(['self', *names])}):"
            yield from self._calls(self.program.train_calls)

    def _refusals(self) -> Iterator[str]:
        """Write the checks of inputs for which the network was not traced."""
        for name, value in decode(self.program.held, {}).items():
            unlike = "is not" if value is None or isinstance(value, bool) else "!="
            yield f"        if {_free(name)} {unlike} {value!r}:"
            yield f"            raise ValueError({f'{name}: the network was traced for {value!r}'!r})"
        for name, sizes in zip(map(_free, self.program.inputs), self.program.fixed, strict=False):
            fixed = [f"{name}.shape[{i}] != {n}" for i, n in enumerate(sizes or ()) if n is not None]
            if sizes is not None and fixed:
                expected = ", ".join("any" if n is None else str(n) for n in sizes)
                yield f"        if {' or '.join([f'{name}.ndim != {len(sizes)}', *fixed])}:"
                yield f'            raise ValueError("{name}: the network was traced for [{expected}]")'

    def _calls(self, calls: CallGraph) -> Iterator[str]:
        names: list[str] = []
        expression, whole = Expression(self.path, names), self._called_whole(calls)
        while len(names) < len(calls.nodes):
            node = calls.nodes[len(names)]
            length, owner = whole.get(len(names), (1, ""))
            name = _free(node.target if node.op == "input" else calls.nodes[len(names) + length - 1].name)
            if owner:
                yield f"        {name} = {self.path(owner)}({expression(node.args[1])})"
            elif node.op != "input":
                yield f"        {name} = {expression.call(node)}"
            names += [name] * length
        yield f"        return {expression(calls.output)}"

    def _called_whole(self, calls: CallGraph) -> dict[int, tuple[int, str]]:
        """Find the nodes that are the call of one ``Sequential``: first node -> (how many they are, its name)."""
        found: dict[int, tuple[int, str]] = {}
        taken: set[int] = set()
        readers = Counter(i for node in calls.nodes for i in references((node.args, node.kwargs)))
        readers.update(references(calls.output))
        for module in self.program.modules[1:]:
            whole = module.type == "Sequential" and bool(self._whole(module))
            inside = [inner for inner in self.program.modules if whole and inner.name.startswith(f"{module.name}.")]
            layers = [inner.name for inner in inside if inner.type in ENTRIES]
            for start in range(len(calls.nodes) if layers else 0):
                nodes = calls.nodes[start : start + len(layers)]
                if start not in taken and [n.target for n in nodes] == layers and _is_chain(nodes, start, readers):
                    found[start] = (len(layers), module.name)
                    taken.update(range(start, start + len(layers)))
        return found


def _is_chain(nodes: Sequence[GraphNode], start: int, readers: Counter[int]) -> bool:
    """Return whether each node calls a module on nothing but the value of the one before, which no other reads."""
    calls = all(node.op == "module" and len(node.args) == 2 and len(node.kwargs) == 1 for node in nodes)
    linked = all(node.args[1] == ("node", start + i) for i, node in enumerate(nodes[1:]))
    return calls and linked and all(readers[start + i] == 1 for i in range(len(nodes) - 1))


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

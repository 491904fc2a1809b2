"""The Python that runs a found network with torch alone."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from textwrap import fill

from netgraph.graph.architecture import Architecture, Layer

#: Largest magnitude of a standardized value.
LARGEST = 1e300
#: Longest line of the docstring, and most operands of a join on one line.
_WIDTH, _OPERANDS = 120, 10

_SOURCE = '''"""{summary}

    from {stem} import load
    predicted = load()(x).detach()  # x: a float64 tensor, [rows, {features}]; predicted: {predicted}
"""

import hashlib
import json
from pathlib import Path

import torch
from torch import Tensor, nn

SHA256 = "{sha256}"


class Network(nn.Module):
    """Standardizes the columns{far}, runs the layers and gives the target in its own unit, all in float64.

    Predictions stay between ``least`` and ``most``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros({features}))
        self.register_buffer("scale", torch.ones({features}))
        self.register_buffer("center", torch.zeros(()))
        self.register_buffer("spread", torch.ones(()))
        self.register_buffer("least", torch.full((), -torch.inf))
        self.register_buffer("most", torch.full((), torch.inf))
{modules}        self.double()

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] != {features}:
            raise ValueError(f"x has {{x.shape[-1]}} columns, the network reads {features}")
        x = (x.to(self.shift.dtype) / 4 - self.shift / 4) / (self.scale / 4)  # no difference overflows
        x = x.clamp(-{largest}, {largest})
{calls}        return (self.center + self.spread * {output}).clamp(self.least, self.most)


def load(path: str | Path | None = None) -> Network:
    """Give the network in evaluation mode, with the weights beside this file or at a path."""
    path = Path(path or Path(__file__).with_suffix(".safetensors"))
    content = bytearray(path.read_bytes())
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise ValueError(f"{{path}}: damaged, or not the weights that were written with {{Path(__file__).name}}")
    start = 8 + int.from_bytes(content[:8], "little")
    dtypes = {{"F64": torch.float64, "I64": torch.int64}}
    weights = {{}}
    for name, entry in json.loads(content[8:start]).items():
        first, last = entry["data_offsets"]
        values = torch.frombuffer(content[start + first : start + last], dtype=dtypes[entry["dtype"]])
        weights[name] = values.reshape(entry["shape"])
    network = Network()
    network.load_state_dict(weights)
    return network.eval()
'''


def module_names(architecture: Architecture) -> dict[int, str]:
    """Give the name of the module of each layer that has one, by its position in the layer table."""
    return {position: name for step in _steps(architecture) for position, name in _named(step)}


def python_of(
    architecture: Architecture,
    stem: str,
    sha256: str,
    features: Sequence[str] | None = None,
    target: str | None = None,
    tail: float = math.inf,
) -> str:
    """Write the Python that runs a network.

    Args:
        architecture: Of the network, feed-forward.
        stem: Name of its files.
        sha256: Of its weights, under the names that :func:`module_names` gives.
        features: Names of the columns.
        target: Name of the target.
        tail: See :func:`~netgraph.tasks.compressed`.
    """
    steps, several = _steps(architecture), architecture.n_outputs > 1
    output = steps[-1].value if steps else "x"
    compression = f"x = x.clamp(-{tail}, {tail}) + x.sign() * (x.abs() - {tail}).clamp(min=0).log1p()"
    calls = [line for step in steps for line in _call(architecture, step)]
    return _SOURCE.format(
        summary=_summary(architecture, stem, features, target),
        stem=stem,
        sha256=sha256,
        largest=f"{LARGEST:.0e}".replace("+", ""),
        features=architecture.n_inputs,
        far=f", of which what lies beyond {tail:g} deviations counts logarithmically" if tail < math.inf else "",
        predicted=f"[rows, {architecture.n_outputs}]" if several else "[rows]",
        modules=_body(line for step in steps if step.module for line in _construction(architecture, step)),
        calls=_body([compression, *calls] if tail < math.inf else calls),
        output=output if several else f"{output}[..., 0]",
    )


@dataclass(frozen=True)
class _Step:
    """A line of ``forward``: a join, or layers that run one after the other.

    Attributes:
        layers: Their positions in the layer table.
        module: Attribute that holds the layers' module; empty for a join.
        operands: Variables that are read.
        value: Variable for what comes out.
    """

    layers: tuple[int, ...]
    module: str
    operands: tuple[str, ...]
    value: str


def _steps(architecture: Architecture) -> list[_Step]:
    runs, values = _runs(architecture), {0: "x"}
    steps: list[_Step] = []
    for number, run in enumerate(runs, 1):
        first = architecture.layers[run[0]]
        module = "layers" if len(runs) == 1 else f"block{number}"
        value = "y" if number == len(runs) else f"h{number}"
        operands = tuple(values[i] for i in first.inputs)
        steps.append(_Step(tuple(run), module if first.kind.module else "", operands, value))
        values[run[-1]] = value
    return steps


def _runs(architecture: Architecture) -> list[list[int]]:
    """Split what follows the input into joins and chains of modules, in an order in which they can run."""
    readers = Counter(i for layer in architecture.layers for i in layer.inputs)
    runs: list[list[int]] = []
    open_runs: dict[int, list[int]] = {}
    for position, layer in enumerate(architecture.layers[1:], 1):
        source, is_module = layer.inputs[0], layer.kind.module is not None
        if is_module and readers[source] == 1 and source in open_runs:
            run = open_runs.pop(source)
        else:
            runs.append(run := [])
        run.append(position)
        if is_module:
            open_runs[position] = run
    return runs


def _named(step: _Step) -> Iterator[tuple[int, str]]:
    """Give the position of each layer and the name of its module."""
    for i, position in enumerate(step.layers):
        yield position, f"{step.module}.{i}" if len(step.layers) > 1 else step.module


def _summary(architecture: Architecture, stem: str, features: Sequence[str] | None, target: str | None) -> str:
    predicted = _readable(target or "") or "the target"
    known = ", ".join(_readable(name) for name in (() if features is None else features))
    paragraphs = [
        f"Predicts {predicted} with a network that netgraph found; torch is all it needs.",
        f"Layers: {architecture}; their weights are in {stem}.safetensors.",
        f"Columns, in their own units: {known}." if known else "Columns, in their own units, as in training.",
    ]
    wrapped = [fill(text, _WIDTH, break_on_hyphens=False) for text in paragraphs]
    return f"{wrapped[0]}\n\n" + "\n".join(wrapped[1:])


def _readable(name: str) -> str:
    """Take out of a name what would end a docstring, or not be seen in it."""
    plain = str(name).replace('"', "'").replace("\\", "/")
    return " ".join("".join(sign if sign.isprintable() else " " for sign in plain).split())


def _body(lines: Iterable[str]) -> str:
    return "".join(f"        {line}\n" for line in lines)


def _construction(architecture: Architecture, step: _Step) -> Iterator[str]:
    made = [_constructor(architecture, architecture.layers[i]) for i in step.layers]
    if len(made) == 1:
        yield f"self.{step.module} = {made[0]}"
        return
    yield f"self.{step.module} = nn.Sequential("
    yield from (f"    {one}," for one in made)
    yield ")"


def _constructor(architecture: Architecture, layer: Layer) -> str:
    sizes = {"linear": [architecture.layers[layer.inputs[0]].size, layer.size], "norm": [layer.size]}
    arguments = [str(size) for size in sizes.get(layer.kind.kind, [])]
    for hyper in layer.kind.hyper:
        value = hyper.decode(hyper.encode(layer.hyper_parameters[hyper.name]))
        if value != hyper.default:
            written = json.dumps(value) if isinstance(value, str) else repr(value)
            arguments.append(f"{hyper.name}={written}")
    return f"nn.{layer.type}({', '.join(arguments)})"


def _call(architecture: Architecture, step: _Step) -> Iterator[str]:
    value, operands = step.value, step.operands
    if step.module:
        yield f"{value} = self.{step.module}({operands[0]})"
        return
    is_sum = architecture.layers[step.layers[0]].type == "Add"
    for first in range(0, len(operands), _OPERANDS):
        joined = [value] * (first > 0) + list(operands[first : first + _OPERANDS])
        yield f"{value} = " + (" + ".join(joined) if is_sum else f"torch.cat([{', '.join(joined)}], dim=-1)")

"""A found network as two files that need torch alone: its weights, and the Python that runs them."""

import hashlib
import json
import math
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from keyword import iskeyword
from pathlib import Path
from textwrap import fill

import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.files import make_folder, write_atomically
from netgraph.graph.architecture import Architecture, Layer
from netgraph.graph.netgraph import NetGraph

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
    """Standardizes the columns, runs the layers and gives the target in its own unit, all in float64."""

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
        x = (x.to(self.shift.dtype) - self.shift) / self.scale
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


def export_network(
    graph: NetGraph,
    path: str | Path,
    *,
    shift: Tensor,
    scale: Tensor,
    center: float = 0.0,
    spread: float = 1.0,
    least: float = -math.inf,
    most: float = math.inf,
    tail: float = math.inf,
    features: Sequence[str] | None = None,
    target: str | None = None,
) -> tuple[Path, Path]:
    """Write a network as safetensors and a small Python file that rebuilds it with torch alone.

    The Python file has a plain module ``Network``, and ``load()``, which gives it with its weights in evaluation mode.
    The module computes ``center + spread * network((x - shift) / scale)`` in float64: of x, [rows, features], the
    target, [rows], or [rows, outputs] where the network has several outputs. What the network reads counts
    logarithmically beyond ``tail``. The weights are written first; the Python file holds their sha256 and refuses any
    others.

    Args:
        graph: A feed-forward network.
        path: Where to write, without a suffix; ``.py`` and ``.safetensors`` are dropped. Missing folders are made. The
            files of an earlier export are overwritten, and stay where writing fails.
        shift: What is subtracted from each column, [features].
        scale: What each is divided by then, [features].
        center: The target where the network gives 0.
        spread: The change of the target where the network's output changes by 1.
        least: The least target that the module gives.
        most: The largest.
        tail: See :func:`~netgraph.search.preprocess.compressed`.
        features: Names of the columns, for the reader of the Python file.
        target: Name of the target, likewise.

    Returns:
        The paths of the weights and of the Python file.

    Raises:
        NetGraphError: When the network is not feed-forward, Python could not import a file of that name, or the
            tensors or names do not fit the network.
        StoreError: When the folder cannot be written to or the disk is full.
    """
    weights, script = _paths(Path(path))
    _check(graph, script, shift, scale, features)
    steps = _steps(graph.architecture)
    scaling = {"shift": shift, "scale": scale, "center": center, "spread": spread, "least": least, "most": most}
    wide = {name: torch.as_tensor(value, dtype=torch.float64) for name, value in scaling.items()}
    payload = _encode(wide | _state(graph, steps))
    summary = _summary(graph.architecture, script.stem, features, target)
    sha256 = hashlib.sha256(payload).hexdigest()
    source = _source(graph.architecture, steps, script.stem, summary, sha256, len(shift), tail)
    make_folder(script.parent)
    with _kept(weights):
        write_atomically(weights, payload)
        write_atomically(script, source.encode())
    return weights, script


def _paths(path: Path) -> tuple[Path, Path]:
    stem = path.stem if path.suffix in (".py", ".safetensors") else path.name
    if not stem.isidentifier() or iskeyword(stem) or stem in {"torch", *sys.stdlib_module_names}:
        raise NetGraphError(f"{path}: Python could not import a file called {stem!r}, give it another name")
    return path.with_name(f"{stem}.safetensors"), path.with_name(f"{stem}.py")


def _check(graph: NetGraph, script: Path, shift: Tensor, scale: Tensor, features: Sequence[str] | None) -> None:
    if graph.program is not None:
        raise NetGraphError(f"{script}: only a feed-forward network can be exported; to_source writes any other")
    graph.validate()
    n_inputs = graph.architecture.n_inputs
    if shift.shape != (n_inputs,) or scale.shape != (n_inputs,):
        found = f"shift {list(shift.shape)} and scale {list(scale.shape)}"
        raise NetGraphError(f"{script}: {found} are not [{n_inputs}]")
    if features is not None and len(features) != len(shift):
        raise NetGraphError(f"{script}: {len(features)} names for {len(shift)} features")


@contextmanager
def _kept(path: Path) -> Iterator[None]:
    """Keep a file beside the one that replaces it until the block is through; put it back where that fails."""
    kept = path.with_name(f".{path.name}.previous")
    if path.is_file():
        write_atomically(kept, path.read_bytes())
    try:
        yield
    except BaseException:
        if kept.exists():
            os.replace(kept, path)
        raise
    kept.unlink(missing_ok=True)


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


def _state(graph: NetGraph, steps: Iterable[_Step]) -> dict[str, Tensor]:
    names = {position: name for step in steps for position, name in _named(step)}
    state = {}
    for one in graph.architecture.tensors:
        tensor = graph.tensor(one)
        state[f"{names[one.layer]}.{one.slot.name}"] = tensor.long() if one.slot.kind == "count" else tensor.double()
    return state


def _named(step: _Step) -> Iterator[tuple[int, str]]:
    """Give the position of each layer and the name of its module."""
    for i, position in enumerate(step.layers):
        yield position, f"{step.module}.{i}" if len(step.layers) > 1 else step.module


def _encode(tensors: Mapping[str, Tensor]) -> bytes:
    from safetensors.torch import save

    own = {name: one.detach().cpu().clone(memory_format=torch.contiguous_format) for name, one in tensors.items()}
    return bytes(save(own))


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


def _source(
    architecture: Architecture,
    steps: Sequence[_Step],
    stem: str,
    summary: str,
    sha256: str,
    features: int,
    tail: float,
) -> str:
    output, several = steps[-1].value if steps else "x", architecture.n_outputs > 1
    compression = f"x = x.clamp(-{tail}, {tail}) + x.sign() * (x.abs() - {tail}).clamp(min=0).log1p()"
    calls = [line for step in steps for line in _call(architecture, step)]
    return _SOURCE.format(
        summary=summary,
        stem=stem,
        sha256=sha256,
        features=features,
        predicted=f"[rows, {architecture.n_outputs}]" if several else "[rows]",
        modules=_body(line for step in steps if step.module for line in _construction(architecture, step)),
        calls=_body([compression, *calls] if tail < math.inf else calls),
        output=output if several else f"{output}[..., 0]",
    )


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

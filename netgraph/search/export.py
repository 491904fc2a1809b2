"""A found network as two files that need torch alone: its weights, and the Python that runs them."""

import copy
import hashlib
import sys
from collections.abc import Sequence
from keyword import iskeyword
from pathlib import Path
from textwrap import fill

import torch

from netgraph.errors import NetGraphError
from netgraph.files import make_folder, write_atomically
from netgraph.graph.from_module import from_module
from netgraph.graph.modules.source import to_source
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.to_module import to_module
from netgraph.outputs import replacing
from netgraph.search.preprocess import Preprocessing

_DOCSTRING = '''"""{summary}

    from {stem} import load
    prediction = load()(x).detach()  # x: a float64 tensor, [rows, {features}]; prediction: [rows]
"""

import hashlib
import json
from pathlib import Path

'''
_LOAD = '''

SHA256 = "{sha256}"


def load(path: str | Path | None = None) -> Network:
    """Return the network in evaluation mode, in float64, with the weights beside this file or at a path."""
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
    network = Network().double()
    network.load_state_dict(weights)
    return network.eval()
'''


def export_network(
    graph: NetGraph,
    preprocessing: Preprocessing,
    path: str | Path,
    features: Sequence[str] | None = None,
    target: str | None = None,
) -> tuple[Path, Path]:
    """Write a network, with the maps of columns and target around it, as safetensors and a small Python file.

    The Python file has a plain module ``Network``, and ``load()``, which returns it with its weights in evaluation
    mode: from columns, [rows, features] float64, to the target, [rows]. It refuses weights of another sha256.

    Args:
        graph: A feed-forward network with one output.
        preprocessing: The maps.
        path: Path without a suffix; ``.py`` and ``.safetensors`` are dropped. Missing folders are made. The files of an
            earlier export are overwritten, and stay where writing fails.
        features: Names of the columns, for the reader of the Python file.
        target: Name of the target.

    Returns:
        The paths of the weights and of the Python file.

    Raises:
        NetGraphError: When the network is not feed-forward, Python could not import a file of that name, or the number
            of names is not that of the columns.
        StoreError: When the folder cannot be written to or the disk is full.
    """
    from safetensors.torch import save

    path = Path(path)
    stem = path.stem if path.suffix in (".py", ".safetensors") else path.name
    if not stem.isidentifier() or iskeyword(stem) or stem in {"torch", *sys.stdlib_module_names}:
        raise NetGraphError(f"{path}: Python could not import a file called {stem!r}, give it another name")
    weights, script = path.with_name(f"{stem}.safetensors"), path.with_name(f"{stem}.py")
    columns = len(preprocessing.standardize.shift)
    if graph.program is not None or (graph.architecture.n_inputs, graph.architecture.n_outputs) != (columns, 1):
        raise NetGraphError(f"{script}: the network is no feed-forward one of {columns} inputs and 1 output")
    if features is not None and len(features) != columns:
        raise NetGraphError(f"{script}: {len(features)} names for {columns} features")
    graph.validate()
    exact = preprocessing.pipeline(to_module(graph.replace(state=graph.state.double())))
    payload = save({name: tensor.clone() for name, tensor in exact.state_dict().items()})
    summary = _summary(graph, stem, features, target)
    source = _DOCSTRING.format(summary=summary, stem=stem, features=columns) + _class(graph, preprocessing)
    source += _LOAD.format(sha256=hashlib.sha256(payload).hexdigest())
    make_folder(script.parent)
    with replacing([weights, script]):
        write_atomically(weights, payload)
        write_atomically(script, source.encode())
    return weights, script


def _class(graph: NetGraph, preprocessing: Preprocessing) -> str:
    """Return the source of the class, traced in float32, so that no dtype is spelled out."""
    pipeline = copy.deepcopy(preprocessing).pipeline(to_module(graph)).float()
    source = to_source(from_module(pipeline, torch.zeros(2, graph.architecture.n_inputs)))
    return source[source.index("import torch") :].rstrip("\n") + "\n"


def _summary(graph: NetGraph, stem: str, features: Sequence[str] | None, target: str | None) -> str:
    names = ", ".join(_printable(name) for name in (() if features is None else features))
    paragraphs = [
        f"Predicts {_printable(target or 'the target')} with a network that netgraph found; torch is all it needs.",
        f"Layers: {graph.architecture}; their weights are in {stem}.safetensors.",
        f"Columns, in their own units: {names or 'as in training'}.",
    ]
    wrapped = [fill(text, 120, break_on_hyphens=False) for text in paragraphs]
    return f"{wrapped[0]}\n\n" + "\n".join(wrapped[1:])


def _printable(name: str) -> str:
    """Return a name without the characters that would end a docstring, or not be seen in it."""
    plain = str(name).replace('"', "'").replace("\\", "/")
    return " ".join("".join(sign if sign.isprintable() else " " for sign in plain).split())

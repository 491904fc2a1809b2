"""A found network, with the maps of columns and target around it, as two files that need torch alone."""

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
from netgraph.outputs import check_outputs, replacing
from netgraph.search.preprocess import Preprocessing

_HEAD = '''"""{docstring}
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
    network.register_forward_pre_hook(check_columns)
    return network.eval()


def check_columns(network: Network, inputs: tuple[torch.Tensor, ...]) -> None:
    """Raise an error where the input has another number of columns; one would be broadcast."""
    if inputs[0].shape[-1] != {columns}:
        raise ValueError(f"x has {{inputs[0].shape[-1]}} columns, the network reads {columns}")
'''


def export_network(
    graph: NetGraph,
    preprocessing: Preprocessing,
    path: str | Path,
    features: Sequence[str] | None = None,
    target: str | None = None,
) -> tuple[Path, Path]:
    """Write a network as safetensors and Python, from columns, [rows, features] float64, to the target, [rows].

    The Python file has the module ``Network``, and ``load()``, which returns it in evaluation mode and in float64. It
    holds the sha256 of the weights and refuses others.

    Args:
        graph: A feed-forward network with one output.
        preprocessing: The maps from columns to its inputs, and from its output to the target.
        path: Path without a suffix; ``.py`` and ``.safetensors`` are dropped. Missing folders are made; the files of an
            earlier export are overwritten, and stay where writing fails.
        features: Names of the columns, for the reader of the Python file.
        target: Name of the target.

    Returns:
        The paths of the weights and of the Python file.

    Raises:
        NetGraphError: When the network does not read the columns, Python could not import a file of that name, or the
            number of names is not that of the columns.
        StoreError: When the folder cannot be written to or the disk is full.
    """
    from safetensors.torch import save

    path = Path(path)
    stem = path.stem if path.suffix in (".py", ".safetensors") else path.name
    if not stem.isidentifier() or iskeyword(stem) or stem in {"torch", *sys.stdlib_module_names}:
        raise NetGraphError(f"{path}: Python could not import a file called {stem!r}, give it another name")
    weights, script = path.with_name(f"{stem}.safetensors"), path.with_name(f"{stem}.py")
    columns, outputs = len(preprocessing.standardize.shift), preprocessing.rescale.n_outputs
    if graph.program is not None or (graph.architecture.n_inputs, graph.architecture.n_outputs) != (columns, outputs):
        counts = f"{columns} inputs and {outputs} output{'s' * (outputs != 1)}"
        raise NetGraphError(f"{script}: the network is no feed-forward one of {counts}")
    if features is not None and len(features) != columns:
        raise NetGraphError(f"{script}: {len(features)} names for {columns} features")
    module = preprocessing.pipeline(to_module(graph.replace(state=graph.state.double())))
    payload = save({name: tensor.clone() for name, tensor in module.state_dict().items()})
    # Traced in float32, so that no dtype is spelled out.
    source = to_source(from_module(copy.deepcopy(module).float(), torch.zeros(2, columns)))
    head = _HEAD.format(docstring=_docstring(graph, stem, columns, features, target))
    load = _LOAD.format(sha256=hashlib.sha256(payload).hexdigest(), columns=columns)
    source = f"{head}{source[source.index('import torch') :].rstrip()}\n{load}"
    check_outputs((weights, script), overwrite=True)
    make_folder(script.parent)
    with replacing([weights, script]):
        write_atomically(weights, payload)
        write_atomically(script, source.encode())
    return weights, script


def _docstring(graph: NetGraph, stem: str, columns: int, features: Sequence[str] | None, target: str | None) -> str:
    names = ", ".join(map(_printable, features if features is not None else ["as in training"]))
    paragraphs = [
        f"Predicts {_printable(target or 'the target')} with a network that netgraph found; torch is all it needs.",
        f"Layers: {graph.architecture}; their weights are in {stem}.safetensors.",
        f"Columns, in their own units: {names}.",
        f"    from {stem} import load",
    ]
    text = "\n\n".join(fill(paragraph, 120, break_on_hyphens=False) for paragraph in paragraphs)
    return text + f"\n    prediction = load()(x).detach()  # x: a float64 tensor, [rows, {columns}]; prediction: [rows]"


def _printable(name: str) -> str:
    """Return a name without the characters that would end a docstring, or not be seen in it."""
    plain = str(name).replace('"', "'").replace("\\", "/")
    return " ".join("".join(sign if sign.isprintable() else " " for sign in plain).split())

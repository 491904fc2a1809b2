"""A found network, with the maps of columns and targets around it, as two files that need torch and pandas alone."""

import copy
import hashlib
import sys
from collections.abc import Sequence
from keyword import iskeyword
from pathlib import Path
from typing import Any

import torch

from netgraph.errors import NetGraphError
from netgraph.files import make_folder, write_atomically
from netgraph.graph.modules.source import to_source
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.read_module import from_module
from netgraph.graph.write_module import to_module
from netgraph.outputs import check_outputs, replacing
from netgraph.search.columns import ColumnEncoder
from netgraph.search.preprocess import Preprocessing, Probabilities
from netgraph.search.script import Script


def export_network(
    graph: NetGraph,
    preprocessing: Preprocessing,
    path: str | Path,
    encoder: ColumnEncoder | None = None,
    target: str | Sequence[str] | None = None,
    classes: Sequence[Any] | None = None,
    features: Sequence[str] | None = None,
) -> tuple[Path, Path]:
    """Write a network as safetensors and Python, from raw columns, [rows, columns], to the target, [rows].

    The Python file has the module ``Network``, and ``load()``, which returns it in evaluation mode and in float64, for
    a DataFrame, whose columns it finds by name, or an array or tensor. As a command it predicts the rows of a CSV file.
    It holds the sha256 of the weights and refuses others. Where all columns are plain numbers, torch alone runs it.

    Args:
        graph: A feed-forward network.
        preprocessing: The maps from encoded columns to its inputs, and from its outputs to the target.
        path: Path without a suffix; ``.py`` and ``.safetensors`` are dropped. Missing folders are made; the files of an
            earlier export are overwritten, and stay where writing fails.
        encoder: The encoder of raw columns; None where all of them are plain numbers.
        target: Name of the target, or of each of several.
        classes: The classes, in the order of their probabilities; numbered from 0 when None.
        features: Names of the raw columns, where the encoder saw none.

    Returns:
        The paths of the weights and of the Python file.

    Raises:
        NetGraphError: When the network does not read the columns, Python could not import a file of that name, or the
            number of names is not that of columns, targets or classes.
        StoreError: When the folder cannot be written to or the disk is full.
    """
    from safetensors.torch import save

    path = Path(path)
    stem = path.stem if path.suffix in (".py", ".safetensors") else path.name
    if not stem.isidentifier() or iskeyword(stem) or stem in {"torch", "pandas", "numpy", *sys.stdlib_module_names}:
        raise NetGraphError(f"{path}: Python could not import a file called {stem!r}, give it another name")
    weights, script = path.with_name(f"{stem}.safetensors"), path.with_name(f"{stem}.py")
    columns, outputs = len(preprocessing.standardize.shift), preprocessing.rescale.n_outputs
    if graph.program is not None or (graph.architecture.n_inputs, graph.architecture.n_outputs) != (columns, outputs):
        counts = f"{columns} inputs and {outputs} output{'s' * (outputs != 1)}"
        raise NetGraphError(f"{script}: the network is no feed-forward one of {counts}")
    if classes is None and isinstance(preprocessing.rescale, Probabilities):
        classes = range(outputs)
    if classes is not None and len(classes) != outputs:
        raise NetGraphError(f"{script}: {len(classes)} classes for {outputs} outputs")
    record, layers = _record(script, encoder, features, preprocessing), str(graph.architecture)
    targets = _names(script, outputs if classes is None else 1, target)
    module = preprocessing.pipeline(to_module(graph.replace(state=graph.state.double())))
    payload = save({name: tensor.clone() for name, tensor in module.state_dict().items()})
    # Traced in float32, so that no dtype is spelled out.
    source = to_source(from_module(copy.deepcopy(module).float(), torch.zeros(2, columns)))
    sha256 = hashlib.sha256(payload).hexdigest()
    text = Script(record, targets, classes).source(source[source.index("import torch") :], stem, layers, sha256)
    check_outputs((weights, script), overwrite=True)
    make_folder(script.parent)
    with replacing([weights, script]):
        write_atomically(weights, payload)
        write_atomically(script, text.encode())
    return weights, script


def _record(
    script: Path, encoder: ColumnEncoder | None, features: Sequence[str] | None, preprocessing: Preprocessing
) -> dict[str, Any]:
    """Return the record of the columns; without an encoder, of plain numbers, with means for missing values."""
    means = preprocessing.standardize.shift.tolist()
    if encoder is None:
        plain = {"kind": "number", "decimal": ".", "signs": False, "words": []}
        encoded = [plain | {"raw": i, "fill": mean} for i, mean in enumerate(means)]
        record: dict[str, Any] = {"names": None, "index": [], "n_columns": len(means), "encoded": encoded}
    else:
        record = encoder.record()
    if len(record["encoded"]) != len(means):
        raise NetGraphError(f"{script}: {len(record['encoded'])} encoded columns for {len(means)} inputs")
    if features is None:
        return record
    if len(features) != record["n_columns"]:
        raise NetGraphError(f"{script}: {len(features)} names for {record['n_columns']} features")
    return record | {"names": [str(name) for name in features]}


def _names(script: Path, count: int, target: str | Sequence[str] | None) -> list[str]:
    """Return the names of the targets."""
    if target is None:
        return ["prediction"] if count == 1 else [f"prediction {i}" for i in range(count)]
    names = [target] if isinstance(target, str) else [str(name) for name in target]
    if len(names) != count:
        raise NetGraphError(f"{script}: {len(names)} names for {count} targets")
    return names

"""A found network, with the maps of columns and target around it, as two files that need torch alone."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

import torch

from netgraph.errors import NetGraphError
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.standalone import standalone_paths, write_standalone
from netgraph.graph.to_module import to_module
from netgraph.search.preprocess import Preprocessing


def export_network(
    graph: NetGraph,
    preprocessing: Preprocessing,
    path: str | Path,
    features: Sequence[str] | None = None,
    target: str | None = None,
) -> tuple[Path, Path]:
    """Write a network as safetensors and Python, from columns, [rows, features] float64, to the target, [rows].

    Args:
        graph: A feed-forward network with one output.
        preprocessing: The maps from columns to its inputs, and from its output to the target.
        path: Path without a suffix, see :func:`~netgraph.graph.standalone.write_standalone`.
        features: Names of the columns, for the reader of the Python file.
        target: Name of the target.

    Returns:
        The paths of the weights and of the Python file.

    Raises:
        NetGraphError: When the network does not read the columns, Python could not import a file of that name, or the
            number of names is not that of the columns.
        StoreError: When the folder cannot be written to or the disk is full.
    """
    script, columns = standalone_paths(path)[1], len(preprocessing.standardize.shift)
    if graph.program is not None or (graph.architecture.n_inputs, graph.architecture.n_outputs) != (columns, 1):
        raise NetGraphError(f"{script}: the network is no feed-forward one of {columns} inputs and 1 output")
    if features is not None and len(features) != columns:
        raise NetGraphError(f"{script}: {len(features)} names for {columns} features")
    graph.validate()
    names = ", ".join(map(_printable, features if features is not None else ["as in training"]))
    paragraphs = [
        f"Predicts {_printable(target or 'the target')} with a network that netgraph found; torch is all it needs.",
        f"Layers: {graph.architecture}; their weights are in {script.stem}.safetensors.",
        f"Columns, in their own units: {names}.",
        f"    from {script.stem} import load",
    ]
    docstring = "\n\n".join(fill(text, 120, break_on_hyphens=False) for text in paragraphs)
    docstring += f"\n    prediction = load()(x).detach()  # x: a float64 tensor, [rows, {columns}]; prediction: [rows]"
    module = preprocessing.pipeline(to_module(graph.replace(state=graph.state.double())))
    return write_standalone(module, torch.zeros(2, columns), path, docstring)


def _printable(name: str) -> str:
    """Return a name without the characters that would end a docstring, or not be seen in it."""
    plain = str(name).replace('"', "'").replace("\\", "/")
    return " ".join("".join(sign if sign.isprintable() else " " for sign in plain).split())

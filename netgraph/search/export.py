"""A found network as two files that need torch alone: its weights, and the Python that runs them."""

import hashlib
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from keyword import iskeyword
from pathlib import Path

import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.files import make_folder, write_atomically
from netgraph.graph.netgraph import NetGraph
from netgraph.search.export_source import module_names, python_of


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
    The module computes ``center + spread * network(compressed((x - shift) / scale))`` in float64, and keeps it between
    ``least`` and ``most``: of x, [rows, features], the target, [rows], or [rows, outputs] where the network has several
    outputs. :func:`~netgraph.tasks.compressed` lets what lies beyond ``tail`` count logarithmically. The
    weights are written first; the Python file holds their sha256 and refuses any others.

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
        tail: Deviations beyond which a column counts logarithmically.
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
    scaling = {"shift": shift, "scale": scale, "center": center, "spread": spread, "least": least, "most": most}
    wide = {name: torch.as_tensor(value, dtype=torch.float64) for name, value in scaling.items()}
    payload = _encode(wide | _state(graph))
    sha256 = hashlib.sha256(payload).hexdigest()
    source = python_of(graph.architecture, script.stem, sha256, features, target, tail)
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


def _state(graph: NetGraph) -> dict[str, Tensor]:
    names, state = module_names(graph.architecture), {}
    for one in graph.architecture.tensors:
        tensor = graph.tensor(one)
        state[f"{names[one.layer]}.{one.slot.name}"] = tensor.long() if one.slot.kind == "count" else tensor.double()
    return state


def _encode(tensors: Mapping[str, Tensor]) -> bytes:
    from safetensors.torch import save

    own = {name: one.detach().cpu().clone(memory_format=torch.contiguous_format) for name, one in tensors.items()}
    return bytes(save(own))

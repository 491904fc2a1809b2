"""Arguments of the model, checked: networks, architectures, rows of a data set."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch_geometric.data import Data

from netgraph.errors import NetGraphError
from netgraph.graph import from_module
from netgraph.graph.architecture import Architecture
from netgraph.graph.netgraph import NetGraph, as_graph
from netgraph.graph.symmetry import canonicalize
from netgraph.model.coverage import Coverage

#: Values beyond it are those of no standardized data set.
LARGEST = 1e6


def as_canonical(networks: Any, coverage: Coverage) -> list[NetGraph]:
    """Return networks, graphs or modules, in canonical form.

    Raises:
        NetGraphError: When there is none, something is no network, a network is not covered, or a weight not finite.
    """
    if isinstance(networks, Data | nn.Module) or not isinstance(networks, Iterable):
        kind = type(networks).__name__
        raise NetGraphError(f"networks to encode: expected a list of graphs or modules, got {kind}; put it in a list")
    graphs = [_as_graph(network, f"network {i}") for i, network in enumerate(networks)]
    if not graphs:
        raise NetGraphError("no networks to encode")
    for i, graph in enumerate(graphs):
        coverage.check(graph.architecture, f"network {i}")
        if not graph.state.isfinite().all():
            raise NetGraphError(f"network {i}: a weight is not finite")
    return [canonicalize(graph) for graph in graphs]


def _as_graph(network: Any, name: str) -> NetGraph:
    return from_module(network) if isinstance(network, nn.Module) else as_graph(network, name)


def as_architectures(given: Any, n_inputs: Sequence[int]) -> list[Architecture]:
    """Return the architectures of n networks.

    Args:
        given: An architecture, a graph or a module for all networks, or one each.
        n_inputs: Inputs of each network.

    Raises:
        NetGraphError: When there are more or fewer, or one has other inputs or several outputs.
    """
    if isinstance(given, Iterable) and not isinstance(given, Data | nn.Module):
        listed = list(given)
        if len(listed) != len(n_inputs):
            raise NetGraphError(f"{len(listed)} architectures for {len(n_inputs)} networks")
        found = [_architecture(one, f"architecture {i}") for i, one in enumerate(listed)]
    else:
        found = [_architecture(given, "architecture")] * len(n_inputs)
    for i, (architecture, count) in enumerate(zip(found, n_inputs, strict=True)):
        if architecture.n_inputs != count:
            raise NetGraphError(f"architecture {i} has {architecture.n_inputs} inputs; its function reads {count}")
        if architecture.n_outputs != 1:
            raise NetGraphError(f"architecture {i} has {architecture.n_outputs} outputs; functions have one")
    return found


def _architecture(given: Any, name: str) -> Architecture:
    return given if isinstance(given, Architecture) else _as_graph(given, name).architecture


def as_rows(X: ArrayLike, y: ArrayLike) -> tuple[Tensor, Tensor]:
    """Return the rows of a data set as tensors, X [rows, features] and y [rows].

    Raises:
        NetGraphError: When they are no numbers, a shape is another, there are fewer than two rows, or a value is not
            finite.
    """
    try:
        x, target = (torch.as_tensor(np.asarray(values), dtype=torch.float32) for values in (X, y))
    except (TypeError, ValueError):
        raise NetGraphError("X and y: expected numbers, [rows, features] and [rows]") from None
    if x.ndim != 2 or target.shape != x.shape[:1] or len(target) < 2 or not x.shape[1]:
        shapes = f"X {tuple(x.shape)} and y {tuple(target.shape)}"
        raise NetGraphError(f"{shapes}; expected [rows, features] and [rows], at least two rows")
    if not (x.abs().max() < LARGEST and target.abs().max() < LARGEST):
        raise NetGraphError(f"X or y: a value is not finite, or beyond {LARGEST:g}; standardize columns and target")
    return x, target

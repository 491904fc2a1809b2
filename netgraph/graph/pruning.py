"""Structured pruning of feed-forward networks: hidden units are removed, and a smaller network stays.

Layers that are added to each other keep their units together, as in dependency graphs (DepGraph: Fang et al. 2023,
arXiv 2301.12900).
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import TENSOR_KINDS, Architecture, Ints
from netgraph.graph.arguments import Network, as_graph
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.symmetry import first_of_unit

_COUNT = TENSOR_KINDS.index("count")


def prune(graph: Network, nodes: Iterable[int] | int) -> NetGraph:
    """Remove hidden units of a feed-forward network.

    A unit is a node of a linear layer with every node that stands or falls with it: those of the activations and
    normalizations behind it, its places in concatenations, and the units to which it is added.

    Args:
        graph: A graph or a module; it is not changed.
        nodes: Nodes to remove, each with its unit; or a number k of units, those with the smallest sensitivity (the
            largest of a unit's nodes), of layers that keep another.

    Returns:
        The smaller network, whose sensitivity is not measured. It computes, to rounding, the function of the original
        whose weights that read the removed units are 0: as if those units' outputs were 0, not their act(bias).

    Raises:
        NetGraphError: When a node is no hidden unit of the network, a layer would lose its last one, or lies before a
            LayerNorm, whose statistics would change; or when the k units are not there, or not measured.
        UnsupportedLayerError: When the network is not feed-forward.

    Example:
        >>> layers = torch.nn.Linear(2, 5), torch.nn.ReLU(), torch.nn.Linear(5, 1)
        >>> graph = netgraph.from_module(torch.nn.Sequential(*layers))
        >>> prune(graph, [2, 4]).architecture
        Input(2) > Linear(3) > ReLU(3) > Linear(1)
        >>> prune(netgraph.with_sensitivity(graph, torch.randn(9, 2)), 1).num_nodes
        11
    """
    graph = as_graph(graph, "prune")
    architecture = graph.architecture
    unit = first_of_unit(architecture.key)  # of each node
    given = _whole_numbers(nodes)
    units = _least_sensitive(graph, unit, int(given)) if given.ndim == 0 else _units_of(architecture, unit, given)
    kept = ~np.isin(unit, units)
    sizes = np.bincount(architecture.layer_of[kept], minlength=len(architecture.layers))
    if not sizes.all():
        raise NetGraphError(f"prune: {_called(architecture, int(sizes.argmin()))} would have no node left")
    layers = (replace(row, size=size) for row, size in zip(architecture.layers, sizes.tolist(), strict=True))
    source, target = architecture.element_source, architecture.element_target
    held = (kept[target] | (architecture.element_kind == _COUNT)) & (kept[source] | (source < 0))
    return NetGraph(Architecture(tuple(layers)), graph.state[torch.from_numpy(held).to(graph.state.device)])


def _whole_numbers(nodes: Any) -> Ints:
    """Return the nodes as an array, one number as an array without dimensions."""
    try:
        given = torch.as_tensor(nodes if isinstance(nodes, int | np.number | np.ndarray | Tensor) else list(nodes))
    except (TypeError, ValueError, RuntimeError):
        given = torch.tensor(float("nan"))
    fractional = given.is_floating_point() or given.is_complex() or given.dtype == torch.bool
    if given.ndim > 1 or (given.numel() and fractional):
        raise NetGraphError("prune: expected a list of nodes, or a number of units")
    return given.long().cpu().numpy()


def _units_of(architecture: Architecture, unit: Ints, nodes: Ints) -> Ints:
    """Return the units of nodes, each of which may be removed."""
    reasons = _fixed_units(architecture, unit)
    for node in nodes.tolist():
        if not 0 <= node < len(unit):
            raise NetGraphError(f"prune: the network has nodes 0 to {len(unit) - 1}, not {node}")
        if unit[node] in reasons:
            raise NetGraphError(f"prune: node {node} must stay: its unit is part of {reasons[unit[node]]}")
    return unit[nodes]


def _fixed_units(architecture: Architecture, unit: Ints) -> dict[int, str]:
    """Return the units that must stay, each with the layer that needs it."""
    last = len(architecture.layers) - 1
    reasons: dict[int, str] = {}
    for position, layer in enumerate(architecture.layers):
        kinds = {0: "the inputs", last: "the outputs"}
        reason = kinds.get(position, "which normalizes over all its nodes" if layer.type == "LayerNorm" else "")
        if reason:
            nodes = slice(*architecture.offsets[position : position + 2])
            reasons |= dict.fromkeys(unit[nodes].tolist(), f"{_called(architecture, position)}, {reason}")
    return reasons


def _least_sensitive(graph: NetGraph, unit: Ints, k: int) -> Ints:
    """Return the k units of the smallest sensitivity, of layers that keep another."""
    architecture, reasons = graph.architecture, _fixed_units(graph.architecture, unit)
    measured = graph.sensitivity.detach().cpu().double().numpy()
    if not np.isfinite(measured).all():
        raise NetGraphError("prune: sensitivity is not measured; netgraph.with_sensitivity(graph, x) does that")
    largest = np.zeros(len(unit))
    np.maximum.at(largest, unit, measured)
    left = np.array([layer.size for layer in architecture.layers])
    # How many nodes of each layer a unit has, [N, layers].
    held = np.bincount(unit * len(left) + architecture.layer_of, minlength=len(unit) * len(left)).reshape(len(unit), -1)
    chosen: list[int] = []
    for first in sorted(set(unit.tolist()) - reasons.keys(), key=lambda first: (largest[first], first)):
        if len(chosen) < k and (left > held[first]).all():
            left -= held[first]
            chosen.append(first)
    if len(chosen) != k:
        raise NetGraphError(f"prune: {k} units to remove, where {len(chosen)} can be")
    return np.array(chosen, dtype=np.int64)


def _called(architecture: Architecture, position: int) -> str:
    layer = architecture.layers[position]
    return f"layer {position} ({', '.join(filter(None, (layer.name, layer.type)))})"

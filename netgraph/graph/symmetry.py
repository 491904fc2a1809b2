"""Symmetries of a network: one representative of all weights that compute the same function in the same way.

A hidden unit may be exchanged with another of its layer, scaled by a > 0 before a positively homogeneous activation
(and by 1/a after it), and have its sign flipped around an odd one. :func:`canonicalize` undoes all three: unit incoming
norm, positive incoming sum, units sorted by incoming norm times outgoing norm, largest first.
"""

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from netgraph.graph.architecture import TENSOR_KINDS, Architecture, Ints
from netgraph.graph.arguments import Network, as_graph
from netgraph.graph.frozen import SMALL
from netgraph.graph.netgraph import NetGraph

Floats = npt.NDArray[np.float64]
_BIAS = TENSOR_KINDS.index("bias")


@dataclass(frozen=True)
class UnitGroup:
    """Hidden units that may be exchanged with each other; a unit is every node that must move with it.

    Attributes:
        nodes: The nodes of each unit, [units, nodes per unit].
        first: State elements of each unit's first linear layer, weights and bias, which determine its norm and sign.
        incoming: State elements that a change of scale multiplies, [units, n].
        outgoing: State elements that it divides, [units, n].
        scalable: Whether every layer between the linear ones is positively homogeneous.
        flippable: Whether every layer between the linear ones is odd.
    """

    nodes: Ints
    first: Ints
    incoming: Ints
    outgoing: Ints
    scalable: bool
    flippable: bool


def canonicalize(graph: Network) -> NetGraph:
    """Return the one representative of the graph's symmetry class; it computes the same function.

    Args:
        graph: A graph or a module; it is not changed. A measured sensitivity moves and scales with its nodes.

    Returns:
        A graph of the same architecture: a unit's incoming weights and bias have norm 1 where its activation is
        positively homogeneous and a positive sum where it is odd, and units are sorted by incoming norm times outgoing
        norm, largest first. Outputs agree to rounding.

    Example:
        >>> import netgraph, torch
        >>> layers = torch.nn.Linear(1, 2), torch.nn.ReLU(), torch.nn.Linear(2, 1)
        >>> graph = netgraph.from_module(torch.nn.Sequential(*layers))
        >>> weight, bias, *_ = map(netgraph.canonicalize(graph).tensor, graph.architecture.tensors)
        >>> torch.allclose(weight[:, 0] ** 2 + bias**2, torch.ones(2))
        True
    """
    graph = as_graph(graph, "canonicalize")
    state, sensitivity, order = _canonical(graph)
    state, sensitivity = state[moved_elements(graph.architecture, order)], sensitivity[order]
    return graph.replace(
        state=torch.from_numpy(state).to(graph.state), sensitivity=torch.from_numpy(sensitivity).to(graph.sensitivity)
    )


def canonical_moves(graph: NetGraph) -> Ints:
    """Return, for each state element of the canonical graph, the element of the graph that takes its place, [P].

    With it, states that are not canonical themselves (those of earlier steps of a training) follow the units of one
    that is brought to that form; scales and signs are left alone.
    """
    return moved_elements(graph.architecture, _canonical(graph)[2])


def _canonical(graph: NetGraph) -> tuple[Floats, Floats, Ints]:
    """Rescale and sort; return the state and the sensitivity, unsorted, and the node that goes to each position."""
    architecture = graph.architecture
    state = graph.state.detach().cpu().double().numpy().copy()
    sensitivity = graph.sensitivity.detach().cpu().double().numpy().copy()
    groups = unit_groups(architecture)
    for group in groups:
        factor = np.ones(len(group.nodes))
        if group.scalable:
            norm = _norm(state, group.first)
            factor = np.divide(1.0, norm, out=factor, where=norm > 0)
        if group.flippable:
            factor = np.where(state[group.first].sum(axis=1) < 0, -factor, factor)
        state[group.incoming] *= factor[:, None]
        state[group.outgoing] /= factor[:, None]
        sensitivity[group.nodes] /= np.abs(factor)[:, None]
    order = np.arange(architecture.num_nodes)
    for group in groups:
        ranked = np.argsort(-_norm(state, group.incoming) * _norm(state, group.outgoing), kind="stable")
        order[group.nodes] = group.nodes[ranked]
    return state, sensitivity, order


def _norm(state: Floats, elements: Ints) -> Floats:
    norm: Floats = np.sqrt(np.square(state[elements]).sum(axis=1))
    return norm


def moved_elements(architecture: Architecture, order: Ints) -> Ints:
    """Return, for each state element, the element whose value it takes when node v takes the place of order[v].

    Args:
        architecture: The layers.
        order: A permutation of the nodes that keeps each within its layer, [N].

    Returns:
        Positions in the old state, [P].
    """
    moved = np.arange(architecture.state_size)
    position = np.arange(architecture.num_nodes) - architecture.offsets[architecture.layer_of]
    target, source = architecture.element_target, architecture.element_source
    for tensor in architecture.tensors:
        if not tensor.shape:
            continue
        inside = slice(tensor.offset, tensor.offset + tensor.size)
        row = position[order[target[inside]]]
        if len(tensor.shape) == 2:
            row = row * tensor.shape[1] + position[order[source[inside]]]
        moved[inside] = tensor.offset + row
    return moved


def unit_groups(architecture: Architecture) -> tuple[UnitGroup, ...]:
    """List the groups of exchangeable hidden units, in topological order of their first linear layers."""
    return (_kept_groups if architecture.state_size <= SMALL else _find_groups)(architecture.key)


def _find_groups(key: Architecture) -> tuple[UnitGroup, ...]:
    unit, layer_of = first_of_unit(key), key.layer_of
    nodes = _by_unit(unit, np.arange(key.num_nodes))
    # The elements of linear layers that feed each unit, and those that read it.
    linear = [t for t in key.tensors if key.layers[t.layer].kind.kind == "linear"]
    elements = np.concatenate([np.arange(t.offset, t.offset + t.size) for t in linear] or [np.zeros(0, np.int64)])
    read = elements[key.element_kind[elements] != _BIAS]
    incoming = _by_unit(unit[key.element_target[elements]], elements)
    outgoing = _by_unit(unit[key.element_source[read]], read)
    alike: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for root in nodes.keys() - {*unit[: key.n_inputs].tolist(), *unit[-key.n_outputs :].tolist()}:
        alike[tuple(layer_of[nodes[root]].tolist())].append(root)
    groups = []
    for layers, roots in sorted(alike.items()):
        roots = sorted(roots)
        rows = np.stack([incoming[root] for root in roots])
        between = [kind for kind in (key.layers[layer].kind for layer in layers) if kind.kind != "linear"]
        group = UnitGroup(
            nodes=np.stack([nodes[root] for root in roots]),
            first=rows[:, layer_of[key.element_target[rows[0]]] == layers[0]],
            incoming=rows,
            outgoing=np.stack([outgoing[root] for root in roots]),
            scalable=all(kind.homogeneous for kind in between),
            flippable=all(kind.odd for kind in between),
        )
        groups.append(group)
    return tuple(groups)


_kept_groups = lru_cache(maxsize=4096)(_find_groups)


def first_of_unit(architecture: Architecture) -> Ints:
    """Return the first node of each node's unit, [N]: linear layers open units, all others carry them on."""
    tied = [np.zeros((2, 0), dtype=np.int64)]
    for position, layer in enumerate(architecture.layers):
        if layer.kind.kind != "linear":
            sources = architecture.sources(position)
            start, end = architecture.offsets[position : position + 2]
            tied.append(np.stack([np.repeat(np.arange(start, end), sources.shape[1]), sources.ravel()]))
    pairs, size = np.concatenate(tied, axis=1), architecture.num_nodes
    tied_graph = coo_matrix((np.ones(pairs.shape[1]), tuple(pairs)), (size, size))
    component = connected_components(tied_graph, directed=False)[1]
    units: Ints = np.unique(component, return_index=True)[1][component]
    return units


def _by_unit(unit: Ints, values: Ints) -> dict[int, Ints]:
    """Group values by the unit of each, in their order."""
    order = np.argsort(unit, kind="stable")
    units, first = np.unique(unit[order], return_index=True)
    return dict(zip(units.tolist(), np.split(values[order], first[1:]), strict=True)) if len(units) else {}

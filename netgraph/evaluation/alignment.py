"""Aligning a network with another one of its architecture, so that their weights can be compared one by one."""

import numpy as np
import torch

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import Architecture
from netgraph.graph.netgraph import NetGraph, as_graph
from netgraph.graph.symmetry import Floats, UnitGroup, canonicalize, moved_slots, unit_groups

#: Passes over the layers; each lowers the distance, and few networks need more than three.
MAX_PASSES = 10


def align(graph: NetGraph, reference: NetGraph) -> NetGraph:
    """Reorder a network's hidden units, and flip those around odd activations, to come near to another network.

    Both are brought to canonical form, which fixes scales. Then one group of exchangeable units after the other is
    matched with the reference's by linear assignment on incoming and outgoing weights, the other groups held fixed, for
    as long as that brings the two states nearer to each other (weight matching: Ainsworth et al. 2022, arXiv
    2209.04836, algorithm 1). The canonical order alone is not enough: a little noise exchanges units of similar norm.

    Args:
        graph: The network; it is not changed.
        reference: A network of the same architecture.

    Returns:
        A network that computes what ``graph`` does; it is to be compared with ``canonicalize(reference)``, from which
        it is at most as far as ``canonicalize(graph)``. Its sensitivity is not measured.

    Raises:
        NetGraphError: When the architectures differ.
    """
    architecture, reference = as_graph(graph, "align").architecture, as_graph(reference, "align")
    if architecture.key != reference.architecture.key:
        raise NetGraphError(f"cannot align {architecture!r} with {reference.architecture!r}")
    state, target = (canonicalize(one).state.detach().cpu().double().numpy() for one in (graph, reference))
    for _ in range(MAX_PASSES):
        before = state
        for group in unit_groups(architecture):
            state = _matched(state, target, group, architecture)
        if state is before:
            break
    return NetGraph(architecture, torch.from_numpy(state).to(graph.state))


def _matched(state: Floats, target: Floats, group: UnitGroup, architecture: Architecture) -> Floats:
    """Match the units of a group; give the state as it was where that does not bring it nearer."""
    from scipy.optimize import linear_sum_assignment

    likeness = _weights(state, group) @ _weights(target, group).T
    units, places = linear_sum_assignment(np.abs(likeness) if group.flippable else likeness, maximize=True)
    order = np.arange(architecture.num_nodes)
    order[group.vertices[places]] = group.vertices[units]
    moved = state[moved_slots(architecture, order)]
    if group.flippable:
        sign = np.ones(len(places))
        sign[places] = np.where(likeness[units, places] < 0, -1.0, 1.0)
        moved[group.incoming] *= sign[:, None]
        moved[group.outgoing] *= sign[:, None]
    return moved if np.square(moved - target).sum() < np.square(state - target).sum() else state


def _weights(state: Floats, group: UnitGroup) -> Floats:
    """Incoming and outgoing weights of each unit, [units, n]."""
    return np.concatenate([state[group.incoming], state[group.outgoing]], axis=1)

"""Generation or memory: how near networks are to the training zoo, beside networks that are made from it.

A generator that only remembers gives networks that are as near to its training networks as those networks with a
little noise, and no better (Zeng et al. 2025, arXiv 2506.07998).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.evaluation.behavior import median
from netgraph.evaluation.distances import canonical_twins, nearest_distance
from netgraph.evaluation.pairs import Graphs, as_list
from netgraph.evaluation.structure import PARAMETERS
from netgraph.graph.architecture import Architecture
from netgraph.graph.netgraph import NetGraph, as_graph
from netgraph.graph.symmetry import Floats, UnitGroup, canonicalize, moved_slots, unit_groups

#: Training networks, the nearest ones in canonical form, with which each network is aligned.
CANDIDATES = 8
#: Passes over the layers; each lowers the distance, and few networks need more than three.
MAX_PASSES = 10


@dataclass(frozen=True)
class Nearness:
    """Distances of networks to the training zoo.

    Attributes:
        weights: Distance of the parameters to those of the nearest training network of the same architecture, after
            alignment, over the norm of the latter, [n]; inf for a network of whose architecture there is none. 0: a
            copy; about 1.4: as far as two unrelated networks of the same norm.
        behavior: Root mean square difference of the outputs on 64 common standard normal rows to those of the training
            network that is nearest in this sense, of whatever architecture, [n].
    """

    weights: Tensor
    behavior: Tensor

    @property
    def share_with_twin(self) -> float:
        """Share of networks of whose architecture there is a training network."""
        return float(self.weights.isfinite().double().mean())

    @property
    def median_weights(self) -> float:
        """Median distance of the parameters over the networks of which it is known; NaN where there are none."""
        known = self.weights[self.weights.isfinite()]
        return median(known) if len(known) else float("nan")

    @property
    def median_behavior(self) -> float:
        """Median distance of the behavior."""
        return median(self.behavior)


def nearness(graphs: Graphs, training: Graphs) -> Nearness:
    """Measure how near networks are to a training zoo.

    Args:
        graphs: n networks.
        training: The training zoo.

    Raises:
        NetGraphError: When there is no graph on a side, or an output is not finite.
    """
    found, known = as_list(graphs, "graphs"), as_list(training, "training")
    weights = torch.tensor(list(_nearest_aligned(found, known)), dtype=torch.float64)
    return Nearness(weights, nearest_distance(found, known, "behavior"))


def _nearest_aligned(graphs: Sequence[NetGraph], training: Sequence[NetGraph]) -> Iterator[float]:
    twins = canonical_twins(graphs, training)
    for graph in graphs:
        own = _parameters(canonicalize(graph))
        nearest = sorted(twins[graph.architecture.key], key=lambda twin: float((_parameters(twin) - own).norm()))
        yield min((_relative(graph, twin) for twin in nearest[:CANDIDATES]), default=float("inf"))


def _relative(graph: NetGraph, twin: NetGraph) -> float:
    target = _parameters(twin)
    distance = (_parameters(align(graph, twin)) - target).norm()
    return float(distance / target.norm().clamp(min=1e-12))


def _parameters(graph: NetGraph) -> Tensor:
    kind = torch.from_numpy(graph.architecture.slot_kind)
    return graph.state.detach().cpu().double()[torch.isin(kind, torch.tensor(PARAMETERS))]


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

    of_units, of_target = (
        np.concatenate([one[group.incoming], one[group.outgoing]], axis=1) for one in (state, target)
    )
    likeness = of_units @ of_target.T
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

"""Distances between sets of networks, and from a network to its nearest training network."""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.evaluation.behavior import behavior
from netgraph.evaluation.pairs import Graphs, as_list
from netgraph.graph.architecture import Architecture
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.symmetry import canonicalize

_ROWS = 1024
Space = Literal["behavior", "weights"]


def energy_distance(a: Tensor, b: Tensor) -> float:
    """Energy distance between two samples, 2 E|a - b| - E|a - a'| - E|b - b'| (Székely & Rizzo 2013).

    The V-statistic: each mean runs over all pairs, a vector with itself included. It is never negative and is 0 for
    equal sets; it exceeds the distance of the populations by O(1/n), so compare values of sets of equal sizes.

    Args:
        a: Vectors, [n, d].
        b: Vectors, [m, d].

    Returns:
        The distance, in the unit of the vectors, at least 0.

    Raises:
        NetGraphError: When the shapes do not match, a set is empty or a value is not finite.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or not len(a) or not len(b):
        raise NetGraphError(f"energy distance of vectors with shapes {tuple(a.shape)} and {tuple(b.shape)}")
    if not (torch.isfinite(a).all() and torch.isfinite(b).all()):
        raise NetGraphError("energy distance of vectors that hold NaN or infinity")
    return max(0.0, 2 * _mean_distance(a, b) - _mean_distance(a, a) - _mean_distance(b, b))


def _mean_distance(a: Tensor, b: Tensor) -> float:
    total = sum(float(_distances(rows, b).sum()) for rows in a.split(_ROWS))
    return total / (len(a) * len(b))


def _distances(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distances without the fast product, which is off by 1e-7 where vectors are equal, [n, m] float64."""
    distances: Tensor = torch.cdist(a.double(), b.double(), compute_mode="donot_use_mm_for_euclid_dist")
    return distances


def sample_quality(random: float, sample: float, floor: float) -> float:
    """Place sampled networks between untrained (0) and trained ones (1): (random - sample) / (random - floor).

    Args:
        random: Energy distance of randomly initialized networks to held-out trained ones.
        sample: That of the sampled networks.
        floor: That of other trained networks.

    Returns:
        At most a little above 1; negative where samples are farther from trained networks than untrained ones.

    Raises:
        NetGraphError: When random and floor are equal: there is nothing to measure with.
    """
    if random == floor:
        raise NetGraphError("sample quality: random and trained networks are at the same distance")
    return (random - sample) / (random - floor)


def nearest_distance(generated: Graphs, training: Graphs, space: Space = "behavior") -> Tensor:
    """Distance of each network to its nearest training network.

    Compare with the same of noise-perturbed and weight-averaged training networks: a sample that is nearer than those
    is a memorized one (arXiv 2506.07998).

    Args:
        generated: n graphs.
        training: The training zoo.
        space: ``behavior``: root mean square difference of the outputs on 64 common rows; ``weights``: that of the
            canonical states, which aligns the two networks, over training networks of the same architecture.

    Returns:
        Distances, [n] float64, at least 0; infinite in ``weights`` where no training network has the architecture.

    Raises:
        NetGraphError: When there is no graph on a side, the space is unknown or an output is not finite.
    """
    left, right = as_list(generated, "generated"), as_list(training, "training")
    if space == "behavior":
        return _nearest(behavior(left), behavior(right))
    if space != "weights":
        raise NetGraphError(f"space {space!r}; known: behavior, weights")
    return _nearest_weights(left, right)


def _nearest(a: Tensor, b: Tensor) -> Tensor:
    nearest: Tensor = torch.cat([_distances(rows, b).amin(dim=1) for rows in a.split(_ROWS)])
    return nearest / math.sqrt(max(1, a.shape[1]))


def _nearest_weights(generated: Sequence[NetGraph], training: Sequence[NetGraph]) -> Tensor:
    known: dict[Architecture, list[Tensor]] = defaultdict(list)
    wanted = {graph.architecture.key for graph in generated}
    for graph in training:
        if graph.architecture.key in wanted:
            known[graph.architecture.key].append(canonicalize(graph).state.detach().cpu())
    nearest = torch.full((len(generated),), float("inf"), dtype=torch.float64)
    for i, graph in enumerate(generated):
        if states := known.get(graph.architecture.key):
            nearest[i] = _nearest(canonicalize(graph).state.detach().cpu()[None], torch.stack(states))[0]
    return nearest

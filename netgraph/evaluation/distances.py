"""Distances between sets of networks, and from a network to its nearest training network."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.evaluation.behavior import behavior
from netgraph.evaluation.pairs import Graphs, as_list, check_outputs
from netgraph.graph.architecture import Architecture
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.symmetry import canonicalize

#: Distances held at once.
_PAIRS = 2**22
Space = Literal["behavior", "weights"]


def energy_distance(a: Tensor, b: Tensor, *, unbiased: bool = False) -> float:
    """Energy distance between two samples, 2 E|a - b| - E|a - a'| - E|b - b'| (Székely & Rizzo 2013).

    As it stands, the V-statistic: each mean runs over all pairs, a vector with itself included. It is never negative
    and is 0 for equal sets, and its expectation exceeds the distance of the populations by E|a - a'| / n +
    E|b - b'| / m, which at n = 1,000 is most of the distance between two sets of trained networks. The U-statistic
    leaves out the pairs of a vector with itself: its expectation is the distance of the populations, whatever the
    sizes, so that it may fall a little below 0.

    Args:
        a: Vectors, [n, d].
        b: Vectors, [m, d].
        unbiased: Take the U-statistic.

    Returns:
        The distance, in the unit of the vectors; at least 0 unless unbiased.

    Raises:
        NetGraphError: When the shapes do not match, a set is empty (or has one vector, unbiased) or a value is not
            finite.
    """
    least = 2 if unbiased else 1
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < least:
        raise NetGraphError(f"energy distance of vectors with shapes {tuple(a.shape)} and {tuple(b.shape)}")
    if not (torch.isfinite(a).all() and torch.isfinite(b).all()):
        raise NetGraphError("energy distance of vectors that hold NaN or infinity")
    distance = 2 * _total(a, b) / (len(a) * len(b)) - _within(a, unbiased) - _within(b, unbiased)
    return distance if unbiased else max(0.0, distance)


def _within(a: Tensor, unbiased: bool) -> float:
    """Return the mean distance of two vectors of a set: of two different ones, or of any."""
    return _total(a, a) / (len(a) * (len(a) - unbiased))


def _total(a: Tensor, b: Tensor) -> float:
    return sum(float(distances.sum()) for distances in _distances(a, b))


def _distances(a: Tensor, b: Tensor) -> Iterator[Tensor]:
    """Yield the Euclidean distances of parts of a, which fit into memory, to all of b, [part, m] float64.

    The fast product is left out, which is off by 1e-7 where vectors are equal.
    """
    for rows in a.double().split(max(1, _PAIRS // len(b))):
        yield torch.cdist(rows, b.double(), compute_mode="donot_use_mm_for_euclid_dist")


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
        NetGraphError: When there is no graph on a side, the space is unknown, an output is not finite or, in
            ``behavior``, numbers of outputs differ.
    """
    left, right = as_list(generated, "generated"), as_list(training, "training")
    if space == "behavior":
        check_outputs(right, left)
        return _nearest(behavior(left), behavior(right))
    if space != "weights":
        raise NetGraphError(f"space {space!r}; known: behavior, weights")
    return _nearest_weights(left, right)


def _nearest(a: Tensor, b: Tensor) -> Tensor:
    nearest: Tensor = torch.cat([distances.amin(dim=1) for distances in _distances(a, b)])
    return nearest / math.sqrt(max(1, a.shape[1]))


def _nearest_weights(generated: Sequence[NetGraph], training: Sequence[NetGraph]) -> Tensor:
    known: dict[Architecture, list[Tensor]] = defaultdict(list)
    wanted = {graph.architecture.key for graph in generated}
    for graph in training:
        if graph.architecture.key in wanted:
            known[graph.architecture.key].append(canonicalize(graph).state.detach().cpu())
    nearest = torch.full((len(generated),), float("inf"), dtype=torch.float64)
    for i, graph in enumerate(generated):
        if states := known[graph.architecture.key]:
            nearest[i] = _nearest(canonicalize(graph).state.detach().cpu()[None], torch.stack(states))[0]
    return nearest

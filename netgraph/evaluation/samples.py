"""Metrics over sets of networks: validity, uniqueness, novelty, and distances between sets."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.evaluation.behavior import behavior
from netgraph.evaluation.pairs import Graphs, as_list, check_outputs
from netgraph.graph.architecture import TENSOR_KINDS, Architecture
from netgraph.graph.arguments import Network, as_graph
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.symmetry import canonicalize
from netgraph.graph.write_module import to_module
from netgraph.stack import probe

Level = Literal["network", "architecture"]
Floats = npt.NDArray[np.float64]

#: Largest difference of any canonical weight, three decimals, up to which two networks are one. A tolerance and not a
#: rounded hash: 1 % of permuted copies of a small network would round to another hash.
SAME = 1e-3


@torch.no_grad()
def is_valid(graph: Network) -> bool:
    """Return whether a graph validates, becomes a module, and gives finite outputs on 64 standard normal rows.

    Example:
        >>> is_valid(netgraph.from_module(torch.nn.Linear(2, 1)))
        True
    """
    graph = as_graph(graph, "is_valid")
    rows = probe(graph.architecture.n_inputs).to(graph.state)
    if not graph.validate(raise_on_error=False):
        return False
    try:
        outputs = to_module(graph).eval()(rows)
    except (NetGraphError, RuntimeError):
        return False
    return bool(torch.isfinite(outputs).all())


def validity(generated: Graphs) -> float:
    """Compute the share of generated graphs that are runnable networks, see :func:`is_valid`; in [0, 1].

    Raises:
        NetGraphError: When there is no graph.

    Example:
        >>> validity([netgraph.from_module(torch.nn.Linear(2, 1))])
        1.0
    """
    graphs = as_list(generated, "generated")
    return sum(map(is_valid, graphs)) / len(graphs)


def uniqueness(generated: Graphs, level: Level = "network") -> float:
    """Compute the share of distinct graphs among the valid ones.

    Args:
        generated: n graphs.
        level: ``architecture``: graphs are the same when their layers are (names aside); ``network``: when also their
            canonical weights and running statistics differ by at most 0.001.

    Returns:
        A value in [0, 1]; 0 where none is valid.

    Raises:
        NetGraphError: When there is no graph, or the level is unknown.

    Example:
        >>> graph = netgraph.from_module(torch.nn.Linear(2, 1))
        >>> uniqueness([graph, graph])
        0.5
    """
    valid = [graph for graph in as_list(generated, "generated") if is_valid(graph)]
    return len(_distinct(valid, level)) / len(valid) if valid else 0.0


def novelty(generated: Graphs, training: Graphs, level: Level = "network") -> float:
    """Compute the share of the distinct valid graphs that are not in the training zoo.

    Arguments, range and errors as of :func:`uniqueness`.

    Example:
        >>> graph = netgraph.from_module(torch.nn.Linear(2, 1))
        >>> novelty([graph], [graph])
        0.0
    """
    valid = [graph for graph in as_list(generated, "generated") if is_valid(graph)]
    distinct, known = _distinct(valid, level), as_list(training, "training")
    return len(_distinct(distinct, level, known)) / len(distinct) if distinct else 0.0


def _distinct(graphs: Sequence[NetGraph], level: Level, known: Sequence[NetGraph] = ()) -> list[NetGraph]:
    """Return graphs of which no two are the same, and none the same as a known one."""
    if level not in ("network", "architecture"):
        raise NetGraphError(f"level {level!r}; known: network, architecture")
    architectures = {graph.architecture.key for graph in graphs}
    seen: dict[Architecture, list[Floats]] = defaultdict(list)
    for graph in known:
        if graph.architecture.key in architectures:
            seen[graph.architecture.key].append(_signature(graph, level))
    kept = []
    for graph in graphs:
        states, own = seen[graph.architecture.key], _signature(graph, level)
        if not states or (np.abs(np.stack(states) - own).max(axis=1, initial=0.0) > SAME).all():
            states.append(own)
            kept.append(graph)
    return kept


def _signature(graph: NetGraph, level: Level) -> Floats:
    """Return the numbers that identify a network of an architecture: none, or its canonical state without counts."""
    if level == "architecture":
        return np.zeros(1)
    kept = graph.architecture.element_kind != TENSOR_KINDS.index("count")
    signature: Floats = canonicalize(graph).state.detach().cpu().double().numpy()[kept]
    return signature


#: Distances held at once.
_PAIRS = 2**22


def energy_distance(a: Tensor, b: Tensor, *, unbiased: bool = False) -> float:
    """Compute the energy distance between two samples, 2 E|a - b| - E|a - a'| - E|b - b'| (Székely & Rizzo 2013).

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

    Example:
        >>> energy_distance(torch.zeros(2, 1), torch.ones(2, 1))
        2.0
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
    """Compute the sample quality, 0 for untrained and 1 for trained networks: (random - sample) / (random - floor).

    Args:
        random: Energy distance of randomly initialized networks to held-out trained ones.
        sample: That of the sampled networks.
        floor: That of other trained networks.

    Returns:
        At most a little above 1; negative where samples are farther from trained networks than untrained ones.

    Raises:
        NetGraphError: When random and floor are equal: there is nothing to measure with.

    Example:
        >>> sample_quality(random=1.0, sample=0.3, floor=0.0)
        0.7
    """
    if random == floor:
        raise NetGraphError("sample quality: random and trained networks are at the same distance")
    return (random - sample) / (random - floor)


def function_spread(vectors: Tensor, reference: Tensor) -> float:
    """Compute the ratio of the total deviations of two sets of vectors, each the root of the summed variances.

    Args:
        vectors: Behavior vectors of sampled networks, [n, d].
        reference: Those of trained networks, [m, d]; standardized, so that each value weighs the same.

    Returns:
        Below 1 where samples are more alike than trained networks are, above 1 where less.

    Raises:
        NetGraphError: When the vectors of the reference are all equal.

    Example:
        >>> function_spread(torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [2.0]]))
        0.5
    """
    spread, expected = (v.double().var(dim=0, correction=0).sum().sqrt() for v in (vectors, reference))
    if not expected:
        raise NetGraphError("function spread: all networks of the reference compute the same")
    return float(spread / expected)


def nearest_distance(generated: Graphs, training: Graphs) -> Tensor:
    """Compute the distance of each network to its nearest neighbor among training networks.

    Compare with the same of noise-perturbed and weight-averaged training networks: a sample that is nearer than those
    is a memorized one (arXiv 2506.07998).

    Args:
        generated: n graphs.
        training: The training zoo.

    Returns:
        Root mean square differences of the outputs on 64 common rows, [n] float64.

    Raises:
        NetGraphError: When there is no graph on a side, an output is not finite or numbers of outputs differ.

    Example:
        >>> graph = netgraph.from_module(torch.nn.Linear(2, 1))
        >>> nearest_distance(graph, [graph])
        tensor([0.], dtype=torch.float64)
    """
    left, right = as_list(generated, "generated"), as_list(training, "training")
    check_outputs(right, left)
    outputs = behavior(left)  # [n, 64 * outputs]
    nearest: Tensor = torch.cat([distances.amin(dim=1) for distances in _distances(outputs, behavior(right))])
    return nearest / math.sqrt(outputs.shape[1])

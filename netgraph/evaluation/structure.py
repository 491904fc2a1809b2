"""Metrics over the edges and parameters of networks, in canonical form."""

import numpy as np
import torch
from torch import Tensor

from netgraph.evaluation.pairs import PARAMETERS, Graphs, as_pairs, row_cosine
from netgraph.graph.architecture import Architecture, Ints
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.symmetry import canonicalize

#: Relative difference that rounding alone may leave between equal canonical weights.
_ROUNDING = 1e-5


def edge_accuracy(true: Graphs, generated: Graphs) -> float:
    """Compute the mean Jaccard index of the edges, |E and Ê| / |E or Ê|, nodes matched by index in canonical form.

    An edge is a pair of source and target index; the canonical form permutes nodes within layers, which does not change
    the set of edges.

    Args:
        true: One graph, or n of them.
        generated: As many, each compared with the true one of its index.

    Returns:
        A value in [0, 1]; 1 where the edges are the same.

    Raises:
        NetGraphError: When the lengths differ, or the two of a pair differ in outputs.

    Example:
        >>> graph = netgraph.from_module(torch.nn.Linear(2, 1))
        >>> edge_accuracy(graph, graph)
        1.0
    """
    return float(edge_accuracy_per_pair(true, generated).mean())


def edge_accuracy_per_pair(true: Graphs, generated: Graphs) -> Tensor:
    """Return :func:`edge_accuracy` of each pair, [n] float64."""
    return torch.tensor([_ratio(c, a + b - c) for a, b, c in _edge_counts(true, generated)], dtype=torch.float64)


def edge_f1(true: Graphs, generated: Graphs) -> float:
    """Compute the mean F1 score of the edges, 2 |E and Ê| / (|E| + |Ê|); arguments and errors as :func:`edge_accuracy`.

    Example:
        >>> graph = netgraph.from_module(torch.nn.Linear(2, 1))
        >>> edge_f1(graph, graph)
        1.0
    """
    return float(edge_f1_per_pair(true, generated).mean())


def edge_f1_per_pair(true: Graphs, generated: Graphs) -> Tensor:
    """Return :func:`edge_f1` of each pair, [n] float64."""
    return torch.tensor([_ratio(2 * c, a + b) for a, b, c in _edge_counts(true, generated)], dtype=torch.float64)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def _edge_counts(true: Graphs, generated: Graphs) -> list[tuple[int, int, int]]:
    """Count the edges of each true graph, of each generated one, and those in both."""
    counts = []
    for left, right in zip(*as_pairs(true, generated), strict=True):
        stride = max(left.architecture.num_nodes, right.architecture.num_nodes)
        a, b = (np.unique(_edge_ids(graph.architecture, stride)) for graph in (left, right))
        counts.append((len(a), len(b), len(np.intersect1d(a, b, assume_unique=True))))
    return counts


def _edge_ids(architecture: Architecture, stride: int) -> Ints:
    """Return one number for each edge, the same for the same pair of indices, [E]."""
    ids: Ints = architecture.edge_index[0] * stride + architecture.edge_index[1]
    return ids


def weight_within_tolerance(true: Graphs, generated: Graphs, tolerance: float = 0.1) -> float:
    """Compute the share of the true weighted edges that are there with nearly the true weight, in canonical form.

    An edge counts when the generated graph has a weighted edge between the same vertices, and the two weights differ by
    at most ``tolerance`` times the population standard deviation of the weights of the true edge's layer. Structural
    edges carry no weight and count nowhere; an edge that is missing counts as a miss. A layer whose weights are all
    equal asks for equality, to rounding.

    Args:
        true: One graph, or n of them.
        generated: As many; errors as of :func:`edge_accuracy`.
        tolerance: Allowed difference in standard deviations of the layer's weights.

    Returns:
        The mean over pairs, in [0, 1]; 1 for a pair whose true network has no weighted edge.

    Example:
        >>> graph = netgraph.from_module(torch.nn.Linear(2, 1))
        >>> weight_within_tolerance(graph, graph)
        1.0
    """
    return float(weight_within_tolerance_per_pair(true, generated, tolerance).mean())


def weight_within_tolerance_per_pair(true: Graphs, generated: Graphs, tolerance: float = 0.1) -> Tensor:
    """Return :func:`weight_within_tolerance` of each pair, [n] float64."""
    pairs = zip(*as_pairs(true, generated), strict=True)
    shares = [_share_within(canonicalize(a), canonicalize(b), tolerance) for a, b in pairs]
    return torch.tensor(shares, dtype=torch.float64)


def _share_within(true: NetGraph, generated: NetGraph, tolerance: float) -> float:
    stride = max(true.architecture.num_nodes, generated.architecture.num_nodes)
    ids, weights, deviation = _weighted_edges(true, stride)
    other_ids, other_weights, _ = _weighted_edges(generated, stride)
    _, at, other_at = np.intersect1d(ids, other_ids, return_indices=True)
    error = np.abs(weights[at] - other_weights[other_at])
    allowed = tolerance * deviation[at] + _ROUNDING * np.abs(weights[at])
    return _ratio(int((error <= allowed).sum()), len(ids))


def _weighted_edges(graph: NetGraph, stride: int) -> tuple[Ints, np.ndarray, np.ndarray]:
    """Return id and weight of each weighted edge, and the standard deviation of its layer's weights."""
    architecture, state = graph.architecture, graph.state.detach().cpu().double().numpy()
    deviation = np.zeros_like(state)
    for tensor in architecture.tensors:
        inside = slice(tensor.offset, tensor.offset + tensor.size)
        deviation[inside] = state[inside].std()
    weighted = architecture.edge_element >= 0
    slot = architecture.edge_element[weighted]
    return _edge_ids(architecture, stride)[weighted], state[slot], deviation[slot]


def parameter_cosine_similarity(true: Graphs, generated: Graphs) -> float:
    """Compute the mean cosine of the flattened canonical parameters without those of the last layer.

    Weights and biases, in the order of the state; buffers are not parameters. The shorter vector is padded with zeros;
    two zero vectors, as those of networks with one layer, have cosine 1, a zero vector and another one 0. Arguments and
    errors as of :func:`edge_accuracy`; the value is in [-1, 1].

    Example:
        >>> graph = netgraph.from_module(torch.nn.Linear(2, 1))
        >>> parameter_cosine_similarity(graph, graph)
        1.0
    """
    return float(parameter_cosine_similarity_per_pair(true, generated).mean())


def parameter_cosine_similarity_per_pair(true: Graphs, generated: Graphs) -> Tensor:
    """Return :func:`parameter_cosine_similarity` of each pair, [n] float64."""
    left, right = (map(_parameters, graphs) for graphs in as_pairs(true, generated))
    return torch.stack([row_cosine(a, b)[0] for a, b in zip(left, right, strict=True)])


def _parameters(graph: NetGraph) -> Tensor:
    """Return the canonical parameters of all layers but the last, [1, parameters]."""
    graph = canonicalize(graph)
    architecture = graph.architecture
    kept = np.isin(architecture.element_kind, PARAMETERS) & (architecture.element_target < architecture.offsets[-2])
    return graph.state.detach().cpu().double()[torch.from_numpy(kept)][None]

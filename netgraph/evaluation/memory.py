"""Generation or memory: how near networks are to the training zoo, beside networks that are made from it.

A generator that only remembers gives networks that are as near to its training networks as those networks with a
little noise, and no better (Zeng et al. 2025, arXiv 2506.07998).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from netgraph.evaluation.alignment import align
from netgraph.evaluation.behavior import median
from netgraph.evaluation.distances import nearest_distance
from netgraph.evaluation.interpolation import pairs_of_one_architecture
from netgraph.evaluation.pairs import Graphs, as_list
from netgraph.graph.architecture import SLOT_KINDS, Architecture
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.symmetry import canonicalize

#: Training networks, the nearest ones in canonical form, with which each network is aligned.
CANDIDATES = 8
#: Kinds of state elements that a training sets.
_PARAMETERS = [SLOT_KINDS.index("edge"), SLOT_KINDS.index("bias")]


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
    return Nearness(nearest_aligned(found, known), nearest_distance(found, known, "behavior"))


def nearest_aligned(graphs: Sequence[NetGraph], training: Sequence[NetGraph]) -> Tensor:
    """Give :attr:`Nearness.weights`, [n] float64."""
    wanted = {graph.architecture.key for graph in graphs}
    twins: dict[Architecture, list[NetGraph]] = defaultdict(list)
    for graph in training:
        if graph.architecture.key in wanted:
            twins[graph.architecture.key].append(canonicalize(graph))
    return torch.tensor([_to_nearest(graph, twins[graph.architecture.key]) for graph in graphs], dtype=torch.float64)


def _to_nearest(graph: NetGraph, twins: Sequence[NetGraph]) -> float:
    if not twins:
        return float("inf")
    own = _parameters(canonicalize(graph))
    distances = [float((_parameters(twin) - own).norm()) for twin in twins]
    nearest = sorted(range(len(twins)), key=distances.__getitem__)[:CANDIDATES]
    return min(_relative(graph, twins[i]) for i in nearest)


def _relative(graph: NetGraph, twin: NetGraph) -> float:
    target = _parameters(twin)
    distance = (_parameters(align(graph, twin)) - target).norm()
    return float(distance / target.norm().clamp(min=1e-12))


def _parameters(graph: NetGraph) -> Tensor:
    kind = torch.from_numpy(graph.architecture.slot_kind)
    return graph.state.detach().cpu().double()[torch.isin(kind, torch.tensor(_PARAMETERS))]


def perturb(graphs: Sequence[NetGraph], level: float, generator: Generator) -> list[NetGraph]:
    """Add normal noise to all parameters of canonical networks.

    Args:
        graphs: n networks.
        level: Deviation of the noise, over the root mean square of the tensor that it is added to.
        generator: Draws it.
    """
    return [_perturbed(canonicalize(graph), level, generator) for graph in graphs]


def _perturbed(graph: NetGraph, level: float, generator: Generator) -> NetGraph:
    scale = torch.zeros(graph.architecture.state_size, dtype=graph.state.dtype)
    for tensor in graph.architecture.tensors:
        if SLOT_KINDS.index(tensor.slot.kind) in _PARAMETERS:
            scale[tensor.offset : tensor.offset + tensor.size] = graph.tensor(tensor).square().mean().sqrt()
    noise = torch.randn(scale.shape, generator=generator, dtype=scale.dtype)
    return NetGraph(graph.architecture, graph.state + level * scale * noise)


def average_pairs(graphs: Sequence[NetGraph], n: int, generator: Generator) -> list[NetGraph]:
    """Average the states of two networks of one architecture, the one aligned with the other.

    Args:
        graphs: Networks to draw pairs from; none is in two pairs.
        n: Most pairs.
        generator: Draws them.

    Returns:
        As many networks as there are such pairs, at most n.
    """
    return [_average(graphs[i], graphs[j]) for i, j in pairs_of_one_architecture(graphs, n, generator)]


def _average(graph: NetGraph, reference: NetGraph) -> NetGraph:
    return NetGraph(graph.architecture, (align(graph, reference).state + canonicalize(reference).state) / 2)

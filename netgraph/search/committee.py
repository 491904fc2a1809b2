"""Committees: networks whose outputs are added up, as one network.

Their weights are those of stacked regressions (Breiman 1996): not negative, of sum 1, and chosen by what each network
predicts of rows that it was not fitted to. The best networks of many are chosen by the same predictions, which flatters
them; the weights are therefore shrunk towards equal ones, the more the fewer rows there are.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import Architecture, Layer
from netgraph.graph.netgraph import NetGraph
from netgraph.search.data import Data
from netgraph.search.running import Judged, best
from netgraph.stack import last_vertex

#: How much more than a row the sum of the weights counts.
STRICTNESS = 10.0
#: How much the sum of the weights' squares counts, in units of the least error, of many rows; and the number of rows at
#: which it counts 1 more. Chosen on 200 tables that no benchmark has, as was the number of members.
SHRINKAGE, FEW_ROWS = 0.2, 100
#: Most members, and how many smaller committees have.
MEMBERS, SIZES = 16, (2, 4, 8)


def shrinkage(rows: int) -> float:
    """Give how much the sum of the weights' squares counts, in units of the least error."""
    return SHRINKAGE + (FEW_ROWS / rows) ** 2


def weights_of(left_out: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
    """Weigh networks by least squares under the two constraints, shrunk towards equal weights.

    Args:
        left_out: What each predicts of each row without having been fitted to it, finite, [n, rows].
        y: The target, [rows].
        weight: Of the rows, of mean 1, [rows]; all the same when None.

    Returns:
        Weights, [n] float64, some of which may be 0; equal ones where the regression finds none.
    """
    from scipy.optimize import nnls

    count, strict = len(left_out), STRICTNESS * len(y) ** 0.5
    root = 1.0 if weight is None else weight.double().sqrt()
    said, wanted = (left_out.double() * root).numpy(), (y.double() * root).numpy()
    least = np.square(said - wanted).sum(axis=1).min()
    design = np.vstack([said.T, np.full(count, strict), np.eye(count) * (shrinkage(len(y)) * least) ** 0.5])
    try:
        found = torch.from_numpy(nnls(design, np.concatenate([wanted, [strict], np.zeros(count)]))[0])
    except RuntimeError:  # it does not converge
        found = torch.zeros(count, dtype=torch.float64)
    return found / found.sum() if found.sum() > 0 else torch.full_like(found, 1 / count)


def committees(judged: Sequence[Judged], data: Data) -> list[Judged]:
    """Give committees of the best 2, 4, 8 and so on networks, the last one of as many as :data:`MEMBERS` allows.

    Those in which one network has all the weight are left out, but for the last.

    Args:
        judged: The networks; those whose output cannot be a summand are left out.
        data: The rows that they are judged by.
    """
    able = [one for one in judged if one.error < torch.inf and last_vertex(one.graph.architecture) is not None]
    able = best(able, MEMBERS)
    found = []
    for size in [*(size for size in SIZES if size < len(able)), len(able)] if len(able) > 1 else []:
        members = able[:size]
        left_out = torch.stack([one.left_out for one in members])
        weights = weights_of(left_out, data.y, data.weight)
        weighed = [(one.graph, float(weight)) for one, weight in zip(members, weights, strict=True) if weight > 0]
        if len(weighed) > 1 or size == len(able):
            found.append(Judged.of(join(*zip(*weighed, strict=True)), weights @ left_out, data))
    return found


def join(graphs: Sequence[NetGraph], weights: Sequence[float]) -> NetGraph:
    """Give the one network that computes the weighted sum of networks' outputs.

    The networks share the input; what feeds their last layers is concatenated and feeds one linear vertex.

    Args:
        graphs: Networks with as many inputs, each of which ends in one linear vertex with a bias.
        weights: Of each.
    """
    layers = [graphs[0].architecture.layers[0]]
    ends, states, last, bias = [], [], [], torch.zeros(1)
    for graph, weight in zip(graphs, weights, strict=True):
        ends.append(_append(layers, graph.architecture))
        own, read, constant = _cut(graph)
        states.append(own)
        last.append(weight * read)
        bias = bias + weight * constant
    if len(ends) > 1:
        layers.append(Layer("Concat", tuple(ends), sum(layers[i].size for i in ends)))
        ends = [len(layers) - 1]
    layers.append(Layer("Linear", (ends[0],), 1, hyper=graphs[0].architecture.layers[-1].hyper))
    return NetGraph(Architecture(tuple(layers)), torch.cat([*states, *last, bias]))


def _append(layers: list[Layer], architecture: Architecture) -> int:
    """Append all layers but the first and the last; give the position of what feeds the last."""
    place = {0: 0}
    for position, layer in enumerate(architecture.layers[1:-1], start=1):
        place[position] = len(layers)
        layers.append(Layer(layer.type, tuple(place[i] for i in layer.inputs), layer.size, hyper=layer.hyper))
    return place[architecture.layers[-1].inputs[0]]


def _cut(graph: NetGraph) -> tuple[Tensor, Tensor, Tensor]:
    """Give the state of all layers but the last, and the last one's weights and bias.

    Raises:
        NetGraphError: When the last layer is no linear vertex with a bias.
    """
    place = last_vertex(graph.architecture)
    if place is None:
        raise NetGraphError(f"a network that ends in {graph.architecture.layers[-1].type} cannot join a committee")
    start, size, bias = place
    return graph.state[:start], graph.state[start : start + size], graph.state[bias : bias + 1]

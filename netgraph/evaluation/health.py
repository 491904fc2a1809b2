"""Health of networks: do they run, do they do anything, and how many of their neurons are dead or saturated."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from netgraph.evaluation.behavior import median
from netgraph.evaluation.pairs import Graphs, as_list
from netgraph.graph.netgraph import NetGraph
from netgraph.stack import probe, stacked

#: A neuron is dead when its deviation over the rows is at most this share of its root mean square.
DEAD = 1e-3
#: A bounded neuron is at its bounds when it is farther from their middle than this share of the way to one of them.
AT_BOUND = 0.99
#: A neuron is saturated when it is at its bounds on at least this share of the rows.
MOSTLY = 0.95
#: A network is constant when its outputs deviate by less than this, where a standardized target deviates by 1.
CONSTANT = 0.01
#: The bounds of the activations that have two.
BOUNDS = {"Tanh": (-1.0, 1.0), "Sigmoid": (0.0, 1.0)}


@dataclass(frozen=True)
class Health:
    """Health of a set of networks on common standard normal rows.

    A neuron is a node of an elementwise layer other than Dropout; neurons are those of networks with finite outputs.

    Attributes:
        finite: Share of networks that validate and whose outputs are finite.
        working: Share of networks whose outputs are also not constant: the deviation of an output over the rows is at
            least :data:`CONSTANT`.
        output_deviation: Median over the finite networks of the largest deviation of an output over the rows; NaN
            where none is finite.
        dead: Share of neurons that are constant: their deviation over the rows is at most :data:`DEAD` of their root
            mean square. A ReLU that is never active is one.
        saturated: Share of the Tanh and Sigmoid neurons that are at their bounds, to within half a hundredth of the way
            from one to the other, on at least :data:`MOSTLY` of the rows; 0 where there are none.
        dead_or_saturated: Share of neurons that are either; 0, as ``dead``, where there are no neurons.
    """

    finite: float
    working: float
    output_deviation: float
    dead: float
    saturated: float
    dead_or_saturated: float


@torch.no_grad()
def health(graphs: Graphs, n_rows: int = 256, seed: int = 0) -> Health:
    """Measure the health of networks.

    Args:
        graphs: n feed-forward networks.
        n_rows: Number of rows.
        seed: Seed of the rows, which are the same in every call.

    Raises:
        NetGraphError: When there is no graph.

    Example:
        >>> graph = netgraph.from_module(torch.nn.Linear(2, 1))
        >>> health([graph]).finite
        1.0
    """
    networks = as_list(graphs, "health")
    sound = [graph for graph in networks if graph.validate(raise_on_error=False)]
    deviations, neurons = [], []
    for deviation, layers in _measure(sound, n_rows, seed):
        deviations.append(deviation)
        neurons += layers
    dead, saturated, bounded = torch.cat([torch.zeros(0, 3, dtype=torch.bool), *neurons]).unbind(1)
    measured = torch.tensor(deviations, dtype=torch.float64)
    finite = measured[measured.isfinite()]
    return Health(
        finite=len(finite) / len(networks),
        working=int((finite >= CONSTANT).sum()) / len(networks),
        output_deviation=median(finite) if len(finite) else float("nan"),
        dead=_share(dead),
        saturated=_share(saturated[bounded]),
        dead_or_saturated=_share(dead | saturated),
    )


def _share(chosen: Tensor) -> float:
    return float(chosen.double().mean()) if len(chosen) else 0.0


def _measure(graphs: list[NetGraph], n_rows: int, seed: int) -> Iterator[tuple[float, list[Tensor]]]:
    """Yield the largest deviation of an output of each network, and :func:`_flags` of its layers if it is finite."""
    rows = probe(max((graph.architecture.n_inputs for graph in graphs), default=1), n_rows, seed).double()
    states = [graph.state.detach() for graph in graphs]
    for _, stack, state in stacked([graph.architecture for graph in graphs], states):
        outputs, buffers = stack.buffers(state.double(), rows)
        rows_of = [stack.rows(position).tolist() for position in range(len(buffers))]
        for i, architecture in enumerate(stack.architectures):
            deviation = float(outputs[i].std(dim=0, correction=0).max())
            neurons = [
                _flags(layer.type, buffers[position][rows_of[position][i]][: layer.size])
                for layer, position in zip(architecture.layers, stack.layer_positions[i], strict=True)
                if layer.kind.kind == "elementwise" and layer.type != "Dropout"
            ]
            yield deviation, neurons if deviation < float("inf") else []


def _flags(kind: str, values: Tensor) -> Tensor:
    """Return whether each neuron is dead, saturated, and bounded at all, [neurons, 3], from [neurons, rows]."""
    dead = values.std(dim=1, correction=0) <= DEAD * values.square().mean(dim=1).sqrt()
    if kind not in BOUNDS:
        return torch.stack([dead, torch.zeros_like(dead), torch.zeros_like(dead)], dim=1)
    low, high = BOUNDS[kind]
    at_bound = (2 * values - low - high).abs() >= AT_BOUND * (high - low)
    return torch.stack([dead, at_bound.double().mean(dim=1) >= MOSTLY, torch.ones_like(dead)], dim=1)

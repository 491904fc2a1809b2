"""Metrics over sets of generated networks: are they valid, different from each other, and new."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from netgraph.errors import NetGraphError
from netgraph.evaluation.pairs import Graphs, as_list
from netgraph.graph.architecture import TENSOR_KINDS, Architecture
from netgraph.graph.netgraph import NetGraph, as_graph
from netgraph.graph.symmetry import canonicalize
from netgraph.graph.to_module import to_module
from netgraph.stack import probe

Level = Literal["network", "architecture"]
Floats = npt.NDArray[np.float64]

#: Largest difference of any canonical weight, three decimals, up to which two networks are one. A tolerance and not a
#: rounded hash: 1 % of permuted copies of a small network would round to another hash.
SAME = 1e-3


@torch.no_grad()
def is_valid(graph: NetGraph) -> bool:
    """Return whether a graph validates, becomes a module, and gives finite outputs on 64 standard normal rows.

    Example:
        >>> is_valid(netgraph.from_module(torch.nn.Linear(2, 1)))
        True
    """
    rows = probe(as_graph(graph, "is_valid").architecture.n_inputs).to(graph.state)
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
    found = as_list(generated, "generated")
    return sum(map(is_valid, found)) / len(found)


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

    Args:
        generated: n graphs.
        training: The training zoo.
        level: As of :func:`uniqueness`.

    Returns:
        A value in [0, 1]; 0 where none is valid.

    Raises:
        NetGraphError: When there is no graph on a side, or the level is unknown.

    Example:
        >>> graph = netgraph.from_module(torch.nn.Linear(2, 1))
        >>> novelty([graph], [graph])
        0.0
    """
    valid = [graph for graph in as_list(generated, "generated") if is_valid(graph)]
    found, known = _distinct(valid, level), as_list(training, "training")
    return len(_distinct(found, level, known)) / len(found) if found else 0.0


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

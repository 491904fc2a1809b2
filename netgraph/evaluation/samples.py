"""Metrics over sets of generated networks: are they valid, different from each other, and new."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from netgraph.errors import NetGraphError
from netgraph.evaluation.pairs import Graphs, as_list
from netgraph.graph.architecture import SLOT_KINDS, Architecture
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
    """Say whether a graph validates, becomes a module, and gives finite outputs on 64 standard normal rows."""
    rows = probe(as_graph(graph, "is_valid").architecture.n_inputs).to(graph.state)
    if not graph.validate(raise_on_error=False):
        return False
    try:
        outputs = to_module(graph).eval()(rows)
    except (NetGraphError, RuntimeError):
        return False
    return bool(torch.isfinite(outputs).all())


def validity(generated: Graphs) -> float:
    """Share of generated graphs that are runnable networks, see :func:`is_valid`; in [0, 1].

    Raises:
        NetGraphError: When there is no graph.
    """
    found = as_list(generated, "generated")
    return sum(map(is_valid, found)) / len(found)


def uniqueness(generated: Graphs, level: Level = "network") -> float:
    """Share of distinct graphs among the valid ones.

    Args:
        generated: n graphs.
        level: ``architecture``: graphs are the same when their layers are (names aside); ``network``: when also their
            canonical weights and running statistics differ by at most 0.001.

    Returns:
        A value in [0, 1]; 0 where none is valid.

    Raises:
        NetGraphError: When there is no graph, or the level is unknown.
    """
    valid = [graph for graph in as_list(generated, "generated") if is_valid(graph)]
    return len(distinct(valid, level)) / len(valid) if valid else 0.0


def novelty(generated: Graphs, training: Graphs, level: Level = "network") -> float:
    """Share of the distinct valid graphs that are not in the training zoo.

    Args:
        generated: n graphs.
        training: The training zoo.
        level: As of :func:`uniqueness`.

    Returns:
        A value in [0, 1]; 0 where none is valid.

    Raises:
        NetGraphError: When there is no graph on a side, or the level is unknown.
    """
    valid = [graph for graph in as_list(generated, "generated") if is_valid(graph)]
    found = distinct(valid, level)
    return len(unseen(found, as_list(training, "training"), level)) / len(found) if found else 0.0


def distinct(graphs: Sequence[NetGraph], level: Level) -> list[NetGraph]:
    """Keep the first of all that are the same."""
    kept: list[NetGraph] = []
    for members in _by_architecture(graphs, level).values():
        states: list[Floats] = []
        for graph in members:
            own = _signature(graph, level)
            if not _holds(states, own):
                states.append(own)
                kept.append(graph)
    return kept


def unseen(graphs: Sequence[NetGraph], training: Sequence[NetGraph], level: Level) -> list[NetGraph]:
    """Keep those that are not among the training networks."""
    known = _by_architecture(training, level)
    kept: list[NetGraph] = []
    for key, members in _by_architecture(graphs, level).items():
        states = [_signature(graph, level) for graph in known.get(key, [])]
        kept.extend(graph for graph in members if not _holds(states, _signature(graph, level)))
    return kept


def _by_architecture(graphs: Sequence[NetGraph], level: Level) -> dict[Architecture, list[NetGraph]]:
    if level not in ("network", "architecture"):
        raise NetGraphError(f"level {level!r}; known: network, architecture")
    found: dict[Architecture, list[NetGraph]] = defaultdict(list)
    for graph in graphs:
        found[graph.architecture.key].append(graph)
    return found


def _signature(graph: NetGraph, level: Level) -> Floats:
    """What a network of a given architecture is known by: nothing more, or its canonical state without counts."""
    if level == "architecture":
        return np.zeros(1)
    kept = graph.architecture.slot_kind != SLOT_KINDS.index("count")
    signature: Floats = canonicalize(graph).state.detach().cpu().double().numpy()[kept]
    return signature


def _holds(states: Sequence[Floats], state: Floats) -> bool:
    return bool(states) and bool((np.abs(np.stack(states) - state).max(axis=1, initial=0.0) <= SAME).any())

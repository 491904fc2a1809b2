"""Rebuilding with a peer: what it decodes no network from counts as the smallest network there is."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from netgraph import NetGraph
from peers.base import Peer
from peers.plan import Plan, architecture_of


@dataclass(frozen=True)
class Rebuilt:
    """Networks rebuilt by a peer.

    Attributes:
        graphs: One for each of the networks that were given.
        unusable: Share of them that the peer gave no network for.
    """

    graphs: list[NetGraph]
    unusable: float


def rebuild(peer: Peer, graphs: Sequence[NetGraph]) -> Rebuilt:
    """Encode canonical networks and decode them, free-running."""
    return fill(peer.decode(peer.encode(graphs)), graphs)


def fill(found: Sequence[NetGraph | None], true: Sequence[NetGraph]) -> Rebuilt:
    """Put the smallest network with as many inputs as the true one where none was found."""
    pairs = zip(found, true, strict=True)
    graphs = [smallest(graph.architecture.n_inputs) if one is None else one for one, graph in pairs]
    return Rebuilt(graphs, sum(one is None for one in found) / len(graphs))


def smallest(n_inputs: int) -> NetGraph:
    """Give the network without hidden layers and with zero weights."""
    architecture = architecture_of(Plan(n_inputs, ()))
    return NetGraph(architecture, torch.zeros(architecture.state_size))

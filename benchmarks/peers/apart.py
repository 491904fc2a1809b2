"""Lines that stand apart from the peers: something of the true network is given to them."""

from collections.abc import Sequence

import torch
from torch import Generator

from netgraph import NetGraph
from peers.base import Peer
from peers.grid import Grid
from peers.plan import plan_of


def mean_networks(train: Sequence[NetGraph], true: Sequence[NetGraph], grid: Grid) -> list[NetGraph | None]:
    """Give networks of the true architectures, each weight the mean over the training networks that have one there."""
    tables = grid.lay(train)
    mean = tables.values.sum(dim=0) / tables.mask.sum(dim=0).clamp(min=1)
    return [grid.network(plan_of(graph.architecture), mean) for graph in true]


def with_noise(graph: NetGraph, share: float, generator: Generator) -> NetGraph:
    """Add noise to every weight and bias, relative to the deviation of the network's state."""
    kind = torch.from_numpy(graph.architecture.slot_kind)
    noise = torch.randn(graph.state.shape, generator=generator) * (kind < 2)
    return graph.replace(state=graph.state + share * graph.state.std() * noise)


def nearest_latents(peer: Peer, train: Sequence[NetGraph], true: Sequence[NetGraph]) -> list[NetGraph]:
    """Give each network's nearest training network in a peer's latent space, among those with as many inputs."""
    ours, theirs = peer.encode(true), peer.encode(train)
    inputs = torch.tensor([graph.architecture.n_inputs for graph in train])
    wanted = torch.tensor([graph.architecture.n_inputs for graph in true])
    distance = torch.cdist(ours, theirs).masked_fill(wanted[:, None] != inputs, float("inf"))
    return [train[i] for i in distance.argmin(dim=1).tolist()]

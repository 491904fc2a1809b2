"""Networks with initial weights, as before any training."""

from collections.abc import Iterable

import torch
from torch import Generator, Tensor

from netgraph.graph.architecture import Architecture
from netgraph.graph.arguments import Network, as_graphs
from netgraph.graph.netgraph import NetGraph


def initialize(architecture: Architecture, generator: Generator) -> Tensor:
    """Draw the initial state as PyTorch does: weights and biases of a Linear from U(-a, a), a = 1 / sqrt(fan_in).

    Returns:
        The flat state, [P].

    Example:
        >>> architecture = netgraph.from_module(torch.nn.Linear(3, 1)).architecture
        >>> initialize(architecture, torch.Generator().manual_seed(0)).shape
        torch.Size([4])
    """
    state = torch.zeros(architecture.state_size)
    for tensor in architecture.tensors:
        layer = architecture.layers[tensor.layer]
        inside = slice(tensor.offset, tensor.offset + tensor.size)
        if layer.type == "Linear":
            bound = architecture.layers[layer.inputs[0]].size ** -0.5
            state[inside] = bound * (2 * torch.rand(tensor.size, generator=generator) - 1)
        elif tensor.kind in ("edge", "variance"):
            state[inside] = 1.0
    return state


def random_like(graphs: Iterable[Network], generator: Generator) -> list[NetGraph]:
    """Draw networks of the same architectures with PyTorch's initial weights.

    Raises:
        NetGraphError: When something else than a list of graphs is given.

    Example:
        >>> graph = netgraph.from_module(torch.nn.Linear(3, 1))
        >>> (other,) = random_like([graph], torch.Generator().manual_seed(0))
        >>> other.architecture == graph.architecture, torch.equal(other.state, graph.state)
        (True, False)
    """
    return [
        NetGraph(graph.architecture, initialize(graph.architecture, generator))
        for graph in as_graphs(graphs, "random_like")
    ]

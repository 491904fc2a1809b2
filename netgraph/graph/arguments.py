"""Networks as arguments: graphs, or modules that are read into graphs."""

from collections.abc import Iterable
from typing import Any

from torch import nn
from torch_geometric.data import Data

from netgraph.errors import NetGraphError
from netgraph.graph.from_module import Example, from_module
from netgraph.graph.netgraph import NetGraph, check_graph, kind_of

#: A network, wherever one is asked for.
Network = NetGraph | nn.Module


def as_graph(network: Any, name: str, example_input: Example | None = None) -> NetGraph:
    """Return one network as a graph.

    Args:
        network: An argument of a function: a graph, or a module.
        name: Name of the function, for the error.
        example_input: Inputs of a module that is not feed-forward, where the function has them.

    Raises:
        NetGraphError: When it is a list, a batch or anything else, or a module that cannot be read so.

    Example:
        >>> as_graph(nn.Linear(2, 1), "prune").architecture
        Input(2) > Linear(1)
    """
    if not isinstance(network, nn.Module):
        return check_graph(network, name)
    try:
        return from_module(network)
    except NetGraphError as error:
        if example_input is not None:
            return from_module(network, example_input)
        raise type(error)(f"{name}: {error}") from error


def as_graphs(networks: Any, name: str) -> list[NetGraph]:
    """Return several networks as graphs; arguments as of :func:`as_graph`.

    Raises:
        NetGraphError: When it is anything but an iterable of graphs and modules; also when it is one of them.
    """
    if isinstance(networks, nn.Module):
        raise NetGraphError(f"{name}: expected a list of networks, got one module; put it in a list")
    if isinstance(networks, Data) or not isinstance(networks, Iterable):
        raise NetGraphError(f"{name}: expected a list of networks, got {kind_of(networks)}")
    return [as_graph(network, f"{name}, item {i}") for i, network in enumerate(networks)]

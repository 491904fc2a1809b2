"""Networks as arguments: graphs, or modules that are read into graphs."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from netgraph.errors import NetGraphError, UnsupportedLayerError
from netgraph.graph.netgraph import NetGraph, check_graph, kind_of
from netgraph.graph.read_module import from_module

#: A network, wherever one is asked for.
Network = NetGraph | nn.Module


def as_graph(network: Any, name: str, inputs: Sequence[Any] | None = None) -> NetGraph:
    """Return one network as a graph.

    Args:
        network: An argument of a function: a graph, or a module.
        name: Name of the function, for the error.
        inputs: Inputs of a module that is not feed-forward, where the function has them; arrays or tensors.

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
        if inputs is None:
            raise type(error)(f"{name}: {error}") from error
    return from_module(network, _example(network, inputs))


def _example(module: nn.Module, inputs: Sequence[Any]) -> tuple[Any, ...]:
    """Return inputs as tensors, floating-point numbers in the type of the module's."""
    dtype = next((value.dtype for value in module.parameters() if value.is_floating_point()), torch.float32)
    tensors = (torch.as_tensor(value) if isinstance(value, np.ndarray) else value for value in inputs)
    return tuple(x.to(dtype) if isinstance(x, Tensor) and x.is_floating_point() else x for x in tensors)


def as_graphs(networks: Any, name: str, reader: str | None = None) -> list[NetGraph]:
    """Return several networks as graphs; arguments as of :func:`as_graph`, and of :func:`as_feed_forward` if given.

    Raises:
        NetGraphError: When it is anything but an iterable of graphs and modules; also when it is one of them, or one
            of them is not feed-forward where a reader asks for such.
    """
    if isinstance(networks, nn.Module):
        raise NetGraphError(f"{name}: expected a list of networks, got one module; put it in a list")
    if isinstance(networks, Data) or not isinstance(networks, Iterable):
        raise NetGraphError(f"{name}: expected a list of networks, got {kind_of(networks)}")
    items = ((network, f"{name}, item {i}") for i, network in enumerate(networks))
    return [as_graph(*item) if reader is None else as_feed_forward(*item, reader) for item in items]


def as_feed_forward(network: Any, name: str, reader: str) -> NetGraph:
    """Return one feed-forward network as a graph.

    Args:
        network: An argument of a function: a graph, or a module.
        name: Name of the network, for the error.
        reader: Whatever reads it, and no other networks.

    Raises:
        NetGraphError: As of :func:`as_graph`, and when the network is not feed-forward; it names the layer.

    Example:
        >>> as_feed_forward(nn.Conv1d(1, 1, 3), "network 0", "the model")
        Traceback (most recent call last):
        netgraph.errors.UnsupportedLayerError: network 0: Conv1d is not supported; the model reads feed-forward networks
    """
    only = f"{reader} reads feed-forward networks"
    if not isinstance(network, nn.Module):
        graph = check_graph(network, name)
        if graph.program is not None:
            raise UnsupportedLayerError(f"{name}: {graph.program.beyond}; {only}")
        return graph
    try:
        return from_module(network)
    except UnsupportedLayerError as error:
        raise UnsupportedLayerError(f"{name}: {error.__cause__ or error}; {only}") from error
    except NetGraphError as error:
        raise type(error)(f"{name}: {error}") from error

"""Feed-forward graphs in the general form, and examples of a network's inputs."""

from typing import Any

import torch
from torch import Tensor

from netgraph.graph.modules.convert import convert
from netgraph.graph.modules.encoding import decode, dtype_named
from netgraph.graph.netgraph import NetGraph, as_graph
from netgraph.graph.to_module import to_module


def generalize(graph: NetGraph) -> NetGraph:
    """Give a feed-forward graph the general form, in which a network of any other kind is held."""
    if as_graph(graph, "generalize").program is not None:
        return graph
    return convert(to_module(graph), example_of(graph))


def example_of(graph: NetGraph, generator: torch.Generator | None = None) -> Any:
    """Make inputs of the shapes for which a network was read: a tensor, or a tuple of them.

    Args:
        graph: The network.
        generator: Draws standard normal numbers; None gives zeros.
    """
    graph = as_graph(graph, "example_of")
    if graph.program is None:
        return _tensor((2, graph.architecture.n_inputs), graph.state.dtype, generator).to(graph.state.device)
    rows = {row.target: row.shape for row in graph.program.rows if row.op == "input"}
    held = decode(graph.program.held, {})
    made = (held[n] if n in held else _of_shape(rows[n], generator) for n in graph.program.inputs)
    found = tuple(value.to(graph.state.device) if isinstance(value, Tensor) else value for value in made)
    return found[0] if len(found) == 1 else found


def _of_shape(shape: Any, generator: torch.Generator | None) -> Any:
    if not isinstance(shape, tuple) or shape[0] != "shape":
        return None
    return _tensor(shape[2:], dtype_named(shape[1]), generator)


def _tensor(sizes: tuple[int, ...], dtype: torch.dtype, generator: torch.Generator | None) -> Tensor:
    if generator is None or not dtype.is_floating_point:
        return torch.zeros(sizes, dtype=dtype)
    return torch.randn(sizes, dtype=dtype, generator=generator)

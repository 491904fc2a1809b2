"""Fields of a general graph that are expanded from its state when they are read: biases, edge weights."""

import math
from typing import Any

import torch
from torch import Tensor

from netgraph.graph.modules.program import Program
from netgraph.graph.modules.values import view
from netgraph.graph.modules.wiring import Ints, wire


def gather(values: Tensor, elements: Ints, missing: float) -> Tensor:
    """Return the value of every state element, and ``missing`` for element -1."""
    index = torch.from_numpy(elements).to(values.device)
    there = index >= 0
    return values.new_full(index.shape, missing).masked_scatter(there, values[index[there]])


def expand(key: str, program: Program, state: Tensor, other: Tensor) -> Tensor:
    """Expand ``bias`` [N], ``edge_weight`` [E] or [E, k], or ``structural`` [E].

    Raises:
        NetGraphError: When the edges' kernels, padded to the longest, would not fit in memory.
    """
    others = [view(t, state, other).reshape(-1).to(state) for t in program.tensors if not t.in_state]
    by_element = torch.cat([state, *others]) if others else state
    if key == "bias":
        return gather(by_element, wire(program).bias_element, 0.0)
    edges = wire(program).edges
    structural = torch.from_numpy(edges.count == 0).to(state.device)
    if key == "structural":
        return structural
    values = gather(by_element, edges.slot, 0.0)
    weight = values.new_zeros(math.prod(edges.shape)).index_copy(
        0, torch.from_numpy(edges.flat_index).to(state.device), values
    )
    first = torch.arange(edges.shape[1], device=state.device) == 0
    weight = weight.view(edges.shape).masked_fill(structural[:, None] & first, 1.0)
    return weight[:, 0] if weight.shape[1] == 1 else weight


def assign(network: Any, state: Tensor, other: Tensor, elements: Ints, values: Tensor) -> Tensor:
    """Write values into state elements, those of other types than the state's behind its own; return the state.

    Args:
        network: An architecture or a program.
        state: The flat state, [P]; changed in place.
        other: The bytes of tensors of other types, [Q] uint8; changed in place.
        elements: State elements, [n].
        values: Their new values, [n].
    """
    index, start = torch.from_numpy(elements).to(state.device), network.state_size
    inside = index < start
    state[index[inside]] = values[inside].to(state)
    for tensor in network.tensors if isinstance(network, Program) else ():
        if not tensor.in_state:
            here = (index >= start) & (index < start + tensor.size)
            held = view(tensor, state, other).view(-1)
            held[index[here] - start] = values[here].to(held)
            start += tensor.size
    return state

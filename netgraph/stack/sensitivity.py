"""Neuron sensitivity (SeReNe: Tartaglione et al. 2021, arXiv 2102.03773)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import Architecture
from netgraph.graph.arguments import Network, as_graph
from netgraph.graph.modules.sensitivity import absolute_derivatives, module_sensitivity
from netgraph.graph.netgraph import NetGraph
from netgraph.stack.chunking import chunks
from netgraph.stack.stack import Stack


@torch.enable_grad()
def stack_sensitivity(stack: Stack, flat: Tensor, x: Tensor) -> list[Tensor]:
    """Measure the sensitivity of every node of every network.

    The sensitivity of a node is the mean over rows and outputs of the absolute total derivative of the output, in
    evaluation mode, by the node's pre-activation. That is

    - for an elementwise node (an activation, Identity, Dropout) the value that it reads: a neuron and its activation
      have the same sensitivity;
    - for any other node (an input, a neuron, a norm, a join) its own value.

    A total derivative takes every path to the output. An output node that is no activation has 1 / outputs. Derivatives
    are taken in float64, so that in float32 the result too is exact to rounding.

    Args:
        stack: The networks' executor.
        flat: Their concatenated states, [sum P].
        x: Rows, as for the stack.

    Returns:
        One tensor a network, [N], >= 0, in the floating-point type of ``flat``.
    """
    # The inputs ask for a gradient so that autograd keeps every buffer.
    output, buffers = stack.buffers(flat.detach().double(), x.detach().double().requires_grad_())
    total = [buffer.new_zeros(buffer.shape[:2]) for buffer in buffers]
    for i, derivative in absolute_derivatives((one.sum() for one in output.unbind(-1)), buffers):
        total[i] += derivative.mean(dim=2)
    rows = [stack.rows(position).tolist() for position in range(len(buffers))]
    measured = []
    for i, (architecture, positions) in enumerate(zip(stack.architectures, stack.layer_positions, strict=True)):
        parts = []
        for number, layer in enumerate(architecture.layers):
            read = positions[layer.inputs[0] if layer.kind.kind == "elementwise" else number]
            parts.append(total[read][rows[read][i], : layer.size])
        measured.append((torch.cat(parts) / architecture.n_outputs).to(flat.dtype))
    return measured


def sensitivities(architectures: Sequence[Architecture], states: Sequence[Tensor], x: Tensor) -> list[Tensor]:
    """Measure the sensitivity of networks of any sizes, those of similar size side by side.

    Args:
        architectures: M architectures.
        states: Their states, each [P].
        x: Rows, [M, rows, inputs], zero padded.

    Returns:
        One tensor a network, [N], >= 0.

    Example:
        >>> graph = netgraph.from_module(torch.nn.Linear(2, 1))
        >>> sensitivities([graph.architecture], [graph.state], torch.ones(1, 5, 2))[0].shape
        torch.Size([3])
    """
    measured: dict[int, Tensor] = {}
    for members in chunks(architectures):  # on a GPU too, of which float64 values of larger chunks fill the memory
        stack = Stack([architectures[i] for i in members], x.device)
        values = stack_sensitivity(stack, stack.flatten([states[i] for i in members]), x[members])
        measured.update(zip(members, values, strict=True))
    return [measured[i] for i in range(len(architectures))]


def sensitivity(graph: Network, *inputs: Any) -> Tensor:
    """Measure SeReNe's neuron sensitivity of one network of any kind; ``with_sensitivity`` stores it.

    Args:
        graph: The network, a graph or a module.
        inputs: Rows of its task: one x, [rows, inputs], for a feed-forward network; else its inputs, by autograd
            through the module (see :func:`~netgraph.graph.modules.sensitivity.module_sensitivity`).

    Returns:
        The mean over rows and outputs of |d output / d pre-activation| of every node, [num_nodes], >= 0; for a
        channel the sum over its positions.

    Raises:
        NetGraphError: When the inputs do not fit the network, or hold NaN or infinity.

    Example:
        >>> graph = netgraph.from_module(torch.nn.Linear(2, 1))
        >>> float(sensitivity(graph, torch.ones(5, 2))[2])  # of the output
        1.0
    """
    graph = as_graph(graph, "sensitivity", inputs)
    if graph.program is not None:
        return module_sensitivity(graph, *inputs)
    if len(inputs) != 1:
        raise NetGraphError(f"a feed-forward network reads one x, [rows, inputs]; given {len(inputs)} inputs")
    x = torch.as_tensor(inputs[0])
    n_inputs = graph.architecture.n_inputs
    if x.ndim != 2 or x.shape[1] != n_inputs or not len(x):
        raise NetGraphError(f"x has shape {tuple(x.shape)}; the network reads [rows, {n_inputs}]")
    bad = (~torch.isfinite(x)).any(dim=0).nonzero().flatten().tolist()
    if bad:
        raise NetGraphError(f"column {bad[0]} of x holds NaN or infinity")
    stack = Stack([graph.architecture], graph.state.device)
    return stack_sensitivity(stack, graph.state, x.to(graph.state))[0]


def with_sensitivity(graph: Network, *inputs: Any) -> NetGraph:
    """Return the graph with its :func:`sensitivity` measured and stored on it.

    Example:
        >>> with_sensitivity(netgraph.from_module(torch.nn.Linear(2, 1)), torch.ones(5, 2)).sensitivity.isnan().any()
        tensor(False)
    """
    graph = as_graph(graph, "with_sensitivity", inputs)
    measured = sensitivity(graph, *inputs)
    return graph.replace(sensitivity=measured)

"""Where a target changes, and networks that look there before they are trained.

The gradients of fitted networks say along which directions of the columns their target changes: in their average outer
product (AGOP). Random features drawn along these directions and fitted anew are a recursive feature machine
(Radhakrishnan et al. 2024), which learns features without a gradient step.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from netgraph.graph.netgraph import NetGraph
from netgraph.stack import Stack

#: Shares of the product and of its diagonal, single columns, in what a network looks at; every column has the rest. By
#: its diagonal a column counts that matters in several directions; chosen on 200 tables that no benchmark has.
DIRECTIONS, COLUMNS = 0.45, 0.45


def relevance(graphs: Sequence[NetGraph], x: Tensor, device: str = "cpu") -> Tensor:
    """Give the average gradient outer product of networks, those of each brought to the same size.

    Args:
        graphs: Networks with one output that fit a target.
        x: Rows, [rows, columns].
        device: Where to run them.

    Returns:
        A positive semidefinite matrix, [columns, columns] float64, of mean 1 on its diagonal where no network is
        constant, or not finite: what such a one says does not count.
    """
    stack = Stack([graph.architecture for graph in graphs], device)
    rows = x.to(stack.device).expand(len(graphs), -1, -1).clone().requires_grad_()
    output = stack(stack.flatten([graph.state for graph in graphs]), rows)
    (gradients,) = torch.autograd.grad(output.sum(), rows)
    products = gradients.double().mT @ gradients.double()
    size = products.diagonal(dim1=1, dim2=2).mean(dim=1)[:, None, None]
    return torch.where((size > 0) & size.isfinite(), products / size, 0.0).mean(dim=0).cpu()


def focused(graph: NetGraph, matrix: Tensor) -> NetGraph:
    """Give a network whose first layer looks where the target changes.

    Args:
        graph: A network whose columns are read by one linear layer, the first.
        matrix: The relevance of the columns, [columns, columns].
    """
    first = graph.architecture.tensors[0]
    seen = DIRECTIONS * matrix + COLUMNS * matrix.diagonal().diag() + (1 - DIRECTIONS - COLUMNS) * torch.eye(len(matrix))
    weights = graph.state[: first.size].view(first.shape).double() @ seen
    return graph.replace(state=torch.cat([weights.flatten().to(graph.state), graph.state[first.size :]]))

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

#: Rows a column from which on directions count, and from which on single columns do. What is drawn along them knows the
#: target of all rows, which makes its error on a row left out at most about a tenth of the noise too small; of fewer
#: rows, more.
DIRECTION_ROWS, COLUMN_ROWS = 10, 4
#: Share of every column alike in what a network looks at, so that none is lost.
ALIKE = 0.1


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


def focus(matrix: Tensor, rows: int) -> Tensor:
    """Give what the columns are multiplied by, so that a network looks where the target changes.

    Half of it is the relevance, half its diagonal: a column counts that matters in several directions. Where there are
    few rows it is the diagonal alone. Both shares were chosen on 200 tables that no benchmark has.

    Args:
        matrix: The relevance, [columns, columns].
        rows: How many it was found on.
    """
    columns = matrix.diagonal().diag()
    looked = (matrix + columns) / 2 if rows >= DIRECTION_ROWS * len(matrix) else columns
    return (1 - ALIKE) * looked + ALIKE * torch.eye(len(matrix))


def focused(graph: NetGraph, focus: Tensor) -> NetGraph:
    """Give a network that reads the columns times a matrix, [columns, columns]; its first layer alone reads columns."""
    first = graph.architecture.tensors[0]
    weights = graph.state[: first.size].view(first.shape).double() @ focus
    return graph.replace(state=torch.cat([weights.flatten().to(graph.state), graph.state[first.size :]]))

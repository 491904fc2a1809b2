"""Where a target changes, and networks that look there before they are trained.

The gradients of fitted networks say along which directions of the columns their target changes: in their average outer
product (AGOP). Random features drawn along these directions and fitted anew are what a recursive feature machine does
(Radhakrishnan et al. 2024), which learns features without a gradient step. Here it is done once, with the mean product
of several networks, and columns are multiplied by the product itself, which is what its root comes to in two rounds.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from netgraph.graph.netgraph import NetGraph
from netgraph.search.projection import ROWS_A_COLUMN
from netgraph.stack import Stack

#: Rows a column from which on single columns count; directions need as many as those of a projection. What is drawn
#: along them knows the target of all rows, which makes errors on rows left out smaller by at most about a tenth of the
#: noise; of fewer rows, by more.
COLUMN_ROWS = 4
#: Share of the identity in a focus, so that no column is lost.
SHRINKAGE = 0.1
#: Most rows that gradients are taken at.
MOST_ROWS = 2048


@torch.enable_grad()
def relevance(graphs: Sequence[NetGraph], x: Tensor, device: str = "cpu") -> Tensor:
    """Give the average gradient outer product of networks, each brought to mean 1 on its diagonal.

    Args:
        graphs: Networks with one output that fit a target. Those that are constant or not finite do not count.
        x: Rows, [rows, columns]; columns that do not vary count as irrelevant.
        device: Where to run the networks.

    Returns:
        A positive semidefinite matrix, [columns, columns] float64; 0 where no network counts.
    """
    stack = Stack([graph.architecture for graph in graphs], device)
    some = x[:: -(-len(x) // MOST_ROWS)].to(stack.device)
    rows = some.expand(len(graphs), -1, -1).clone().requires_grad_()
    output = stack(stack.flatten([graph.state for graph in graphs]), rows)
    gradients = torch.autograd.grad(output.sum(), rows)[0] * (some != some[0]).any(dim=0)
    products = (gradients.mT @ gradients).double()
    mean = products.diagonal(dim1=1, dim2=2).mean(dim=1)[:, None, None]
    counted = (mean > 0) & mean.isfinite()
    return (torch.where(counted, products / mean, 0.0).sum(dim=0) / counted.sum().clamp(min=1)).cpu()


def focus(matrix: Tensor, rows: int) -> Tensor:
    """Give what columns are multiplied by, so that a network looks where the target changes.

    It is the mean of the relevance and its diagonal, since a column counts that matters in several directions, and of
    few rows the diagonal alone; shrunk towards the identity.

    Args:
        matrix: The relevance, [columns, columns].
        rows: How many it was found on.
    """
    columns = matrix.diagonal().diag()
    relevant = (matrix + columns) / 2 if rows >= ROWS_A_COLUMN * len(matrix) else columns
    return (1 - SHRINKAGE) * relevant + SHRINKAGE * torch.eye(len(matrix), dtype=matrix.dtype)


def focused(graph: NetGraph, matrix: Tensor) -> NetGraph:
    """Give a network that reads the columns times a matrix, [columns, columns]; its first layer alone reads columns."""
    first = graph.architecture.tensors[0]
    weights = graph.state[: first.size].view(first.shape).double() @ matrix
    return graph.replace(state=torch.cat([weights.flatten().to(graph.state), graph.state[first.size :]]))

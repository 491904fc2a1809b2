"""Where a target changes, and networks that look there before they are trained.

The gradients of fitted networks say along which directions of the columns their target changes: in their average outer
product (AGOP). Random features drawn along these directions and fitted anew are what a recursive feature machine does
(Radhakrishnan et al. 2024), which learns features without a gradient step. Here it is done once, with the mean product
of several networks, and columns are multiplied by the product itself, which is what its root comes to in two rounds.

What is focused knows the target of all rows. With rows enough that makes errors on rows left out hardly smaller; with
fewer, networks are focused and fitted anew without each fold, and judged by what they say of it.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from netgraph.graph.netgraph import NetGraph
from netgraph.search.data import Data, evenly_spaced
from netgraph.search.folds import Folds
from netgraph.search.projection import ROWS_A_COLUMN
from netgraph.search.running import Judged, best, solve
from netgraph.stack import Stack

#: Share of the identity in a focus, so that no column is lost.
SHRINKAGE = 0.1
#: Most rows that gradients are taken at.
MOST_ROWS = 2048


@torch.enable_grad()
def agop(graphs: Sequence[NetGraph], x: Tensor, device: str = "cpu") -> Tensor:
    """Give the average gradient outer product of networks, each brought to mean 1 on its diagonal.

    Args:
        graphs: Networks with one output that fit a target. Those that are constant or not finite do not count.
        x: Rows, [rows, columns]; columns that do not vary count as irrelevant.
        device: Where to run the networks.

    Returns:
        A positive semidefinite matrix, [columns, columns] float64; 0 where no network counts.
    """
    stack = Stack([graph.architecture for graph in graphs], device)
    some = x[evenly_spaced(len(x), MOST_ROWS)].to(stack.device)
    rows = some.expand(len(graphs), -1, -1).clone().requires_grad_()
    output = stack(stack.flatten([graph.state for graph in graphs]), rows)
    gradients = torch.autograd.grad(output.sum(), rows)[0] * (some != some[0]).any(dim=0)
    products = (gradients.mT @ gradients).double()
    mean = products.diagonal(dim1=1, dim2=2).mean(dim=1)[:, None, None]
    counted = (mean > 0) & mean.isfinite()
    return (torch.where(counted, products / mean, 0.0).sum(dim=0) / counted.sum().clamp(min=1)).cpu()


def focus(matrix: Tensor, rows: int) -> Tensor:
    """Give what columns are multiplied by, so that a network looks where the target changes.

    It is the mean of the product and its diagonal, since a column counts that matters in several directions, and of
    few rows the diagonal alone; shrunk towards the identity.

    Args:
        matrix: The average gradient outer product, [columns, columns].
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


def fit_focused(wide: Sequence[NetGraph], fitted: Sequence[Judged], data: Data, device: str = "cpu") -> list[Judged]:
    """Focus networks, and fit their last layers anew.

    Args:
        wide: Networks whose first layers alone read columns.
        fitted: Networks that fit the same rows, the best of which, as many, say where to look.
        data: The rows.
        device: Where to run them.
    """
    matrix = focus(agop([one.graph for one in best(fitted, len(wide))], data.x, device), len(data.y))
    return solve([focused(graph, matrix) for graph in wide], data, device)


def focus_by_folds(
    wide: Sequence[NetGraph], baselines: Sequence[NetGraph], fitted: Sequence[Judged], folds: Folds
) -> list[Judged]:
    """Focus networks on all rows, and judge them by copies for which a fold was left out from the beginning.

    Args:
        wide: Networks whose first layers alone read columns.
        baselines: Networks that are fitted first without each fold, to say where to look.
        fitted: The same, fitted to all rows.
        folds: The rows.
    """
    device = folds.device
    without = [fit_focused(wide, solve(baselines, rows, device), rows, device) for rows in folds.parts]
    return folds.pair(without, fit_focused(wide, fitted, folds.data, device))

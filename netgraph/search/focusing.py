"""Where a target changes, and networks that look there before they are trained.

The gradients of fitted networks say along which directions of the columns their target changes: in their average outer
product (AGOP). Random features drawn along these directions and fitted anew are what a recursive feature machine does
(Radhakrishnan et al. 2024), which learns features without a gradient step. Here it is done once, with the mean product
of several networks, and columns are multiplied by the product itself, which is what its root comes to in two rounds.
A Gaussian process says how far along each column it goes straight on (see :mod:`~netgraph.search.relevance`); random
features whose weights are as large as one over these lengths resemble it (Rahimi & Recht 2008), where the last layer
reads the columns too.

What is focused knows the target of all rows. With rows enough that makes errors on rows left out hardly smaller; with
fewer, networks are focused and fitted anew without each fold, and judged by what they say of it.
"""

from collections.abc import Callable, Sequence
from itertools import cycle, islice

import torch
from torch import Tensor

from netgraph.graph.netgraph import NetGraph
from netgraph.search.data import Data, evenly_spaced
from netgraph.search.deadline import Deadline
from netgraph.search.folds import Folds
from netgraph.search.projection import ROWS_A_COLUMN
from netgraph.search.relevance import Kernel, length_scales, matern, squared_exponential
from netgraph.search.running import Judged, best, solve
from netgraph.stack import Stack

#: Share of the identity in a focus, so that no column is lost.
SHRINKAGE = 0.1
#: Most rows that gradients are taken at.
MOST_ROWS = 2048
#: Kernels of the processes whose length scales random features are given.
KERNELS = (squared_exponential, matern)

#: Gives, for rows and a number of networks, what each of these reads the columns times, [columns, columns].
Look = Callable[[Data, int], list[Tensor]]


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
    """Give a network whose first layer reads the columns times a matrix, [columns, columns]."""
    first = graph.architecture.tensors[0]
    weights = graph.state[: first.size].view(first.shape).double() @ matrix
    return graph.replace(state=torch.cat([weights.flatten().to(graph.state), graph.state[first.size :]]))


class Gradients:
    """Look along the gradients of the best of networks that are fitted to rows.

    Args:
        graphs: The networks.
        fitted: The same, fitted to all rows.
        data: All rows.
        device: Where to run them.
    """

    def __init__(self, graphs: Sequence[NetGraph], fitted: Sequence[Judged], data: Data, device: str = "cpu") -> None:
        self.graphs, self.fitted, self.data, self.device = graphs, tuple(fitted), data, device

    def __call__(self, rows: Data, count: int) -> list[Tensor]:
        """Ask the best ``count`` networks, and give what they say together as often."""
        fitted = self.fitted if rows is self.data else solve(self.graphs, rows, self.device)
        product = agop([one.graph for one in best(fitted, count)], rows.x, self.device)
        return [focus(product, len(rows.y))] * count


class Relevance:
    """Give random features the length scales of Gaussian processes, one of each kernel in turn.

    Args:
        deadline: Its clock.
        seconds: Time after which the search for the scales of a process is over.
    """

    def __init__(self, deadline: Deadline, seconds: float) -> None:
        self.deadline, self.seconds = deadline, seconds

    def __call__(self, rows: Data, count: int) -> list[Tensor]:
        """Give one over the scales, in units of a first layer's initial weights."""
        initial = (3 * rows.x.shape[1]) ** -0.5
        found = [(1 / (initial * self._scales(rows, kernel))).diag() for kernel in KERNELS[:count]]
        return list(islice(cycle(found), count))

    def _scales(self, rows: Data, kernel: Kernel) -> Tensor:
        end = self.deadline.passed + self.seconds
        return length_scales(rows, kernel, lambda: self.deadline.passed > end)


def sensitivity(fitted: Sequence[Judged], count: int, x: Tensor, device: str = "cpu") -> Tensor:
    """Say how much the best of networks change along each column, by which those with initial weights may be focused.

    Args:
        fitted: The networks.
        count: How many are asked.
        x: Rows, [rows, columns].
        device: Where to run them.

    Returns:
        Roots of mean squared gradients, of mean 1 and shrunk towards it, on a diagonal, [columns, columns] float64.
    """
    roots = agop([one.graph for one in best(fitted, count)], x, device).diagonal().sqrt()
    mean = roots.mean().clamp(min=torch.finfo(roots.dtype).tiny)
    return ((1 - SHRINKAGE) * roots / mean + SHRINKAGE).diag()


def can_be_focused(graph: NetGraph) -> bool:
    """Say whether one linear layer alone reads the columns."""
    readers = [i for i, layer in enumerate(graph.architecture.layers) if 0 in layer.inputs]
    return readers == [graph.architecture.tensors[0].layer] and graph.architecture.layers[readers[0]].type == "Linear"


def fit_focused(wide: Sequence[NetGraph], matrices: Sequence[Tensor], data: Data, device: str = "cpu") -> list[Judged]:
    """Focus networks, each by a matrix, and fit their last layers to rows."""
    return solve([focused(graph, matrix) for graph, matrix in zip(wide, matrices, strict=True)], data, device)


def focus_by_folds(wide: Sequence[NetGraph], look: Look, whole: Sequence[Judged], folds: Folds) -> list[Judged]:
    """Judge focused networks by copies for which a fold was left out from the beginning.

    Args:
        wide: The networks before they were focused.
        look: Says where rows look.
        whole: The networks, focused and fitted on all rows.
        folds: The rows.
    """
    return folds.pair([fit_focused(wide, look(rows, len(wide)), rows, folds.device) for rows in folds.parts], whole)

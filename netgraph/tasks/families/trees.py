"""Ensembles of oblivious decision trees."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Generator, Tensor

from netgraph.tasks.families.base import Problem, TaskFamily
from netgraph.tasks.inputs import integer, normal
from netgraph.tasks.settings import Between, Whole

#: Share of the rows on either side of a threshold, at least.
MARGIN = 0.1


@dataclass(frozen=True)
class ObliviousTrees(TaskFamily):
    """A sum of oblivious trees: every level of a tree asks one question of one column, and leaves are normal.

    Source: the trees of Prokhorenkova et al., CatBoost, NeurIPS 2018, section 4. Columns are dealt to the questions in
    turn, so that each is asked about; there are more trees than asked for where that needs them. A threshold is a
    quantile of its column, between the tenth and the ninetieth.

    Attributes:
        n_trees: Trees.
        depth: Questions of each tree; it has two to that power leaves.
    """

    name: ClassVar[str] = "oblivious_trees"
    n_trees: Annotated[Whole, Between(1, 1024)] = (1, 16)
    depth: Annotated[Whole, Between(1, 10)] = (1, 4)

    def draw(self, z: Tensor, generator: Generator) -> Problem:
        """See :meth:`TaskFamily.draw`."""
        depth = integer(*self.depth, generator)
        trees = max(integer(*self.n_trees, generator), math.ceil(z.shape[1] / depth))
        rounds = math.ceil(trees * depth / z.shape[1])  # every column once before any comes twice
        column = torch.cat([torch.randperm(z.shape[1], generator=generator) for _ in range(rounds)])[: trees * depth]
        answers = (z[:, column] > _thresholds(z[:, column], generator)).view(len(z), trees, depth)
        leaf = (answers * 2 ** torch.arange(depth)).sum(dim=2)  # [rows, trees]
        values = normal(2**depth, trees, generator=generator)
        return Problem(z, values.gather(0, leaf).sum(dim=1), {"n_trees": trees, "depth": depth})


def _thresholds(z: Tensor, generator: Generator) -> Tensor:
    """Draw a value midway between two neighbors of each column, [columns]."""
    ordered = z.sort(dim=0).values
    share = MARGIN + (1 - 2 * MARGIN) * torch.rand(z.shape[1], generator=generator, dtype=torch.float64)
    below = (share * (len(z) - 1)).long().clamp(0, len(z) - 2)
    pair = torch.stack([below, below + 1])
    return ordered.gather(0, pair).mean(dim=0)

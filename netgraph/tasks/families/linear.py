"""Linear targets of columns of low effective rank."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Generator, Tensor

from netgraph.tasks.families.base import Inputs, Problem, TaskFamily
from netgraph.tasks.inputs import columns, log_uniform, normal, standard, uniform
from netgraph.tasks.settings import Between, Range


@dataclass(frozen=True)
class Linear(TaskFamily):
    """A weighted sum of the columns with normal weights; the columns have a bell-shaped singular profile.

    The i-th singular value is ``(1 - t) exp(-(i / r)^2) + t exp(-0.1 i / r)`` of the first, as in scikit-learn's
    ``make_low_rank_matrix``; every column is then brought to variance 1.

    Attributes:
        effective_rank: r, about the number of directions that carry the columns; drawn log-uniformly.
        tail_strength: t, the share of the slowly falling tail, from 0 to 1; drawn evenly.
    """

    name: ClassVar[str] = "linear"
    effective_rank: Annotated[Range, Between(0.1, 1e6)] = (1.0, 50.0)
    tail_strength: Annotated[Range, Between(0, 1)] = (0.0, 1.0)

    def inputs(self, n_features: int, rows: int, generator: Generator) -> Inputs:
        """See :meth:`TaskFamily.inputs`."""
        rank = log_uniform(*self.effective_rank, generator)
        tail = uniform(*self.tail_strength, generator)
        left, values, right = torch.linalg.svd(columns(n_features, rows, generator), full_matrices=False)
        i = torch.arange(len(values), dtype=left.dtype)
        profile = (1 - tail) * torch.exp(-((i / rank) ** 2)) + tail * torch.exp(-0.1 * i / rank)
        return Inputs(standard(left * profile @ right), {"effective_rank": rank, "tail_strength": tail})

    def draw(self, z: Tensor, generator: Generator) -> Problem:
        """See :meth:`TaskFamily.draw`."""
        return Problem(z, z @ normal(z.shape[1], generator=generator), {})

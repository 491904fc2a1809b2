"""Sparse polynomials."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Generator, Tensor

from netgraph.tasks.families.base import Problem, TaskFamily
from netgraph.tasks.inputs import integer, normal
from netgraph.tasks.settings import Between, Whole


@dataclass(frozen=True)
class Polynomial(TaskFamily):
    """A sparse sum of products of 1 to ``degree`` columns with normal weights; each column is in at least one term.

    Attributes:
        degree: Most factors of a term.
        terms_per_column: Terms, as a multiple of the columns.
    """

    name: ClassVar[str] = "polynomial"
    degree: Annotated[Whole, Between(1, 8)] = (2, 3)
    terms_per_column: Annotated[Whole, Between(1, 32)] = (2, 2)

    def draw(self, z: Tensor, generator: Generator) -> Problem:
        """See :meth:`TaskFamily.draw`."""
        n_features, degree = z.shape[1], integer(*self.degree, generator)
        terms = n_features * integer(*self.terms_per_column, generator)
        factors = torch.randint(0, n_features, (terms, degree), generator=generator)
        factors[:n_features, 0] = torch.arange(n_features)
        # A term of fewer factors than the degree has ones in the places that are left.
        used = torch.arange(degree) < torch.randint(1, degree + 1, (terms, 1), generator=generator)
        products = torch.where(used, z[:, factors], torch.ones((), dtype=z.dtype)).prod(dim=2)  # [rows, terms]
        return Problem(z, products @ normal(terms, generator=generator), {"degree": degree, "terms": terms})

"""Products of two other families on the same columns."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Generator, Tensor

from netgraph.errors import NetGraphError
from netgraph.tasks.families.base import Problem, TaskFamily, get_family
from netgraph.tasks.inputs import standard, uniform
from netgraph.tasks.settings import Between, Range, some_of
from netgraph.tasks.task import Description

FACTORS = (
    "linear",
    "mlp_teacher",
    "bayesian_network",
    "polynomial",
    "gaussian_process",
    "structural_causal_model",
    "oblivious_trees",
    "piecewise",
)


@dataclass(frozen=True)
class Products(TaskFamily):
    """``(m + a)(m + b)``: a and b are two different families' targets of the same columns, at variance 1.

    The families have their default settings; the columns are normal or uniform whatever their :meth:`inputs` are. A
    family that makes columns of its own in :meth:`draw` goes first, and the second takes them.

    Attributes:
        factors: Families to choose the two from, at least two of them.
        offset: m, drawn evenly; at 0 neither factor shows alone, the larger the more the sum of both does.
    """

    name: ClassVar[str] = "products"
    keeps_columns: ClassVar[bool] = False
    factors: Annotated[tuple[str, ...], some_of(FACTORS)] = FACTORS
    offset: Annotated[Range, Between(0, 100)] = (0.0, 1.5)

    def __post_init__(self) -> None:
        """Check the fields; see :meth:`TaskFamily.__post_init__`."""
        super().__post_init__()
        if len(self.factors) < 2 or len(set(self.factors)) < len(self.factors):
            raise NetGraphError(f"families.products.factors is {self.factors!r}; it must be two or more, each once")

    def draw(self, z: Tensor, generator: Generator) -> Problem:
        """See :meth:`TaskFamily.draw`."""
        order = torch.randperm(len(self.factors), generator=generator)[:2]
        pair = [get_family(self.factors[i]) for i in order.tolist()]
        first, second = sorted(pair, key=lambda family: family.keeps_columns)
        offset = uniform(*self.offset, generator)
        x, a, of_first = first.draw(z, generator)
        _, b, of_second = second.draw(standard(x), generator)
        drawn: Description = {"first": first.name, "second": second.name, "offset": offset}
        drawn |= {f"first.{key}": value for key, value in of_first.items()}
        drawn |= {f"second.{key}": value for key, value in of_second.items()}
        return Problem(x, (offset + standard(a)) * (offset + standard(b)), drawn)

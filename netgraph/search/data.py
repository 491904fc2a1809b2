"""Rows of a data set as networks read them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from netgraph.tasks.split import Indices


@dataclass(frozen=True)
class Data:
    """Standardized rows.

    Attributes:
        x: Features, [rows, features].
        y: Target, [rows].
        told: Rows whose targets have a say in what the features are, so that errors on them say nothing, [rows] bool;
            None where there are none.
    """

    x: Tensor
    y: Tensor
    told: Tensor | None = None

    def rows(self, chosen: Indices) -> "Data":
        """Give some of the rows."""
        at = torch.as_tensor(chosen)
        return Data(self.x[at], self.y[at], None if self.told is None else self.told[at])

    @property
    def fair(self) -> Tensor:
        """Rows that errors are measured on, [rows] bool."""
        return torch.ones_like(self.y, dtype=torch.bool) if self.told is None else ~self.told

"""Rows of a data set as networks read them."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from netgraph.tasks.split import Indices


@dataclass(frozen=True)
class Data:
    """Standardized rows.

    Attributes:
        x: Features, [rows, features].
        y: Target, [rows].
    """

    x: Tensor
    y: Tensor

    def rows(self, chosen: Indices) -> "Data":
        """Give some of the rows."""
        at = torch.as_tensor(chosen)
        return Data(self.x[at], self.y[at])


def evenly_spaced(n: int, most: int) -> Indices:
    """Choose numbers evenly out of 0 to n - 1: all, or ``most`` of them, the first and the last included."""
    return np.linspace(0, n - 1, min(n, most)).astype(int)

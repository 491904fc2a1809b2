"""A real regression problem as arrays."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RealDataset:
    """A real regression problem, in its own units.

    Attributes:
        name: Its name.
        x: Parameters, [rows, features].
        y: Target, [rows].
        feature_names: Name of each column of x.
    """

    name: str
    x: Floats
    y: Floats
    feature_names: tuple[str, ...]

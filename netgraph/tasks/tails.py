"""What lies far out of a standardized column, of which few rows say little."""

from torch import Tensor

#: Deviations of a column beyond which it counts logarithmically.
TAIL = 3.0


def compressed(x: Tensor, tail: float = TAIL) -> Tensor:
    """Keep what lies within so many deviations, and let the rest grow as a logarithm does, with no kink in between."""
    return x.clamp(-tail, tail) + x.sign() * (x.abs() - tail).clamp(min=0).log1p()

"""The contract of strategies."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from netgraph.errors import NetGraphError


class Strategy(ABC):
    """Searches noise from N(0, I) for low scores, by ask and tell; it knows neither model nor clock.

    Asks and tells may come in any order, number and grouping. Points that are told need not have been asked for: seeds
    from elsewhere are told like any others, first or later. Every point that is asked lies in the trust region of
    :func:`.prior.clip_to_prior`, and points that are told from outside it are taken at their projections. The same
    generator seed and tells give the same points.

    Args:
        size: Number of coordinates d, at least 1.
        generator: Source of all randomness, on the CPU.
        blocks: Which coordinates belong together, for example the slot of one neuron: a number for each, [d] long;
            all of them form one block when None.

    Raises:
        NetGraphError: When ``size`` is below 1 or ``blocks`` is not [d] long.
    """

    def __init__(self, size: int, generator: torch.Generator, blocks: Tensor | None = None) -> None:
        if size < 1:
            raise NetGraphError(f"size is at least 1, not {size}")
        check_blocks(blocks, size)
        self.size = size
        self.generator = generator
        self.blocks = blocks

    @abstractmethod
    def ask(self, n: int) -> Tensor:
        """Give n points to try, [n, d] float32 on the CPU.

        Raises:
            NetGraphError: When ``n`` is below 1.
        """

    @abstractmethod
    def tell(self, points: Tensor, scores: Tensor) -> None:
        """Learn what points were worth.

        Args:
            points: Finite, [n, d]; n may be 0.
            scores: Lower is better, [n]; NaN or infinite for what failed.

        Raises:
            NetGraphError: When a shape is another or a point is not finite.
        """


def check_blocks(blocks: Tensor | None, size: int) -> None:
    """Refuse blocks that are not [size] long."""
    if blocks is not None and (blocks.shape != (size,) or blocks.dtype != torch.long):
        raise NetGraphError(f"blocks is {blocks.dtype} of shape {tuple(blocks.shape)}; expected torch.int64 ({size},)")


def check_count(n: int) -> None:
    """Refuse to be asked for less than one point."""
    if n < 1:
        raise NetGraphError(f"cannot ask for {n} points")


def check_told(points: Tensor, scores: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Give points as float32 and scores as float64 on the CPU, scores of what failed as infinity."""
    if points.ndim != 2 or points.shape[1] != size:
        raise NetGraphError(f"points has shape {tuple(points.shape)}; expected [n, {size}]")
    if scores.shape != points.shape[:1]:
        raise NetGraphError(f"scores has shape {tuple(scores.shape)}; expected [{len(points)}], one for each point")
    points, scores = points.detach().to("cpu", torch.float32), scores.detach().to("cpu", torch.float64)
    finite = points.isfinite().all(dim=1)
    if not finite.all():
        raise NetGraphError(f"points[{int(finite.int().argmin())}] is not finite")
    return points, scores.where(scores.isfinite(), torch.inf)

"""Separable CMA-ES over the noise, by the package cmaes."""

import numpy as np
import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.search.strategies.base import Strategy, check_count, check_told
from netgraph.search.strategies.prior import clip_to_prior


class SeparableCMA(Strategy):
    """Separable CMA-ES (Ros & Hansen 2008, PPSN X): a Gaussian with a diagonal covariance, moved to the better points.

    It starts at the prior, N(0, I): the mean is 0, and only with ``sigma`` 1 are its first points draws from the prior;
    smaller ones would all lie inside the shell of the trust region and be projected onto it. Points that leave the
    trust region are projected back by :func:`.prior.clip_to_prior`, and it learns from the projected ones.

    A generation is what is told while the Gaussian stands still. It moves at the first ask after at least
    ``population_size`` points have been told since it last moved, of which at least half worked; the best
    ``population_size`` of them make the update. So the grouping of tells does not matter, many seeds count as one
    generation, and asking for more points than ``population_size`` at a time selects harder.

    Args:
        size: Number of coordinates d, at least 2.
        generator: Source of all randomness.
        blocks: Which coordinates belong together in the trust region, [d] long.
        sigma: The first standard deviation, above 0.
        population_size: Points of an update, at least 2; 4 + floor(3 ln d) when None.

    Raises:
        NetGraphError: When an argument is out of its range.
    """

    def __init__(
        self,
        size: int,
        generator: torch.Generator,
        blocks: Tensor | None = None,
        *,
        sigma: float = 1.0,
        population_size: int | None = None,
    ) -> None:
        from cmaes import SepCMA  # type: ignore[import-untyped]

        super().__init__(size, generator, blocks)
        if size < 2:
            raise NetGraphError(f"separable CMA-ES needs a size of at least 2, not {size}")
        if not 0 < sigma < float("inf"):
            raise NetGraphError(f"sigma is above 0 and finite, not {sigma}")
        if population_size is not None and population_size < 2:
            raise NetGraphError(f"population_size is at least 2, not {population_size}")
        seed = int(torch.randint(2**31, (), generator=generator))
        self._optimizer = SepCMA(np.zeros(size), sigma, seed=seed, population_size=population_size)
        self.population_size = int(self._optimizer.population_size)
        self._points, self._scores = _nothing(size)

    def ask(self, n: int) -> Tensor:
        """Draw n points, [n, d], from the Gaussian, which moves first if a generation has been told."""
        check_count(n)
        parents = self._scores[: self.population_size // 2]
        if len(self._scores) == self.population_size and parents.isfinite().all():
            self._optimizer.tell(list(zip(self._points.double().numpy(), self._scores.tolist(), strict=True)))
            self._points, self._scores = _nothing(self.size)
        drawn = torch.from_numpy(np.stack([self._optimizer.ask() for _ in range(n)]))
        return clip_to_prior(drawn, self.blocks).float()

    def tell(self, points: Tensor, scores: Tensor) -> None:
        """Keep the best ``population_size`` points since the last generation, in order of their scores."""
        points, scores = check_told(points, scores, self.size)
        points = torch.cat([self._points, clip_to_prior(points, self.blocks)])
        scores = torch.cat([self._scores, scores])
        best = scores.argsort(stable=True)[: self.population_size]
        self._points, self._scores = points[best], scores[best]


def _nothing(size: int) -> tuple[Tensor, Tensor]:
    return torch.empty(0, size), torch.empty(0, dtype=torch.float64)

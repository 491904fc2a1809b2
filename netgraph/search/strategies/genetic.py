"""A genetic algorithm that keeps to the prior."""

import math

import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.search.strategies.base import Strategy, check_count, check_told
from netgraph.search.strategies.prior import clip_to_prior

#: Least and largest mutation step.
STEPS = (0.01, 0.5)
#: Share of told points that shall enter the population.
TARGET = 0.2


class Genetic(Strategy):
    """Crosses and mutates the best points told so far; children of parents from N(0, I) are from N(0, I) again.

    Two parents are chosen by tournament. Uniform crossover gives the child each block from one or the other, with a
    share of the second parent drawn for each child from U(0, 1/2). Mutation is the proposal of preconditioned
    Crank-Nicolson, ``sqrt(1 - s^2) child + s N(0, I)`` (Cotter et al. 2013, Statistical Science 28(3)).
    Without blocks, crossover exchanges single coordinates.

    The step s follows the one-fifth rule (Rechenberg 1973) within [0.01, 0.5]: it is multiplied by
    ``exp((p - 1/5) min(1, n / population))``, p being the share of n told points that enter a full population.
    Points that failed never enter it. Until it is full, the strategy asks for draws from the prior.

    Args:
        size: Number of coordinates d.
        generator: Source of all randomness.
        blocks: Which coordinates belong together, [d] long.
        population: Number of points kept, at least 2.
        tournament: Number of points drawn for each parent, the best of which it is, at least 1.
        step: The first mutation step s, within [0.01, 0.5].

    Raises:
        NetGraphError: When an argument is out of its range.
    """

    def __init__(
        self,
        size: int,
        generator: torch.Generator,
        blocks: Tensor | None = None,
        *,
        population: int = 64,
        tournament: int = 2,
        step: float = 0.2,
    ) -> None:
        super().__init__(size, generator, blocks)
        if population < 2:
            raise NetGraphError(f"population is at least 2, not {population}")
        if tournament < 1:
            raise NetGraphError(f"tournament is at least 1, not {tournament}")
        if not STEPS[0] <= step <= STEPS[1]:
            raise NetGraphError(f"step is within [{STEPS[0]}, {STEPS[1]}], not {step}")
        self.population, self.tournament, self.step = population, tournament, step
        self._label = torch.arange(size) if blocks is None else blocks.cpu().unique(return_inverse=True)[1]
        self._points, self._scores = torch.empty(0, size), torch.empty(0, dtype=torch.float64)

    def ask(self, n: int) -> Tensor:
        """Give n children, [n, d], or draws from the prior while the population is not full."""
        check_count(n)
        points = torch.randn(n, self.size, generator=self.generator)
        if self._full:
            points = math.sqrt(1 - self.step**2) * self._cross(n) + self.step * points
        return clip_to_prior(points, self.blocks)

    def tell(self, points: Tensor, scores: Tensor) -> None:
        """Keep the best points and adapt the mutation step."""
        points, scores = check_told(points, scores, self.size)
        if self._full and len(scores):
            self._adapt(scores)
        works = scores.isfinite()
        points = torch.cat([self._points, clip_to_prior(points[works], self.blocks)])
        scores = torch.cat([self._scores, scores[works]])
        best = scores.argsort(stable=True)[: self.population]
        self._points, self._scores = points[best], scores[best]

    @property
    def _full(self) -> bool:
        return len(self._scores) == self.population

    def _adapt(self, scores: Tensor) -> None:
        entering = float((scores < self._scores[-1]).double().mean())
        factor = math.exp((entering - TARGET) * min(1.0, len(scores) / self.population))
        self.step = min(max(self.step * factor, STEPS[0]), STEPS[1])

    def _cross(self, n: int) -> Tensor:
        first, second = self._parents(n), self._parents(n)
        share = 0.5 * torch.rand(n, 1, generator=self.generator)
        exchanged = torch.rand(n, int(self._label.max()) + 1, generator=self.generator) < share
        return second.where(exchanged[:, self._label], first)

    def _parents(self, n: int) -> Tensor:
        """Give the winners of n tournaments: members lie in order of their scores, so that the first is the best."""
        drawn = torch.randint(self.population, (n, self.tournament), generator=self.generator)
        return self._points[drawn.amin(dim=1)]

"""Strategies of latent search: what to try next, from what has been tried."""

from netgraph.search.strategies.base import Strategy
from netgraph.search.strategies.evolution import SeparableCMA
from netgraph.search.strategies.genetic import Genetic
from netgraph.search.strategies.names import GENERATION, STRATEGIES, strategy_of
from netgraph.search.strategies.prior import PriorRandom, clip_to_prior

__all__ = [
    "GENERATION",
    "STRATEGIES",
    "Genetic",
    "PriorRandom",
    "SeparableCMA",
    "Strategy",
    "clip_to_prior",
    "strategy_of",
]

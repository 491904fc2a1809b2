"""Networks for a data set."""

from netgraph.search.candidates import Candidates, Generated, Random
from netgraph.search.estimator import NetGraphRegressor, default_candidates
from netgraph.search.extras.random_features import RandomFeatures, ScaledRandom
from netgraph.search.jobs import FitJob, SearchJob, fit_table, search_table

__all__ = [
    "Candidates",
    "FitJob",
    "Generated",
    "NetGraphRegressor",
    "Random",
    "RandomFeatures",
    "ScaledRandom",
    "SearchJob",
    "default_candidates",
    "fit_table",
    "search_table",
]

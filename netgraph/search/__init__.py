"""Networks for a data set."""

from netgraph.search.candidates import Candidates, Generated, Random
from netgraph.search.estimator import NetGraphRegressor, default_candidates
from netgraph.search.extras.random_features import RandomFeatures
from netgraph.search.jobs import FitJob, SearchJob, fit_table, search_table
from netgraph.search.table import Table, read_table

__all__ = [
    "Candidates",
    "FitJob",
    "Generated",
    "NetGraphRegressor",
    "Random",
    "RandomFeatures",
    "SearchJob",
    "Table",
    "default_candidates",
    "fit_table",
    "read_table",
    "search_table",
]

"""Networks for a data set."""

from netgraph.search.estimator import NetGraphRegressor
from netgraph.search.fit import SearchConfig
from netgraph.search.job import FitJob, fit_table
from netgraph.search.real import RealResult, try_real
from netgraph.search.table import Table, read_table

__all__ = [
    "FitJob",
    "NetGraphRegressor",
    "RealResult",
    "SearchConfig",
    "Table",
    "fit_table",
    "read_table",
    "try_real",
]

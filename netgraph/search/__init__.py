"""Networks for a data set."""

from netgraph.search.config import SearchConfig
from netgraph.search.estimator import NetGraphRegressor
from netgraph.search.job import FitJob, fit_table
from netgraph.search.real import RealResult, try_real
from netgraph.search.search_job import SearchJob, search_table
from netgraph.search.table import Table, read_table

__all__ = [
    "FitJob",
    "NetGraphRegressor",
    "RealResult",
    "SearchConfig",
    "SearchJob",
    "Table",
    "fit_table",
    "read_table",
    "search_table",
    "try_real",
]

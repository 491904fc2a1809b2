"""Networks for a data set."""

from netgraph.search.estimator import NetGraphRegressor
from netgraph.search.fit import SearchConfig
from netgraph.search.real import RealResult, try_real

__all__ = ["NetGraphRegressor", "RealResult", "SearchConfig", "try_real"]

"""Networks for a data set."""

from netgraph.search.fit import SearchConfig
from netgraph.search.real import RealResult, try_real

__all__ = ["RealResult", "SearchConfig", "try_real"]

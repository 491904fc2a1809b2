"""netgraph: trained networks as graphs, graphs as tokens, and a variational transformer that samples new networks.

Everything here is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from netgraph.errors import NetGraphError

if TYPE_CHECKING:
    from netgraph import evaluation, graph, model, search, stack, tasks, tokens, training, zoo  # noqa: F401
    from netgraph.evaluation import metrics
    from netgraph.graph import NetGraph, canonicalize, from_module, plot, prune, to_module, to_onnx, to_source
    from netgraph.model import NetVAE
    from netgraph.search import NetGraphClassifier, NetGraphRegressor
    from netgraph.stack import sensitivity, with_sensitivity
    from netgraph.tasks import get_meta_features
    from netgraph.tokens import detokenize, tokenize
    from netgraph.zoo import Zoo, build_zoo

__version__ = "0.1.0"
__all__ = [
    "NetGraph",
    "NetGraphClassifier",
    "NetGraphError",
    "NetGraphRegressor",
    "NetVAE",
    "Zoo",
    "__version__",
    "build_zoo",
    "canonicalize",
    "detokenize",
    "from_module",
    "get_meta_features",
    "metrics",
    "plot",
    "prune",
    "sensitivity",
    "to_module",
    "to_onnx",
    "to_source",
    "tokenize",
    "with_sensitivity",
]
_ROOMS = {
    "NetGraph": "graph",
    "NetGraphClassifier": "search",
    "NetGraphRegressor": "search",
    "NetVAE": "model",
    "Zoo": "zoo",
    "build_zoo": "zoo",
    "canonicalize": "graph",
    "detokenize": "tokens",
    "from_module": "graph",
    "get_meta_features": "tasks",
    "prune": "graph",
    "sensitivity": "stack",
    "to_module": "graph",
    "to_onnx": "graph",
    "to_source": "graph",
    "tokenize": "tokens",
    "with_sensitivity": "stack",
}
_SUBPACKAGES = ("evaluation", "graph", "model", "search", "stack", "tasks", "tokens", "training", "zoo")
_MODULES = {name: f"netgraph.{name}" for name in _SUBPACKAGES} | {
    "metrics": "netgraph.evaluation.metrics",
    "plot": "netgraph.graph.plot",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name in _ROOMS:
        return getattr(import_module(f"netgraph.{_ROOMS[name]}"), name)
    raise AttributeError(f"module 'netgraph' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_MODULES})

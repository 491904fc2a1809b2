"""Test of a model on a real data set: networks that it generates beside random ones and a ridge regression."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Generator, Tensor

from netgraph.errors import SimplerWarning
from netgraph.graph.netgraph import NetGraph
from netgraph.model import NetVAE
from netgraph.search import Generated, NetGraphRegressor
from netgraph.tasks import load_real, split
from netgraph.zoo import random_like


@dataclass(frozen=True)
class RealResult:
    """Test R^2 by method.

    Attributes:
        scores: Mean over splits.
        spread: Standard deviation over splits.
        graph: The generated and trained network of the last split.
    """

    scores: dict[str, float]
    spread: dict[str, float]
    graph: NetGraph


class RandomWeights(Generated):
    """Networks with the architectures that a model generates, and initial weights."""

    def sample(self, n: int, X: Tensor, y: Tensor, seed: int) -> list[NetGraph]:
        """Return n networks."""
        return random_like(super().sample(n, X, y, seed), Generator().manual_seed(seed))


def try_real(
    vae: NetVAE, name: str = "diabetes", max_seconds: float | None = None, seed: int = 0, n_splits: int = 5
) -> RealResult:
    """Find a network for a real data set and test it on rows it has not seen, on several random splits.

    Args:
        vae: The model.
        name: Name of the data set.
        max_seconds: Wall time of each search; None for no limit.
        seed: Seed of the first split; that of each further one is the next.
        n_splits: Random splits into rows to search with (75 %) and test rows (25 %).
    """
    untrained = Generated(vae)
    untrained.trainable = False
    sources = {
        "netgraph, sampled, last layer solved": untrained,
        "random initialization, same architectures, same search": RandomWeights(vae),
        "netgraph, sampled and fine-tuned": Generated(vae),
    }
    real, scores = load_real(name), []
    for number in range(seed, seed + n_splits):
        parts = split(len(real.x), number, test_share=0.25)
        rows, test = (real.x[parts.train], real.y[parts.train]), (real.x[parts.test], real.y[parts.test])
        options: dict[str, Any] = {"objectives": "error", "max_seconds": max_seconds, "random_state": number}
        with warnings.catch_warnings(action="ignore", category=SimplerWarning):  # how good a linear fit is, is a result
            models = {
                method: NetGraphRegressor(candidates=[source], **options).fit(*rows)
                for method, source in sources.items()
            }
        ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 3, 13))).fit(*rows)
        every = {**models, "ridge regression": ridge}
        scores.append({method: float(model.score(*test)) for method, model in every.items()})
    table = {method: [row[method] for row in scores] for method in scores[0]}
    graph = models["netgraph, sampled and fine-tuned"].graph_
    return RealResult(
        {method: float(np.mean(values)) for method, values in table.items()},
        {method: float(np.std(values)) for method, values in table.items()},
        graph,
    )

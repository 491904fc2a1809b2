"""The test on a real data set: networks from the prior beside a ridge regression and random networks."""

from dataclasses import dataclass, replace

import numpy as np
from torch import Generator

from netgraph.evaluation import random_like
from netgraph.graph.netgraph import NetGraph
from netgraph.model.vae import NetVAE
from netgraph.search.config import SearchConfig
from netgraph.search.fit import find
from netgraph.search.found import Found
from netgraph.search.preprocess import Preprocessing
from netgraph.search.running import predict
from netgraph.search.sources import Drawn, Prior
from netgraph.tasks import load_real, split


@dataclass(frozen=True)
class RealResult:
    """What came out, test R^2 by method.

    Attributes:
        scores: Mean over splits.
        spread: Standard deviation over splits.
        graph: The network of the last split.
    """

    scores: dict[str, float]
    spread: dict[str, float]
    graph: NetGraph


def try_real(vae: NetVAE, name: str = "diabetes", config: SearchConfig | None = None, n_splits: int = 5) -> RealResult:
    """Find a network for a real data set and test it on rows it has not seen, on several random splits.

    Every search begins with the same baselines and ends with a committee, see :func:`.fit.find`. Networks of a model
    that covers no network of as many inputs as the data set has columns read projections of them.

    Args:
        vae: The model that is sampled.
        name: The data set.
        config: How the network is looked for.
        n_splits: Random splits into rows to search with (75 %) and test rows (25 %).
    """
    config = config or SearchConfig()
    rows: list[dict[str, float]] = []
    for i in range(n_splits):
        scores, graph = _one_split(vae, name, replace(config, seed=config.seed + i))
        rows.append(scores)
    table = {method: [row[method] for row in rows] for method in rows[0]}
    mean = {method: float(np.mean(values)) for method, values in table.items()}
    return RealResult(mean, {method: float(np.std(values)) for method, values in table.items()}, graph)


def _one_split(vae: NetVAE, name: str, config: SearchConfig) -> tuple[dict[str, float], NetGraph]:
    from sklearn.linear_model import RidgeCV
    from sklearn.metrics import r2_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    real = load_real(name)
    parts = split(len(real.x), config.seed, test_share=0.25)
    (x, y), (test_x, test_y) = ((real.x[rows], real.y[rows]) for rows in (parts.train, parts.test))
    units = Preprocessing.fit(x, y)
    data, test_inputs = units.data(x, y), units.inputs(test_x).float()
    sources = [Prior(vae, data) for _ in range(3)]  # which give the same networks

    def same_architectures(n: int, seed: int) -> list[NetGraph]:
        return random_like(sources[2].draw(n, seed), Generator().manual_seed(seed))

    tuned, drawn, random = (
        find(source, data, chosen)
        for source, chosen in zip(
            (*sources[:2], Drawn(same_architectures, learn=sources[2].learn)),
            (config, replace(config, rungs=()), config),
            strict=True,
        )
    )

    def score(found: Found) -> float:
        return float(r2_score(test_y, units.restore(predict(found.graph, test_inputs))))

    ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 3, 13))).fit(x, y)
    scores = {
        "netgraph, sampled and fine-tuned": score(tuned),
        "netgraph, sampled, last layer solved": score(drawn),
        "random initialization, same architectures, same search": score(random),
        "ridge regression": float(ridge.score(test_x, test_y)),
    }
    return scores, tuned.graph

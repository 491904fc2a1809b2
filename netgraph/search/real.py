"""The test on a real data set: sampled networks beside a ridge regression and random networks."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Generator

from netgraph.evaluation import random_like
from netgraph.graph.netgraph import NetGraph
from netgraph.model.vae import NetVAE
from netgraph.search.fit import Data, SearchConfig, predict, propose, tune
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

    Args:
        vae: The model that is sampled.
        name: The data set.
        config: How the network is looked for.
        n_splits: Random splits into training (60 %), validation (15 %) and test (25 %) rows.
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

    train, validation, test = split_data(name, config.seed)
    proposed = propose(vae, train, config)
    tuned = tune(proposed, train, validation, config)
    random = tune(random_like(proposed, Generator().manual_seed(config.seed)), train, validation, config)
    ridge = RidgeCV(np.logspace(-3, 3, 13)).fit(
        torch.cat([train.x, validation.x]).numpy(), torch.cat([train.y, validation.y]).numpy()
    )
    scores = {
        "netgraph, sampled and fine-tuned": _r2(predict(tuned, test.x), test.y),
        "netgraph, sampled only": _r2(predict(proposed[0], test.x), test.y),
        "random initialization, same architectures, same fine-tuning": _r2(predict(random, test.x), test.y),
        "ridge regression": _r2(torch.from_numpy(ridge.predict(test.x.numpy())), test.y),
    }
    return scores, tuned


def split_data(name: str, seed: int) -> tuple[Data, Data, Data]:
    """Split a real data set and standardize every part by the training rows."""
    real = load_real(name)
    parts = split(len(real.x), seed, test_share=0.25, validation_share=0.15)
    mean, scale = real.x[parts.train].mean(axis=0), real.x[parts.train].std(axis=0)
    center, spread = real.y[parts.train].mean(), real.y[parts.train].std()

    def data(rows: np.ndarray) -> Data:
        x = torch.from_numpy((real.x[rows] - mean) / np.where(scale > 0, scale, 1.0)).float()
        return Data(x, torch.from_numpy((real.y[rows] - center) / spread).float())

    return data(parts.train), data(parts.validation), data(parts.test)


def _r2(predicted: torch.Tensor, y: torch.Tensor) -> float:
    return float(1 - (predicted - y).square().sum() / (y - y.mean()).square().sum())

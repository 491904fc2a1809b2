"""The scikit-learn estimator: a small network for a small regression data set."""

from dataclasses import replace
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from netgraph.graph.to_module import to_module
from netgraph.model.vae import NetVAE
from netgraph.search.fit import Data, SearchConfig, propose, tune
from netgraph.tasks import split


class NetGraphRegressor(RegressorMixin, BaseEstimator):
    """Samples networks for the data set's meta-features, fine-tunes the best few and keeps the best of them.

    Args:
        checkpoint: Safetensors file of a trained :class:`~netgraph.model.vae.NetVAE`; the one that ships when None.
        n_samples: Networks sampled.
        n_tuned: Networks fine-tuned.
        steps: Steps of fine-tuning.
        random_state: Seed of everything.

    Attributes:
        graph_: The network that was found; it reads and gives standardized values.
        module_: The same as a plain ``torch.nn`` module.
        n_features_in_: Number of columns seen in ``fit``.
    """

    def __init__(
        self,
        checkpoint: str | None = None,
        n_samples: int = 256,
        n_tuned: int = 8,
        steps: int = 200,
        random_state: int = 0,
    ) -> None:
        self.checkpoint = checkpoint
        self.n_samples = n_samples
        self.n_tuned = n_tuned
        self.steps = steps
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Find a network for the rows.

        Args:
            X: Features, [rows, features].
            y: Target, [rows].

        Raises:
            ValueError: When a shape is wrong or a value is not finite.
        """
        features, target = validate_data(self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=4)
        self._mean, self._scale = features.mean(axis=0), _scale(features)
        self._center, self._spread = float(target.mean()), float(_scale(target))
        x = torch.from_numpy((features - self._mean) / self._scale).float()
        t = torch.from_numpy((target - self._center) / self._spread).float()
        parts = split(len(x), self.random_state, test_share=0.0, validation_share=0.2)
        train, validation = (Data(x[rows], t[rows]) for rows in (parts.train, parts.validation))
        config = replace(
            SearchConfig(),
            n_samples=self.n_samples,
            n_tuned=self.n_tuned,
            steps=self.steps,
            seed=self.random_state,
        )
        vae = NetVAE.from_pretrained(self.checkpoint)
        self.graph_ = tune(propose(vae, train, config), train, validation, config)
        self.module_ = to_module(self.graph_)
        return self

    def predict(self, X: Any) -> Any:
        """Predict the target in its own unit, [rows] float64, of features, [rows, features]."""
        check_is_fitted(self, "module_")
        features = validate_data(self, X, dtype=np.float64, reset=False)
        x = torch.from_numpy((features - self._mean) / self._scale)
        module = to_module(self.graph_.replace(state=self.graph_.state.double()))
        with torch.no_grad():
            return module(x)[:, 0].numpy() * self._spread + self._center


def _scale(values: Any) -> Any:
    scale = values.std(axis=0)
    return np.where(scale > 0, scale, 1.0)

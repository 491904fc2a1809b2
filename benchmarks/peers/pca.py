"""Principal components of the padded network."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import Generator, Tensor

from netgraph import NetGraph, metrics
from netgraph.training import Example
from peers.base import Peer
from peers.grid import Grid, Scaler, Tables
from peers.plan import Bounds, plan_of

#: Whether weights are standardized layer by layer, and what the architecture's columns are multiplied by.
SETTINGS = tuple(product((False, True), (0.5, 1.0, 2.0, 4.0)))


class PrincipalComponents(Peer):
    """PCA (scikit-learn's, randomized solver) of the padded weights and, as further columns, the architecture's codes.

    Whether the weights are standardized, and how much the codes weigh, is what rebuilds a tenth of the training
    networks best from the other nine tenths: by the mean R² of the outputs, each at least -1.
    """

    name = "PCA of padded weights and architecture"

    def __init__(self, latent_size: int, seed: int = 0, bounds: Bounds = Bounds()) -> None:
        super().__init__(latent_size, seed)
        self.grid = Grid(bounds)

    def fit(self, train: Sequence[Example], seconds: float) -> None:
        """Choose the scales and fit to all training networks."""
        order = torch.randperm(len(train), generator=Generator().manual_seed(self.seed)).tolist()
        kept, apart = order[len(train) // 10 :], order[: len(train) // 10]
        scores = [self._score([train[i] for i in kept], [train[i] for i in apart], *pair) for pair in SETTINGS]
        self._fit(train, *SETTINGS[int(np.argmax(scores))])

    def _score(self, kept: Sequence[Example], apart: Sequence[Example], standardized: bool, weight: float) -> float:
        self._fit(kept, standardized, weight)
        true = [example.graph for example in apart]
        pairs = [(i, graph) for i, graph in enumerate(self.decode(self.encode(true))) if graph is not None]
        rows = [apart[i].x for i, _ in pairs]
        r2 = metrics.output_r2_per_pair([true[i] for i, _ in pairs], [graph for _, graph in pairs], rows)
        return float(r2.clamp(min=-1).sum() - (len(true) - len(pairs))) / len(true)

    def _fit(self, train: Sequence[Example], standardized: bool, weight: float) -> None:
        tables = self.grid.lay([example.graph for example in train])
        self.weight, self.scaler = weight, Scaler(self.grid, tables)
        if not standardized:
            self.scaler.mean.zero_()
            self.scaler.deviation.fill_(1)
        rows = self._rows(tables)
        self.pca = PCA(min(self.latent_size, *rows.shape), svd_solver="randomized", random_state=self.seed).fit(rows)

    def encode(self, graphs: Sequence[NetGraph]) -> Tensor:
        """Give the scores; zeros where there are fewer components than the latent has room for."""
        scores = self.pca.transform(self._rows(self.grid.lay(graphs)))
        return torch.from_numpy(np.pad(scores, ((0, 0), (0, self.latent_size - scores.shape[1]))))

    def decode(self, z: Tensor) -> list[NetGraph | None]:
        """Read weights and codes."""
        values, codes = self._inverse(z)
        return self.grid.read(values, codes)

    def decode_as(self, z: Tensor, graphs: Sequence[NetGraph]) -> list[NetGraph | None]:
        """Read weights for given architectures: this is not free-running."""
        values, _ = self._inverse(z)
        plans = [plan_of(graph.architecture) for graph in graphs]
        return [self.grid.network(plan, row) for plan, row in zip(plans, values, strict=True)]

    def _rows(self, tables: Tables) -> np.ndarray:
        return torch.cat([self.scaler.standardize(tables), self.weight * tables.codes], dim=1).numpy()

    def _inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        rows = torch.from_numpy(self.pca.inverse_transform(z[:, : self.pca.n_components_].numpy())).float()
        return self.scaler.restore(rows[:, : self.grid.size]), rows[:, self.grid.size :] / self.weight

"""Standardization of vectors, and the condition: an embedding of the data set's meta-features, or of none."""

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from netgraph.errors import NetGraphError
from netgraph.tasks import check_meta_vector


class Standardization(nn.Module):
    """Standardizes vectors with statistics of the training networks, which are stored with the weights.

    Args:
        size: Length of a vector.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))

    def fit(self, vectors: Tensor) -> None:
        """Take the statistics of vectors, [n, size]; deviations below 0.001 count as that."""
        self.mean.copy_(vectors.mean(dim=0))
        self.scale.copy_(vectors.std(dim=0, correction=0).clamp(min=1e-3))

    def standardize(self, vectors: Tensor) -> Tensor:
        """Standardize vectors, [n, size]."""
        return (vectors - self.mean) / self.scale

    def restore(self, standardized: Tensor) -> Tensor:
        """Invert :meth:`standardize`."""
        return standardized * self.scale + self.mean


class Condition(Standardization):
    """Embeds meta-features, standardized with statistics that are stored with the weights.

    Args:
        n_features: Length of the meta-feature vector.
        width: Width of the embedding.
        dropout: Share of rows that take the null embedding in training (classifier-free guidance, Ho & Salimans 2022).
    """

    def __init__(self, n_features: int, width: int, dropout: float) -> None:
        super().__init__(n_features)
        self.dropout = dropout
        self.embed = nn.Sequential(nn.Linear(n_features, width), nn.GELU(), nn.Linear(width, width))
        self.null = nn.Parameter(torch.randn(width) * 0.1)

    def fit(self, meta_features: Tensor) -> None:
        """Take mean and deviation of each feature from training data sets, [n, features], NaN in rows for unknown ones.

        They stay as they are where none is known.
        """
        known = meta_features[~meta_features.isnan().any(dim=1)]
        if not len(known):
            return
        deviation = known.std(dim=0, unbiased=False)
        self.mean.copy_(known.mean(dim=0))
        self.scale.copy_(torch.where(deviation > 1e-6, deviation, torch.ones_like(deviation)))

    def standardize(self, meta_features: Tensor) -> Tensor:
        """Standardize rows, [n, features]; deviations beyond 5 are cut."""
        return super().standardize(meta_features).clamp(-5.0, 5.0)

    def rows(self, meta_features: ArrayLike | None, count: int) -> Tensor:
        """Bring meta-features to one row a network, NaN for none.

        Args:
            meta_features: One vector for all networks or one for each, as for
                :func:`~netgraph.tasks.check_meta_vector`; None where nothing is known.
            count: Number of networks.

        Raises:
            NetGraphError: When the vector has another length than the model was trained with, or is not finite.
        """
        n_features = len(self.mean)
        if meta_features is None:
            return self.mean.new_full((count, n_features), float("nan"))
        values = check_meta_vector(meta_features, n_features, unknown=True).to(self.mean)
        if len(values) not in (1, count):
            raise NetGraphError(f"meta-features of {len(values)} data sets for {count} networks")
        rows: Tensor = values.expand(count, n_features)
        return rows

    def forward(self, rows: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Embed rows, [B, features], NaN for none, as [B, width]."""
        known = ~rows.isnan().any(dim=1)
        if self.training:
            known = known & (torch.rand(len(rows), generator=generator, device=rows.device) >= self.dropout)
        embedded = self.embed(self.standardize(rows.nan_to_num()))
        return torch.where(known[:, None], embedded, self.null)

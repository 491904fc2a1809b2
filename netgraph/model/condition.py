"""What conditions the decoder: an embedding of the data set's meta-features, or a learned null embedding."""

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from netgraph.errors import NetGraphError
from netgraph.tasks import check_meta_vector


class Condition(nn.Module):
    """Embeds meta-features, standardized with statistics that are stored with the weights.

    Args:
        n_features: Length of the meta-feature vector.
        width: Width of the embedding.
        dropout: Share of rows that take the null embedding in training (classifier-free guidance, Ho & Salimans 2022).
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, n_features: int, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("scale", torch.ones(n_features))
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
        return torch.clamp((meta_features - self.mean) / self.scale, -5.0, 5.0)

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

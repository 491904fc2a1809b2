"""What conditions the decoder: an embedding of the data set's meta-features, or a learned null embedding."""

import torch
from torch import Tensor, nn

from netgraph.errors import NetGraphError


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

    def rows(self, meta_features: Tensor | None, count: int) -> Tensor:
        """Bring meta-features to one row a network, NaN for none.

        Raises:
            NetGraphError: When the vector has another length than the model was trained with.
        """
        n_features = len(self.mean)
        if meta_features is None:
            return self.mean.new_full((count, n_features), float("nan"))
        values = torch.atleast_2d(torch.as_tensor(meta_features, dtype=self.mean.dtype, device=self.mean.device))
        if values.shape[-1] != n_features or values.shape[0] not in (1, count):
            raise NetGraphError(
                f"meta_features has shape {tuple(values.shape)}; expected {n_features} features, in 1 or {count} rows"
            )
        rows: Tensor = values.expand(count, n_features)
        return rows

    def forward(self, rows: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Embed rows, [B, features], NaN for none, as [B, width]."""
        known = ~rows.isnan().any(dim=1)
        if self.training:
            known = known & (torch.rand(len(rows), generator=generator, device=rows.device) >= self.dropout)
        embedded = self.embed(self.standardize(rows.nan_to_num()))
        return torch.where(known[:, None], embedded, self.null)

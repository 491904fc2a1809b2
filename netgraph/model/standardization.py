"""Standardization, with statistics that are stored with the model: of vectors, meta-features and weights.

Weights shrink with the root of their node's fan-in, and their tails are heavy: a weight w is read as asinh(w
sqrt(fan_in)), then standardized for each kind of layer.
"""

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import TENSOR_KINDS
from netgraph.model.batch import ArchitectureBatch
from netgraph.model.features import N_SCALES
from netgraph.tasks import check_meta_vector

_VARIANCE = TENSOR_KINDS.index("variance")
_COUNT = TENSOR_KINDS.index("count")
#: Elements that a rare kind borrows from all elements of its kind of tensor (chosen: those of a few networks).
PRIOR_COUNT = 200.0
#: Least running variance.
SMALLEST_VARIANCE = 1e-3
#: Largest asinh that is inverted, so that no latent gives an infinite weight (chosen: a weight of some 500).
LARGEST = 7.0


class Standardization(nn.Module):
    """Standardizes vectors with statistics of the training networks.

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
        """Compute the statistics of vectors, [n, size]; deviations are at least 0.001."""
        self.mean.copy_(vectors.mean(dim=0))
        self.scale.copy_(vectors.std(dim=0, correction=0).clamp(min=1e-3))

    def standardize(self, vectors: Tensor) -> Tensor:
        """Standardize vectors, [n, size]."""
        return (vectors - self.mean) / self.scale

    def restore(self, standardized: Tensor) -> Tensor:
        """Invert :meth:`standardize`."""
        return standardized * self.scale + self.mean


class Condition(Standardization):
    """The condition: an embedding of a data set's standardized meta-features, or of none.

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
        """Compute mean and deviation of each feature, [n, features], without the rows that are NaN."""
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
        """Return the meta-features of networks, one vector for all or one each, as [count, features], NaN for None.

        Raises:
            NetGraphError: When a vector has another length than in training, or is not finite.
        """
        n_features = len(self.mean)
        if meta_features is None:
            return self.mean.new_full((count, n_features), float("nan"))
        values = check_meta_vector(meta_features, n_features, unknown=True).to(self.mean)
        if len(values) not in (1, count):
            raise NetGraphError(f"meta-features of {len(values)} data sets for {count} networks")
        rows: Tensor = values.expand(count, n_features)
        return rows

    def forward(self, rows: Tensor) -> Tensor:
        """Embed rows, [B, features], NaN for none, as [B, width]."""
        known = ~rows.isnan().any(dim=1)
        if self.training:
            known = known & (torch.rand(len(rows), device=rows.device) >= self.dropout)
        embedded = self.embed(self.standardize(rows.nan_to_num()))
        return torch.where(known[:, None], embedded, self.null)


class Scales(nn.Module):
    """Standardizes weights of every kind: tensor kind, layer type, type of the feeding and of the reading layer."""

    mean: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(N_SCALES))
        self.register_buffer("scale", torch.ones(N_SCALES))

    def fit(self, state: Tensor, kinds: Tensor, fan: Tensor) -> None:
        """Compute the statistics of training states, [P], of kinds, [P]; a rare one is near its tensor kind."""
        state = torch.asinh(state.double() * fan.sqrt())
        per_kind = N_SCALES // len(TENSOR_KINDS)
        columns, sums = (torch.ones_like(state), state, state.square()), state.new_zeros(N_SCALES)
        count, total, square = (sums.index_add(0, kinds, column) for column in columns)
        for kind in range(len(TENSOR_KINDS)):
            inside = slice(kind * per_kind, (kind + 1) * per_kind)
            n = count[inside].sum()
            if n == 0:
                continue
            prior_mean, prior_square = total[inside].sum() / n, square[inside].sum() / n
            weight = count[inside] + PRIOR_COUNT
            mean = (total[inside] + PRIOR_COUNT * prior_mean) / weight
            variance = (square[inside] + PRIOR_COUNT * prior_square) / weight - mean.square()
            self.mean[inside] = mean.float()
            self.scale[inside] = variance.clamp(min=1e-6).sqrt().float()

    def standardize(self, state: Tensor, batch: ArchitectureBatch) -> Tensor:
        """Standardize states, [sum P]."""
        squashed = torch.asinh(state * batch.element_fan.sqrt())
        return (squashed - self.mean[batch.element_scale]) / self.scale[batch.element_scale]

    def restore(self, standardized: Tensor, batch: ArchitectureBatch) -> Tensor:
        """Invert :meth:`standardize`; running variances stay positive, counts of batches become 0."""
        squashed = standardized * self.scale[batch.element_scale] + self.mean[batch.element_scale]
        state = torch.sinh(squashed.clamp(-LARGEST, LARGEST)) / batch.element_fan.sqrt()
        state = torch.where(batch.element_kind == _VARIANCE, state.clamp(min=SMALLEST_VARIANCE), state)
        return torch.where(batch.element_kind == _COUNT, torch.zeros_like(state), state)

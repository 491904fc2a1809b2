"""Standardization of weights.

Weights shrink with the root of their node's fan-in, and their tails are heavy: a weight w is read as asinh(w
sqrt(fan_in)), then standardized for each kind of layer, with statistics that are stored with the model.
"""

import torch
from torch import Tensor, nn

from netgraph.graph.architecture import TENSOR_KINDS
from netgraph.model.batch import ArchitectureBatch
from netgraph.model.features import N_SCALES

_VARIANCE = TENSOR_KINDS.index("variance")
_COUNT = TENSOR_KINDS.index("count")
#: Elements that a rare kind borrows from all elements of its kind of tensor (chosen: those of a few networks).
PRIOR_COUNT = 200.0
#: Least running variance.
SMALLEST_VARIANCE = 1e-3
#: Largest asinh that is inverted, so that no latent gives an infinite weight (chosen: a weight of some 500).
LARGEST = 7.0


class Scales(nn.Module):
    """Mean and deviation of every kind: tensor kind, layer type, type of the feeding and of the reading layer."""

    mean: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(N_SCALES))
        self.register_buffer("scale", torch.ones(N_SCALES))

    def fit(self, state: Tensor, kinds: Tensor, fan: Tensor) -> None:
        """Compute the statistics of training states, [P], whose entries of the table are ``kinds``, [P].

        A kind with few elements is drawn towards all elements of its tensor kind.
        """
        state = torch.asinh(state.double() * fan.sqrt())
        per_kind = N_SCALES // len(TENSOR_KINDS)
        count, total, square = (_sums(values, kinds) for values in (torch.ones_like(state), state, state.square()))
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


def _sums(values: Tensor, kinds: Tensor) -> Tensor:
    return values.new_zeros(N_SCALES).index_add(0, kinds, values)

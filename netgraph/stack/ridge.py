"""Ridge regression of targets on the hidden activations of many networks at once, which can be differentiated.

No gradient step is needed to fit a linear layer, and the fit itself has a gradient: what lies before it can learn to be
good to regress on (Bertinetto et al. 2019, "Meta-learning with differentiable closed-form solvers").
"""

from dataclasses import dataclass

import torch
from torch import Tensor

#: Least share of a row's target that the other rows are taken to leave open.
SMALLEST_REST = 1e-3


@dataclass(frozen=True)
class RidgeFit:
    """Last layers that fit a target.

    Attributes:
        weights: Of each network, [M, width].
        biases: Of each network, [M].
        left_out: What is left of the target of each row when the other rows alone are fitted (Allen 1974), [M, rows];
            0 in rows that do not count.
    """

    weights: Tensor
    biases: Tensor
    left_out: Tensor

    def predict(self, hidden: Tensor) -> Tensor:
        """Give outputs, [M, rows], of hidden activations, [M, rows, width]."""
        return (hidden @ self.weights[..., None])[..., 0] + self.biases[:, None]


def fit_ridge(hidden: Tensor, y: Tensor, penalty: float = 1e-3, counted: Tensor | None = None) -> RidgeFit:
    """Regress targets on hidden activations.

    Args:
        hidden: Finite activations, [M, rows, width].
        y: Targets, [M, rows].
        penalty: Relative to the total variance of a network's activations.
        counted: Which rows count, [M, rows]; all when None.
    """
    share = torch.ones_like(y) if counted is None else counted.to(y)
    count = share.sum(dim=1, keepdim=True)
    center = (hidden * share[..., None]).sum(dim=1, keepdim=True) / count[..., None]
    mean = (y * share).sum(dim=1, keepdim=True) / count
    centered, target = (hidden - center) * share[..., None], (y - mean) * share
    covariance = centered.mT @ centered / count[..., None]
    shrinkage = penalty * covariance.diagonal(dim1=1, dim2=2).sum(dim=1) + 1e-6
    factor = torch.linalg.cholesky(covariance + torch.diag_embed(shrinkage[:, None].expand(-1, hidden.shape[2])))
    along = (centered * target[..., None]).sum(dim=1) / count  # [M, width]
    weights = torch.cholesky_solve(along[..., None], factor)
    whitened = torch.linalg.solve_triangular(factor, centered.mT, upper=False)  # [M, width, rows]
    rest = (1 - (1 + whitened.square().sum(dim=1)) / count).clamp(min=SMALLEST_REST)
    left_out = (target - (centered @ weights)[..., 0]) / rest * share
    return RidgeFit(weights[..., 0], mean[:, 0] - (center[:, 0] * weights[..., 0]).sum(dim=1), left_out)

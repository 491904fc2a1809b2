"""Kernel regression that finds its own metric: where a target changes, before any network is trained.

A recursive feature machine (Radhakrishnan et al. 2024): a regression with a Gaussian kernel is fitted, and fitted again
with distances along the directions in which the first one changes, which the average outer product of its gradients
says.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

#: Penalties, of which each data set takes that with the least error on rows left out; the second one finds the metric.
PENALTIES = (3e-3, 3e-2, 3e-1)
#: Share of the identity in a metric, so that no column is lost.
SHRINKAGE = 0.1
#: Least mean of the squared distances, which rows that are all the same have.
LEAST_DISTANCE = 1e-9


@dataclass(frozen=True)
class KernelFit:
    """Regressions of B data sets.

    Attributes:
        left_out: What is left of the target of each row when the other rows alone are fitted, [B, rows].
        gradients: Of the regression at each row, [B, rows, columns].
    """

    left_out: Tensor
    gradients: Tensor


@torch.no_grad()
def fit_kernel(x: Tensor, y: Tensor) -> KernelFit:
    """Regress targets on columns.

    Args:
        x: Columns, standardized, 0 where a data set has none, [B, rows, columns].
        y: Targets, [B, rows].
    """
    columns = x.shape[2]
    identity = torch.eye(columns, dtype=x.dtype, device=x.device)
    first = _fit(x, y, identity.expand(len(x), -1, -1), PENALTIES[1:2])
    product = first.gradients.mT @ first.gradients
    total = product.diagonal(dim1=1, dim2=2).sum(dim=1).clamp(min=torch.finfo(x.dtype).tiny)[:, None, None]
    real = (x != 0).any(dim=1).sum(dim=1)[:, None, None]
    return _fit(x, y, (1 - SHRINKAGE) * real * product / total + SHRINKAGE * identity, PENALTIES)


def _fit(x: Tensor, y: Tensor, metric: Tensor, penalties: tuple[float, ...]) -> KernelFit:
    """Fit with distances by a metric, [B, columns, columns], whose mean is the kernel's width."""
    along = x @ metric
    norm = (along * x).sum(dim=-1)
    squared = (norm[:, :, None] + norm[:, None, :] - 2 * along @ x.mT).clamp(min=0)  # [B, rows, rows]
    width = squared.mean(dim=(1, 2), keepdim=True).clamp(min=LEAST_DISTANCE)
    kernel = (-squared / width).exp()
    center = y.mean(dim=1, keepdim=True)
    weights, left_out = _least(kernel, y - center, penalties)
    pull = kernel * weights[:, None]
    return KernelFit(left_out, (pull @ x - pull.sum(dim=2, keepdim=True) * x) @ metric * (2 / width))


def _least(kernel: Tensor, target: Tensor, penalties: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """Return weights and what is left of rows that are left out, [B, rows], for the penalty that leaves least."""
    identity = torch.eye(kernel.shape[1], dtype=kernel.dtype, device=kernel.device)
    found = []
    for penalty in penalties:
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(kernel + penalty * identity))
        weights = (inverse @ target[..., None])[..., 0]
        found.append((weights, weights / inverse.diagonal(dim1=1, dim2=2)))
    weights, left_out = (torch.stack(each) for each in zip(*found, strict=True))  # [penalties, B, rows]
    chosen = left_out.square().mean(dim=2).argmin(dim=0)
    every = torch.arange(len(target), device=target.device)
    return weights[chosen, every], left_out[chosen, every]

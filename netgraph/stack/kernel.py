"""Recursive feature machine (Radhakrishnan et al. 2024): Gaussian kernel regression with a learned metric.

A kernel ridge regression is fitted in several rounds; from the second on, its distances are measured in the average
gradient outer product (AGOP) of the round before. The last round is also a Gaussian process, whose posterior on other
rows has a closed form (Rasmussen & Williams 2006, chapter 2).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

#: Ridge penalties; each data set takes that of the least leave-one-out error. The second one alone finds the metric.
#: Chosen: half a decade apart around the noise of standardized targets.
PENALTIES = (3e-3, 3e-2, 3e-1)
#: Share of the identity in a metric, which keeps every column. Chosen: a tenth.
SHRINKAGE = 0.1
#: Least mean of the squared distances, which rows that are all the same have.
LEAST_DISTANCE = 1e-9


@dataclass(frozen=True)
class KernelFit:
    """Kernel regressions of B data sets.

    Attributes:
        x: Rows of the data sets, [B, rows, columns].
        metric: Metric of the distances, [B, columns, columns].
        width: Mean squared distance of the rows in the metric, the kernel's width, [B, 1, 1].
        center: Mean of the targets, [B, 1].
        target: Targets less their mean, [B, rows].
        inverse: Inverse of kernel plus penalty, [B, rows, rows].
        weights: Dual weights, [B, rows].
    """

    x: Tensor
    metric: Tensor
    width: Tensor
    center: Tensor
    target: Tensor
    inverse: Tensor
    weights: Tensor

    @property
    def left_out(self) -> Tensor:
        """Leave-one-out residuals, [B, rows]."""
        return self.weights / self.inverse.diagonal(dim1=1, dim2=2)

    @property
    def gradients(self) -> Tensor:
        """Gradients of the regressions at their own rows, [B, rows, columns]."""
        kernel, weights = _kernel(self.x, self.x, self.metric, self.width), self.weights[..., None]
        return (kernel @ (weights * self.x) - kernel @ weights * self.x) @ self.metric * (2 / self.width)

    def posterior(self, at: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the posterior of the Gaussian process on other rows.

        The kernel's amplitude is the one of maximal likelihood, so that the penalty is the noise in its units.

        Args:
            at: Other rows, [B, M, columns].

        Returns:
            Mean, [B, M], and covariance without the noise of a single target, [B, M, M].
        """
        cross = _kernel(at, self.x, self.metric, self.width)  # [B, M, rows]
        mean = self.center + (cross @ self.weights[..., None])[..., 0]
        covariance = _kernel(at, at, self.metric, self.width) - cross @ self.inverse @ cross.mT
        amplitude = (self.weights * self.target).mean(dim=1)
        return mean, covariance * amplitude[:, None, None]


@torch.no_grad()
def fit_kernel(x: Tensor, y: Tensor, rounds: int = 1) -> KernelFit:
    """Fit a recursive feature machine to each of B data sets.

    Args:
        x: Columns, standardized, 0 where a data set has none, [B, rows, columns].
        y: Targets, [B, rows].
        rounds: How many times the metric is found, >= 1.
    """
    fit = _fit(x, y, torch.eye(x.shape[2], dtype=x.dtype, device=x.device)[None], PENALTIES[1:2])
    for number in range(1, rounds + 1):
        fit = _fit(x, y, _agop(fit), PENALTIES if number == rounds else PENALTIES[1:2])
    return fit


def learned_kernel(x: Tensor, y: Tensor) -> Tensor:
    """Compute the Gaussian kernel of rows in the metric that each of B functions has.

    Args:
        x: Rows of all functions, [rows, columns].
        y: Their values there, [B, rows].

    Returns:
        Kernels with diagonals of 1, [B, rows, rows].
    """
    rows, identity = x[None], torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    squared = _squared(rows, rows, _agop(_fit(rows, y, identity[None], PENALTIES[1:2])))
    return (-squared / _width(squared)).exp()


def _agop(fit: KernelFit) -> Tensor:
    """Return the average gradient outer product as a metric of as large a trace as the identity's over real columns."""
    gradients = fit.gradients
    product = gradients.mT @ gradients
    total = product.diagonal(dim1=1, dim2=2).sum(dim=1).clamp(min=torch.finfo(product.dtype).tiny)[:, None, None]
    real = (fit.x != 0).any(dim=1).sum(dim=1)[:, None, None]
    identity = torch.eye(product.shape[2], dtype=product.dtype, device=product.device)
    return (1 - SHRINKAGE) * real * product / total + SHRINKAGE * identity


def _squared(a: Tensor, b: Tensor, metric: Tensor) -> Tensor:
    """Compute squared distances of rows [B, M, columns] and [B, N, columns] in a metric, [B, M, N]."""
    along = a @ metric
    of_a, of_b = (along * a).sum(dim=-1), ((b @ metric) * b).sum(dim=-1)
    return (of_a[:, :, None] + of_b[:, None, :] - 2 * along @ b.mT).clamp(min=0)


def _width(squared: Tensor) -> Tensor:
    """Return the mean squared distance, a kernel's width, [B, 1, 1]."""
    return squared.mean(dim=(1, 2), keepdim=True).clamp(min=LEAST_DISTANCE)


def _kernel(a: Tensor, b: Tensor, metric: Tensor, width: Tensor) -> Tensor:
    """Compute the Gaussian kernel of rows [B, M, columns] and [B, N, columns], [B, M, N]."""
    return (-_squared(a, b, metric) / width).exp()


def _fit(x: Tensor, y: Tensor, metric: Tensor, penalties: tuple[float, ...]) -> KernelFit:
    """Fit with distances in a metric, [B, columns, columns]; their mean is the kernel's width."""
    squared, center = _squared(x, x, metric), y.mean(dim=1, keepdim=True)
    width = _width(squared)
    inverse, weights = _least((-squared / width).exp(), y - center, penalties)
    return KernelFit(x, metric, width, center, y - center, inverse, weights)


def _least(kernel: Tensor, target: Tensor, penalties: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """Return inverse [B, rows, rows] and dual weights [B, rows] for the penalty of the least leave-one-out error."""
    identity = torch.eye(kernel.shape[1], dtype=kernel.dtype, device=kernel.device)
    found = []
    for penalty in penalties:
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(kernel + penalty * identity))
        weights = (inverse @ target[..., None])[..., 0]
        found.append((inverse, weights, (weights / inverse.diagonal(dim1=1, dim2=2)).square().mean(dim=1)))
    inverse, weights, error = found[0]
    for other, other_weights, other_error in found[1:]:
        less = other_error < error
        inverse, weights = (
            torch.where(less[:, None, None], other, inverse),
            torch.where(less[:, None], other_weights, weights),
        )
        error = torch.minimum(error, other_error)
    return inverse, weights

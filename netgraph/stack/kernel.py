"""Recursive feature machine (Radhakrishnan et al. 2024): Gaussian kernel regression with a learned metric.

A kernel ridge regression is fitted in several rounds; from the second on, its distances are measured in the average
gradient outer product (AGOP) of the round before. The last round is also a Gaussian process, whose posterior on other
rows has a closed form (Rasmussen & Williams 2006, chapter 2).
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from netgraph.lines import Compact

#: Ridge penalties; each data set takes that of the least leave-one-out error. The second one alone finds the metric.
#: Chosen: half a decade apart around the noise of standardized targets.
PENALTIES = (3e-3, 3e-2, 3e-1)
#: Share of the identity in a metric, so that no column is lost. Chosen: a tenth.
SHRINKAGE = 0.1
#: Least mean of the squared distances, which rows that are all the same have.
LEAST_DISTANCE = 1e-9
#: Functions whose metrics are computed at once; chosen: their gradients fit into a cache.
CHUNK = 32


@dataclass(frozen=True, repr=False)
class KernelFit(Compact):
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
    def residual(self) -> Tensor:
        """Leave-one-out residuals, [B, rows]."""
        return self.weights / self.inverse.diagonal(dim1=1, dim2=2)

    @property
    def gradients(self) -> Tensor:
        """Gradients of the regressions at their own rows, [B, rows, columns]."""
        kernel, weights = _kernel(self.x, self.x, self.metric, self.width), self.weights[..., None]
        return (kernel @ (weights * self.x) - kernel @ weights * self.x) @ self.metric * (2 / self.width)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the posterior of the Gaussian process on other rows.

        The kernel's amplitude maximizes the likelihood, so that the penalty is the noise in units of the amplitude.

        Args:
            x: Other rows, [B, M, columns].

        Returns:
            Mean, [B, M], and covariance without the noise of a single target, [B, M, M].
        """
        cross = _kernel(x, self.x, self.metric, self.width)  # [B, M, rows]
        mean = self.center + (cross @ self.weights[..., None])[..., 0]
        covariance = _kernel(x, x, self.metric, self.width) - cross @ self.inverse @ cross.mT
        amplitude = (self.weights * self.target).mean(dim=1)
        return mean, covariance * amplitude[:, None, None]


@torch.no_grad()
def fit_kernel(x: Tensor, y: Tensor, rounds: int = 1) -> KernelFit:
    """Fit a recursive feature machine to each of B data sets.

    Args:
        x: Columns, standardized, 0 where a data set has none, [B, rows, columns].
        y: Targets, [B, rows].
        rounds: Number of times that the metric is estimated, >= 1.

    Example:
        >>> x = torch.linspace(-2, 2, 20, dtype=torch.float64)[None, :, None]
        >>> fit = fit_kernel(x, x[..., 0].sin())
        >>> mean, covariance = fit.posterior(x)
        >>> bool((mean - x[..., 0].sin()).abs().max() < 0.05)
        True
    """
    metric = torch.eye(x.shape[2], dtype=x.dtype, device=x.device)[None]
    for _ in range(rounds):
        metric = _agop(_fit(x, y, metric, PENALTIES[1:2]))
    return _fit(x, y, metric, PENALTIES)


@torch.no_grad()
def learned_metric(x: Tensor, y: Tensor) -> Tensor:
    """Compute the average gradient outer product of B functions, from their values at the same rows.

    Args:
        x: Rows, standardized, [rows, columns].
        y: Values, [B, rows], of whatever size.

    Returns:
        Metrics, [B, columns, columns], of trace ``columns`` and a tenth of it in the identity.

    Example:
        >>> x = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
        >>> learned_metric(x, x[:, :1].mT)[0].diagonal().argmax()  # a function of the first column
        tensor(0)
    """
    identity = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)[None]
    fit, metrics = _fit(x[None], y.new_zeros(1, len(x)), identity, PENALTIES[1:2]), []
    for part in y.split(CHUNK):  # whose kernel is the same
        part = part / part.abs().amax(dim=1, keepdim=True).clamp(min=torch.finfo(y.dtype).tiny)
        center = part.mean(dim=1, keepdim=True)
        weights = (fit.inverse @ (part - center)[..., None])[..., 0]
        metrics.append(_agop(replace(fit, center=center, target=part - center, weights=weights)))
    return torch.cat(metrics)


def _agop(fit: KernelFit) -> Tensor:
    """Compute the metric that regressions have, of as large a trace as the identity's over the columns in use."""
    gradients = fit.gradients
    product = gradients.mT @ gradients
    total = product.diagonal(dim1=1, dim2=2).sum(dim=1).clamp(min=torch.finfo(product.dtype).tiny)[:, None, None]
    real = (fit.x != 0).any(dim=1).sum(dim=1)[:, None, None]
    identity = torch.eye(product.shape[2], dtype=product.dtype, device=product.device)
    return (1 - SHRINKAGE) * real * product / total + SHRINKAGE * identity


def _kernel(a: Tensor, b: Tensor, metric: Tensor, width: Tensor) -> Tensor:
    """Compute the Gaussian kernel of rows [B, M, columns] and [B, N, columns], [B, M, N]."""
    along = a @ metric
    of_a, of_b = (along * a).sum(dim=-1), ((b @ metric) * b).sum(dim=-1)
    return (-(of_a[:, :, None] + of_b[:, None, :] - 2 * along @ b.mT).clamp(min=0) / width).exp()


def _fit(x: Tensor, y: Tensor, metric: Tensor, penalties: tuple[float, ...]) -> KernelFit:
    """Fit with distances in a metric, [B, columns, columns]; their mean is the kernel's width."""
    norm = ((x @ metric) * x).sum(dim=-1)
    squared = norm[:, :, None] + norm[:, None, :] - 2 * x @ metric @ x.mT  # [B, rows, rows]
    width = squared.clamp(min=0).mean(dim=(1, 2), keepdim=True).clamp(min=LEAST_DISTANCE)
    center = y.mean(dim=1, keepdim=True)
    inverse, weights = _least(_kernel(x, x, metric, width), y - center, penalties)
    return KernelFit(x, metric, width, center, y - center, inverse, weights)


def _least(kernel: Tensor, target: Tensor, penalties: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """Return inverse [B, rows, rows] and dual weights [B, rows] for the penalty of the least leave-one-out error."""
    identity = torch.eye(kernel.shape[1], dtype=kernel.dtype, device=kernel.device)
    factors = torch.linalg.cholesky(torch.stack([kernel + penalty * identity for penalty in penalties]))
    inverses = torch.cholesky_inverse(factors)  # [penalties, B, rows, rows]
    weights = (inverses @ target[..., None])[..., 0]
    if len(penalties) == 1:
        return inverses[0], weights[0]
    residuals = weights / inverses.diagonal(dim1=2, dim2=3)
    chosen = residuals.square().mean(dim=2).argmin(dim=0)
    every = torch.arange(len(target), device=target.device)
    return inverses[chosen, every], weights[chosen, every]

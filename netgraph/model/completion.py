"""What the numbers of a function code leave open: a Gaussian process in the metric of what they say.

Its covariance on the common rows is that of all networks and, to a share, a Gaussian kernel whose metric is the average
gradient outer product (AGOP; Radhakrishnan et al. 2024) of the function that the given components alone decode to.
Draws are Matheron's rule (Wilson et al. 2020) on random Fourier features (Rahimi & Recht 2007).
"""

import torch
from torch import Tensor

from netgraph.stack import learned_metric

#: Share of the function's own kernel in the covariance, and variance of the noise of given components. Measured on
#: networks of held-out tasks: 64 numbers bring a median R^2 of 0.970 (10th percentile 0.826) instead of 0.960 (0.798),
#: 32 numbers 0.933 (0.728) instead of 0.922 (0.689).
ADAPTED, NOISE = 0.15, 1e-2
#: Functions completed at once; chosen: their kernels fit into a cache.
CHUNK = 32
#: Random features of a draw; chosen: as many as there are common rows.
FEATURES = 512
#: Seed of the features' frequencies and phases, which all draws share.
SEED = 20_012


@torch.no_grad()
def complete(x: Tensor, basis: Tensor, variance: Tensor, components: Tensor, noise: Tensor | None = None) -> Tensor:
    """Compute the posterior mean of functions on all rows, or a draw, given components of their outputs there.

    Args:
        x: Rows, standard normal, [R, columns].
        basis: Orthonormal directions of the components, [k, R].
        variance: Variance of the components among all networks, [k].
        components: Components of B functions, [B, k].
        noise: Noise from N(0, I), [B, FEATURES], for a draw; the mean when None.

    Returns:
        Outputs, [B, R], with the given components.
    """
    largest = components.abs().amax(dim=1, keepdim=True).clamp(min=torch.finfo(x.dtype).tiny)
    components = components / largest
    known = components @ basis
    metric, free = learned_metric(x, known), torch.empty_like(known)
    for part in torch.arange(len(known), device=x.device).split(CHUNK):
        process = _Process(x, basis, variance, metric[part])
        free[part] = process.mean(components[part])
        if noise is not None:
            free[part] += process.draw(components[part], noise[part])
    return largest * (known + free - free @ basis.mT @ basis)


class _Process:
    """Gaussian processes on the same rows, with a metric each, [B, columns, columns]; see :func:`complete`."""

    def __init__(self, x: Tensor, basis: Tensor, variance: Tensor, metric: Tensor) -> None:
        self.points, self.basis = x @ torch.linalg.cholesky(metric), basis  # [B, R, columns], distances Euclidean
        squared = torch.cdist(self.points, self.points).square()
        self.width = squared.mean(dim=(1, 2), keepdim=True)
        kernel = ADAPTED * (-squared / self.width).exp()
        self.cross = kernel @ basis.mT + (1 - ADAPTED) * variance * basis.mT  # [B, R, k]
        self.within = torch.linalg.cholesky(basis @ self.cross + NOISE * torch.eye(len(basis)).to(x))

    def weights(self, components: Tensor) -> Tensor:
        """Return the dual weights of components, [B, k]."""
        weights: Tensor = torch.cholesky_solve(components[..., None], self.within)[..., 0]
        return weights

    def mean(self, components: Tensor) -> Tensor:
        """Return the posterior mean of outputs, [B, R]."""
        return (self.cross @ self.weights(components)[..., None])[..., 0]

    def draw(self, components: Tensor, noise: Tensor) -> Tensor:
        """Return deviations from the mean, [B, R]; the amplitude is the one of maximal likelihood."""
        amplitude = (components * self.weights(components)).mean(dim=1, keepdim=True).sqrt()
        generator = torch.Generator().manual_seed(SEED)
        frequency = torch.randn(self.points.shape[2], FEATURES, generator=generator).to(noise)
        phase = 2 * torch.pi * torch.rand(FEATURES, generator=generator).to(noise)
        waves = (self.points @ frequency * (2 / self.width).sqrt() + phase).cos()  # [B, R, FEATURES]
        outputs: Tensor = (2 * ADAPTED / FEATURES) ** 0.5 * (waves @ noise[..., None])[..., 0]
        return amplitude * (outputs - self.mean(outputs @ self.basis.mT))

"""Simple ways to draw latents, from the latents of encoded networks: the alternatives to a learned prior."""

import torch
from torch import Generator, Tensor


def normal(z: Tensor, n: int, generator: Generator) -> Tensor:
    """Draw from N(0, I), [n, latent]; of the encoded latents, [networks, latent], only the width counts."""
    return torch.randn(n, z.shape[1], generator=generator)


def gaussian(z: Tensor, n: int, generator: Generator, ridge: float = 1e-3) -> Tensor:
    """Draw from the Gaussian with the latents' mean and covariance, [n, latent].

    Args:
        z: Latents of encoded networks, [networks, latent].
        n: How many.
        generator: Draws them.
        ridge: Added to the variances, so that numbers which are constant do not make the covariance singular.
    """
    covariance = torch.cov(z.double().T) + ridge * torch.eye(z.shape[1], dtype=torch.float64)
    noise = torch.randn(n, z.shape[1], generator=generator, dtype=torch.float64)
    drawn = noise @ torch.linalg.cholesky(covariance).T + z.double().mean(dim=0)
    return drawn.to(z.dtype)


def kernel_density(z: Tensor, n: int, generator: Generator, bandwidth: float) -> Tensor:
    """Draw encoded networks and add noise, [n, latent].

    Args:
        z: Latents of encoded networks, [networks, latent].
        n: How many.
        generator: Draws them.
        bandwidth: Deviation of the noise, in deviations of each latent number.
    """
    chosen = z[torch.randint(len(z), (n,), generator=generator)]
    return chosen + bandwidth * z.std(dim=0) * torch.randn(chosen.shape, generator=generator)

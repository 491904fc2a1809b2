"""The prior: a learned affine map that carries noise from N(0, I) to where encoded networks lie."""

import torch
from torch import Tensor, nn


class GaussianPrior(nn.Module):
    """p(z) and p(z | meta-features), both Gaussian, fitted to the encoded training zoo in closed form.

    z = mean + weight m + factor eps with eps ~ N(0, I), m the standardized meta-features (0 without any) and factor the
    Cholesky factor of the covariance (of the residual, with meta-features). Before it is fitted, z = eps.

    Args:
        latent_size: Size of z.
        n_features: Length of the meta-feature vector.
    """

    mean: Tensor
    factor: Tensor
    weight: Tensor
    conditional_factor: Tensor

    def __init__(self, latent_size: int, n_features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(latent_size))
        self.register_buffer("factor", torch.eye(latent_size))
        self.register_buffer("weight", torch.zeros(n_features, latent_size))
        self.register_buffer("conditional_factor", torch.eye(latent_size))

    def fit(self, mean: Tensor, log_variance: Tensor, meta_features: Tensor, ridge: float = 10.0) -> None:
        """Fit to encoded networks.

        Args:
            mean: Means of q(z | network), [n, latent].
            log_variance: Their log-variances, [n, latent].
            meta_features: Standardized meta-features of each network's task, [n, features].
            ridge: Penalty of the regression of z on the meta-features.
        """
        center = mean.mean(dim=0)
        residual = mean - center
        noise = log_variance.exp().mean(dim=0)
        features = meta_features - meta_features.mean(dim=0)
        gram = features.T @ features + ridge * torch.eye(features.shape[1])
        weight = torch.linalg.solve(gram, features.T @ residual)
        self.mean.copy_(center)
        self.factor.copy_(_factor(residual, noise))
        self.weight.copy_(weight)
        self.conditional_factor.copy_(_factor(residual - features @ weight, noise))

    def forward(self, noise: Tensor, meta_features: Tensor | None = None) -> Tensor:
        """Carry noise, [n, latent], to latents, given standardized meta-features, [n, features], if any."""
        if meta_features is None:
            return self.mean + noise @ self.factor.T
        return self.mean + meta_features @ self.weight + noise @ self.conditional_factor.T


def _factor(residual: Tensor, noise: Tensor) -> Tensor:
    covariance = residual.T.double() @ residual.double() / len(residual) + torch.diag(noise.double() + 1e-6)
    factor: Tensor = torch.linalg.cholesky(covariance)
    return factor.float()

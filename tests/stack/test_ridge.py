import numpy as np
import torch
from sklearn.linear_model import Ridge
from torch import Generator, Tensor

from netgraph.stack import fit_ridge

PENALTY = 1e-2


def _drawn(rows: int = 30, width: int = 5, networks: int = 3) -> tuple[Tensor, Tensor]:
    generator = Generator().manual_seed(0)
    hidden = torch.randn(networks, rows, width, generator=generator, dtype=torch.float64)
    return hidden, hidden[..., :1] * 2 + 1 + torch.randn(networks, rows, 1, generator=generator, dtype=torch.float64)


def _of_sklearn(hidden: Tensor, y: Tensor) -> Ridge:
    spread = float((hidden - hidden.mean(dim=0)).square().mean(dim=0).sum())
    return Ridge(len(y) * (PENALTY * spread + 1e-6)).fit(hidden.numpy(), y.numpy())


def test_it_is_the_ridge_regression_of_scikit_learn() -> None:
    hidden, y = _drawn()
    fit = fit_ridge(hidden, y, PENALTY)
    for i, (own, target) in enumerate(zip(hidden, y, strict=True)):
        reference = _of_sklearn(own, target)
        np.testing.assert_allclose(fit.weights[i, :, 0], reference.coef_, rtol=1e-6)
        np.testing.assert_allclose(fit.predict(hidden)[i], reference.predict(own.numpy()).reshape(-1, 1), rtol=1e-6)


def test_the_fit_has_a_gradient() -> None:
    hidden, y = _drawn(rows=6, width=2, networks=2)
    assert torch.autograd.gradcheck(lambda h: fit_ridge(h, y, PENALTY).predict(h), hidden.requires_grad_())


def test_activations_that_are_all_equal_give_the_mean() -> None:
    y = torch.tensor([[[1.0], [2.0], [6.0]]])
    torch.testing.assert_close(fit_ridge(torch.ones(1, 3, 4), y).predict(torch.ones(1, 1, 4)), torch.tensor([[[3.0]]]))

import pytest
import torch
from torch import Generator, Tensor

from netgraph.stack import fit_kernel, learned_metric
from netgraph.stack.kernel import _fit, _least


def drawn(rows: int, columns: int, seed: int = 0) -> Tensor:
    return torch.randn(1, rows, columns, generator=Generator().manual_seed(seed), dtype=torch.float64)


def test_what_is_left_of_a_row_is_what_a_fit_without_it_leaves():
    x, y = drawn(12, 3), drawn(12, 1, seed=1)[..., 0]
    kernel = (-torch.cdist(x, x).square()).exp()
    inverse, weights = _least(kernel, y, (0.1,))
    left_out = weights / inverse.diagonal(dim1=1, dim2=2)
    others = torch.arange(12) != 5
    system = kernel[:, others][:, :, others] + 0.1 * torch.eye(11, dtype=torch.float64)
    without = torch.linalg.solve(system, y[:, others])
    torch.testing.assert_close(left_out[0, 5], y[0, 5] - (kernel[0, 5, others] * without[0]).sum())
    torch.testing.assert_close((kernel + 0.1 * torch.eye(12)) @ weights[..., None], y[..., None])
    torch.testing.assert_close((kernel + 0.1 * torch.eye(12)) @ inverse, torch.eye(12, dtype=torch.float64)[None])


def test_each_data_set_takes_the_penalty_that_leaves_least():
    x = drawn(40, 2)
    kernel, noise = (-torch.cdist(x, x).square()).exp(), drawn(40, 1, seed=2)[..., 0]
    penalties = (1e-3, 10.0)
    both = torch.cat([x[..., 0].sin(), noise])
    chosen = _least(kernel.expand(2, -1, -1), both, penalties)[0]
    alone = [_least(kernel.expand(2, -1, -1), both, (penalty,))[0] for penalty in penalties]
    assert torch.equal(chosen[0], alone[0][0])
    assert torch.equal(chosen[1], alone[1][1])


def test_gradients_are_those_of_the_regression():
    x, y = drawn(15, 3), drawn(15, 1, seed=1)[..., 0]
    metric = torch.tensor([[2.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 0.2]], dtype=torch.float64)
    at = x[0].clone().requires_grad_()

    def squared(a: Tensor, b: Tensor) -> Tensor:
        apart = a[:, None] - b[None]
        return torch.einsum("nmi,ij,nmj->nm", apart, metric, apart)

    width = squared(x[0], x[0]).mean()
    weights = torch.linalg.solve((-squared(x[0], x[0]) / width).exp() + 0.1 * torch.eye(15), (y - y.mean())[0])
    wanted = torch.autograd.grad(((-squared(at, x[0]) / width).exp() @ weights).sum(), at)[0]
    torch.testing.assert_close(_fit(x, y, metric[None], (0.1,)).gradients[0], wanted)


def test_the_posterior_is_that_of_a_gaussian_process():
    x, y, at = drawn(15, 3), drawn(15, 1, seed=1)[..., 0], drawn(6, 3, seed=2)
    fit = _fit(x, y, torch.eye(3, dtype=torch.float64)[None], (0.1,))

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (-torch.cdist(a, b).square() / torch.cdist(x, x).square().mean()).exp()[0]

    system, centered = kernel(x, x) + 0.1 * torch.eye(15), y[0] - y.mean()
    amplitude = centered @ torch.linalg.solve(system, centered) / 15
    mean, covariance = fit.posterior(at)
    torch.testing.assert_close(mean[0], y.mean() + kernel(at, x) @ torch.linalg.solve(system, centered))
    reduced = kernel(at, at) - kernel(at, x) @ torch.linalg.solve(system, kernel(x, at))
    torch.testing.assert_close(covariance[0], amplitude * reduced)


def test_the_posterior_at_far_rows_is_the_prior_and_at_own_rows_the_regression():
    x, y = drawn(20, 2), drawn(20, 1, seed=1)[..., 0]
    fit = fit_kernel(x, y)
    mean, covariance = fit.posterior(torch.cat([x, torch.full((1, 1, 2), 1e3, dtype=torch.float64)], dim=1))
    torch.testing.assert_close(mean[:, -1], y.mean(dim=1))
    variance = covariance[0].diagonal()
    assert (variance >= -1e-9).all()
    assert (variance[:-1] < variance[-1]).all()
    penalty = fit.inverse.inverse().diagonal(dim1=1, dim2=2) - 1
    torch.testing.assert_close(y - mean[:, :-1], penalty * fit.weights)


@pytest.mark.parametrize("rounds", [1, 3])
def test_the_metric_turns_to_the_columns_that_matter(rounds):
    x = drawn(150, 8)
    y = (2 * x[..., 0]).sin() + x[..., 1]
    error = fit_kernel(x, y, rounds).residual.square().mean()
    identity = torch.eye(8, dtype=torch.float64)[None]
    assert error < 0.7 * _fit(x, y, identity, (3e-3, 3e-2, 3e-1)).residual.square().mean()
    steepness = fit_kernel(x, y, rounds).gradients.square().mean(dim=(0, 1))
    assert steepness[:2].min() > 5 * steepness[2:].max()


def test_a_data_set_does_not_see_its_neighbor_nor_padded_columns():
    x, y = drawn(20, 3), drawn(20, 1, seed=1)[..., 0]
    other = drawn(20, 5, seed=3)
    both = fit_kernel(torch.cat([torch.nn.functional.pad(x, (0, 2)), other]), torch.cat([y, other[..., 0]]))
    alone = fit_kernel(x, y)
    torch.testing.assert_close(both.residual[:1], alone.residual)
    torch.testing.assert_close(both.gradients[:1, :, :3], alone.gradients)
    assert not both.gradients[:1, :, 3:].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_that_say_nothing_give_finite_numbers(dtype):
    for x, y in ((torch.zeros(1, 4, 2), torch.ones(1, 4)), (torch.ones(1, 2, 1), torch.tensor([[0.0, 1.0]]))):
        fit = fit_kernel(x.to(dtype), y.to(dtype))
        assert fit.residual.isfinite().all()
        assert fit.gradients.isfinite().all()
        assert all(values.isfinite().all() for values in fit.posterior(x.to(dtype)))


def test_the_metric_of_functions_on_the_same_rows_shows_their_columns():
    x = drawn(200, 4)[0]
    y = torch.stack([(2 * x[:, 1]).sin(), x[:, 0] * x[:, 3], torch.zeros(200, dtype=torch.float64)])
    metric = learned_metric(x, y)
    share = metric.diagonal(dim1=1, dim2=2) / 4
    torch.testing.assert_close(share[:2].sum(dim=1), torch.ones(2, dtype=torch.float64))
    assert share[0, 1] > 0.8
    assert share[1, [0, 3]].min() > 0.3
    torch.testing.assert_close(metric[2], 0.1 * torch.eye(4, dtype=torch.float64))
    torch.testing.assert_close(learned_metric(x, 5 * y)[:2], metric[:2])
    torch.testing.assert_close(learned_metric(x, y[1:2])[0], metric[1])

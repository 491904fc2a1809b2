"""Length scales of a Gaussian process: derivatives, likelihood, and which columns they name."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import approx_fprime
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct, Matern, WhiteKernel
from sklearn.gaussian_process.kernels import Kernel as SklearnKernel
from torch import Generator

from netgraph.search.data import Data
from netgraph.search.relevance import (
    IMPOSSIBLE,
    LENGTHS,
    MOST_ROWS,
    VARIANCES,
    Kernel,
    _Process,
    length_scales,
    matern,
    squared_exponential,
)

KERNELS = pytest.mark.parametrize("kernel", [squared_exponential, matern])


def _rows(rows: int, columns: int, seed: int = 0) -> Data:
    """Rows whose target bends along the first column, and rises along the second."""
    x, noise = torch.randn(rows, columns + 1, generator=Generator().manual_seed(seed)).split((columns, 1), dim=1)
    y = (2 * x[:, 0]).sin() + x[:, 1] + 0.3 * noise[:, 0]
    return Data(x, (y - y.mean()) / y.std())


@KERNELS
def test_a_kernel_is_1_at_the_row_itself_and_gives_its_derivative(kernel):
    squared = torch.linspace(0.01, 9, 20, dtype=torch.float64, requires_grad=True)
    covariance, slope = kernel(squared)
    torch.testing.assert_close(torch.autograd.grad(covariance.sum(), squared)[0], slope)
    assert kernel(torch.zeros(1))[0] == 1
    assert kernel(torch.zeros(1))[1].isfinite()


@KERNELS
@given(st.integers(2, 5), st.integers(0, 1000))
def test_the_gradient_is_that_of_the_likelihood(kernel, columns, seed):
    process = _Process(_rows(12, columns, seed), kernel)
    at = np.random.default_rng(seed).normal(size=columns + 3)
    expected = approx_fprime(at, lambda logarithms: process(logarithms)[0], 1e-6)
    np.testing.assert_allclose(process(at)[1], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("kernel", "known"), [(squared_exponential, RBF([2.0] * 3)), (matern, Matern([2.0] * 3, nu=2.5))]
)
def test_the_likelihood_is_that_of_scikit_learns_process(kernel: Kernel, known: SklearnKernel):
    data = _rows(30, 3)
    smooth, linear, noise = VARIANCES
    whole = ConstantKernel(smooth) * known + ConstantKernel(linear) * DotProduct(sigma_0=1e-9) + WhiteKernel(noise)
    y = data.y.double() - data.y.double().mean()
    process = GaussianProcessRegressor(whole, optimizer=None).fit(data.x.double(), y)
    ours, _ = _Process(data, kernel)(np.log([*[2.0] * 3, *VARIANCES]))
    constant = np.log(2 * np.pi) / 2
    assert -(ours + constant) * 30 == pytest.approx(process.log_marginal_likelihood_value_, rel=1e-6)


@KERNELS
@pytest.mark.parametrize("columns", [5, 200])
def test_scales_are_short_where_the_target_bends_and_long_where_it_does_not(kernel, columns):
    found = length_scales(_rows(256, columns), kernel)
    assert (found[1:] > 3 * found[0]).double().mean() > 0.95
    assert ((found >= LENGTHS[0]) & (found <= LENGTHS[1] * (1 + 1e-9))).all()


def test_a_column_that_does_not_vary_is_irrelevant():
    data = _rows(50, 3)
    data.x[:, 2] = 0.0
    assert length_scales(data)[2] == LENGTHS[1]


def test_of_many_rows_some_are_asked():
    data = _rows(MOST_ROWS + 50, 3)
    drawn = _Process(data, squared_exponential).x
    assert len(drawn) == MOST_ROWS
    rare = Data(torch.cat([data.x, torch.ones(len(data.y), 1)], dim=1), data.y)
    left_out = next(i for i, row in enumerate(data.x.double()) if not (drawn == row).all(dim=1).any())
    rare.x[left_out, 3] = 0.0
    found = length_scales(rare)
    assert found[0] < 2
    assert found[3] == LENGTHS[1]


def test_it_ends_when_time_is_over_and_is_the_same_again_when_it_is_not():
    data, asked = _rows(60, 3), []

    def over() -> bool:
        asked.append(True)
        return len(asked) == 2

    short = length_scales(data, over=over)
    assert len(asked) == 2
    assert not torch.equal(short, length_scales(data))
    assert torch.equal(length_scales(data), length_scales(data))


def test_what_cannot_be_computed_counts_as_impossible():
    data = _rows(10, 2)
    data.x[0, 0] = torch.nan
    loss, gradient = _Process(data, squared_exponential)(np.zeros(5))
    assert loss == IMPOSSIBLE
    assert not gradient.any()

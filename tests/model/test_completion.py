import pytest
import torch
from torch import Generator, Tensor

from netgraph.model.completion import FEATURES, complete, fourier_features
from netgraph.model.function import FunctionCode
from netgraph.stack import learned_metric
from tests.model.test_function import Sizes, drawn_counts, fit, functions, of_one_output, r2


@pytest.fixture(scope="module", params=[1, 2])
def code(request) -> FunctionCode:
    found, counts = FunctionCode(Sizes(max_outputs=request.param)), drawn_counts(1200, request.param)
    return fit(found, functions(found, counts), counts)


def unseen(code: FunctionCode, n: int = 200) -> tuple[Tensor, Tensor, Tensor]:
    counts = drawn_counts(n, code.max_outputs, seed=2)
    outputs = functions(code, counts, seed=3)
    return outputs, counts, code.encode(outputs, counts)


def noise(n: int, components: int, seed: int = 0) -> Tensor:
    return torch.randn(n, FEATURES + components, generator=Generator().manual_seed(seed))


@pytest.mark.parametrize("numbers", [8, 12, 18])
def test_what_a_code_leaves_open_is_predicted_better_than_by_its_mean(code, numbers):
    outputs, counts, f = unseen(code)
    numbers = min(numbers * code.max_outputs, 22)  # as many an output
    linear, completed = code.decode(f[:, :numbers], counts), code.complete(f[:, :numbers], counts)
    assert (1 - r2(completed, outputs)).mean() < 0.95 * (1 - r2(linear, outputs)).mean()


def test_mean_and_draw_have_the_given_code(code):
    _, counts, f = unseen(code, 50)
    for outputs in (code.complete(f[:, :9], counts), code.complete(f[:, :9], counts, noise(50, 8))):
        torch.testing.assert_close(code.encode(outputs, counts)[:, :9], f[:, :9], atol=2e-3, rtol=2e-3)


def test_draws_scatter_around_the_mean(code):
    many, counts = 400, torch.tensor([[4, code.max_outputs]])
    f = code.encode(functions(code, counts), counts)
    mean = code.complete(f[:, :8], counts)[0]
    draws = code.complete(f[:, :8].expand(many, -1), counts.expand(many, -1), noise(many, 7))
    deviation = draws.std(dim=0)
    assert deviation.max() > 0.01
    assert ((draws.mean(dim=0) - mean).abs() <= 5 * deviation / many**0.5 + 1e-5).all()


def test_a_function_does_not_depend_on_the_others_and_its_scale_is_that_of_its_code(code):
    _, counts, f = unseen(code, 70)
    together, drawn = code.complete(f[:, :9], counts), noise(70, 7)
    torch.testing.assert_close(code.complete(f[40:41, :9], counts[40:41]), together[40:41], atol=1e-4, rtol=1e-4)
    components = torch.randn(5, 7, generator=Generator().manual_seed(1))
    basis, variance, x = code.basis[1, :7], code.deviation[1, :7].square(), code.rows(2)
    for given in (None, drawn[:5]):
        once, large = (
            complete(x, basis, variance, scale * components, learned_metric(x, scale * components @ basis), given)
            for scale in (1, 1e6)
        )
        torch.testing.assert_close(large / 1e6, once, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("value", [0.0, 1e20, 1e-30])
def test_the_least_and_the_largest_codes_are_completed_by_finite_outputs(code, value):
    counts = of_one_output(torch.tensor([1, 3, 4]))
    for given in (None, noise(3, 23)):
        assert code.complete(torch.full((3, 24), value), counts, given).isfinite().all()


def test_the_number_of_inputs_alone_says_nothing_of_outputs(code):
    assert torch.equal(code.complete(torch.zeros(2, 1), of_one_output(torch.tensor([1, 2]))), torch.zeros(2, 48, 1))


def test_products_of_features_are_the_kernel_in_the_metric(code):
    x, metric = code.rows(2), torch.tensor([[[1.5, 0.4], [0.4, 0.3]]])
    features = fourier_features(x, metric)
    difference = x[:, None] - x[None]
    squared = torch.einsum("ijc,cd,ijd->ij", difference, metric[0], difference)
    kernel = (-squared / squared.mean()).exp()
    assert features.shape == (1, len(x), FEATURES)
    assert (features[0] @ features[0].T - kernel).abs().mean() < 1.5 / FEATURES**0.5
    torch.testing.assert_close(features.square().sum(dim=2), torch.ones(1, len(x)))

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, d2_log_loss_score, r2_score
from torch import Generator
from torch.nn import functional as F

from netgraph import NetGraphError
from netgraph.tasks.losses import LOSSES, Padding, get_loss
from tests.strategies import examples

NAMES = sorted(LOSSES)
TORCH = {
    "squared_error": F.mse_loss,
    "cross_entropy": lambda output, y: F.cross_entropy(output, y.argmax(dim=1)),
    "binary_cross_entropy": F.binary_cross_entropy_with_logits,
}


def targets(name: str, rows: int, outputs: int, generator: Generator) -> torch.Tensor:
    if name == "cross_entropy":
        return F.one_hot(torch.randint(outputs, (rows,), generator=generator), outputs).float()
    if name == "binary_cross_entropy":
        return torch.randint(2, (rows, outputs), generator=generator).float()
    return torch.randn(rows, outputs, generator=generator)


def padded_problem(name: str, sizes: list[int], rows: int = 12, seed: int = 0):
    """Outputs and targets of networks of different numbers of outputs; outputs hold numbers in the padding too."""
    generator = Generator().manual_seed(seed)
    output = 2 * torch.randn(len(sizes), rows, max(sizes), generator=generator)
    y = torch.zeros_like(output)
    for own, size in zip(y, sizes, strict=True):
        own[:, :size] = targets(name, rows, size, generator)
    return output, y, torch.tensor(sizes)


@pytest.mark.parametrize("name", NAMES)
@examples(10)
@given(st.integers(2, 9), st.integers(1, 20), st.integers(0, 1000))
def test_the_value_is_that_of_torch(name, outputs, rows, seed):
    output, y, _ = padded_problem(name, [outputs] * 3, rows, seed)
    expected = torch.stack([TORCH[name](a, b) for a, b in zip(output, y, strict=True)])
    torch.testing.assert_close(get_loss(name).value(output, y), expected)
    torch.testing.assert_close(get_loss(name).value(output.mT, y.mT, dim=-2), expected)
    torch.testing.assert_close(get_loss(name).value(output[0], y[0]), expected[0])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sizes", [[3, 3], [2, 5, 3], [1, 4]])
@pytest.mark.parametrize("dim", [-1, -2])
def test_the_gradient_is_that_of_autograd(name, sizes, dim):
    output, y, n_outputs = padded_problem(name, sizes)
    padding = Padding.of(n_outputs, dim)
    assert (padding is None) == (len(set(sizes)) == 1)
    output, y = (output, y) if dim == -1 else (output.mT.contiguous(), y.mT.contiguous())
    leaf = output.clone().requires_grad_()
    get_loss(name).value(leaf, y, padding, dim).sum().backward()
    given_ = torch.empty_like(output)
    result = get_loss(name).gradient(output, y, padding, dim, out=given_)
    assert result.data_ptr() == given_.data_ptr()
    torch.testing.assert_close(given_, leaf.grad)
    torch.testing.assert_close(get_loss(name).gradient(output, y, padding, dim), leaf.grad)


@pytest.mark.parametrize("name", NAMES)
def test_padding_changes_nothing(name):
    loss, sizes = get_loss(name), [2, 5, 3]
    output, y, n_outputs = padded_problem(name, sizes)
    padding = Padding.of(n_outputs)
    gradient = loss.gradient(output, y, padding)
    for i, size in enumerate(sizes):
        own = output[i, :, :size], y[i, :, :size]
        torch.testing.assert_close(loss.value(output, y, padding)[i], loss.value(*own))
        torch.testing.assert_close(gradient[i, :, :size], loss.gradient(*own))
        torch.testing.assert_close(loss.baseline(y, padding)[i], loss.baseline(own[1]))
        torch.testing.assert_close(loss.score(output, y, padding)[i], loss.score(*own))
        assert (gradient[i, :, size:] == 0).all()


def test_scores_and_explained_shares_are_those_of_scikit_learn():
    output, y, _ = padded_problem("squared_error", [3], rows=40)
    truth, prediction = y[0].double().numpy(), output[0].double().numpy()
    expected = r2_score(truth, prediction, multioutput="variance_weighted")
    assert float(get_loss("squared_error").score(output, y)) == pytest.approx(expected, rel=1e-5)
    loss = get_loss("cross_entropy")
    output, y, _ = padded_problem("cross_entropy", [3], rows=40)
    classes, probability = y[0].argmax(dim=1).numpy(), torch.softmax(output[0].double(), dim=1).numpy()
    assert float(loss.score(output, y)) == pytest.approx(accuracy_score(classes, probability.argmax(1)))
    explained = float(loss.explained(loss.value(output, y), y))
    assert explained == pytest.approx(d2_log_loss_score(classes, probability), rel=1e-5)
    loss = get_loss("binary_cross_entropy")
    output, y, _ = padded_problem("binary_cross_entropy", [1], rows=40)
    probability = torch.sigmoid(output[0].double()).numpy()
    explained = float(loss.explained(loss.value(output, y), y))
    assert explained == pytest.approx(d2_log_loss_score(y[0].flatten().numpy(), probability), rel=1e-5)
    right = accuracy_score(y[0].numpy().ravel(), (probability > 0.5).ravel())
    assert float(loss.score(output, y)) == pytest.approx(right)


@pytest.mark.parametrize("name", NAMES)
def test_no_constant_output_is_better_than_the_baseline(name):
    loss = get_loss(name)
    y = targets(name, 50, 3, Generator().manual_seed(1))
    constants = 3 * torch.randn(200, 1, 3, generator=Generator().manual_seed(2))
    assert (loss.value(constants.expand(-1, 50, -1), y.expand(200, -1, -1)) >= loss.baseline(y) - 1e-6).all()
    share = y.mean(dim=0)
    best = {"squared_error": share, "cross_entropy": share.log(), "binary_cross_entropy": share.logit()}[name]
    torch.testing.assert_close(loss.value(best.expand(50, -1), y), loss.baseline(y))


@pytest.mark.parametrize("name", ["cross_entropy", "binary_cross_entropy"])
def test_large_logits_are_finite(name):
    loss = get_loss(name)
    output, y = torch.tensor([[1e4, -1e4], [-1e4, 1e4]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert loss.value(output, y).isfinite()
    assert loss.gradient(output, y).isfinite().all()
    assert float(loss.score(output, y)) == 0.5


def test_predictions_are_probabilities():
    output = torch.tensor([[0.0, math.log(3.0)]])
    predictions = {name: get_loss(name).predict(output) for name in NAMES}
    assert torch.equal(predictions["squared_error"], output)
    torch.testing.assert_close(predictions["cross_entropy"], torch.tensor([[0.25, 0.75]]))
    torch.testing.assert_close(predictions["binary_cross_entropy"], torch.tensor([[0.5, 0.75]]))
    padded = get_loss("cross_entropy").predict(
        torch.tensor([[[1.0, 1.0, 5.0]], [[0.0] * 3]]), Padding.of(torch.tensor([2, 3]))
    )
    torch.testing.assert_close(padded[0], torch.tensor([[0.5, 0.5, 0.0]]))


def test_an_unknown_loss_is_refused():
    with pytest.raises(NetGraphError, match=r"unknown loss 'hinge'; known: squared_error, cross_entropy, binary_cross"):
        get_loss("hinge")

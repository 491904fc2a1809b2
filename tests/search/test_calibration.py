"""Logits of outputs: a scale that is not negative and biases, which minimize the log loss."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from netgraph.search.calibration import calibrate, fit_calibration
from netgraph.stack import Stack
from tests.search.small import class_rows, random_networks
from tests.strategies import examples


def log_loss(logits: Tensor, y: Tensor) -> float:
    return float(-(y * logits.log_softmax(dim=-1)).sum(dim=-1).mean())


def drawn(rows: int, classes: int, seed: int) -> tuple[Tensor, Tensor]:
    """Logits, [rows, classes], and one-hot classes drawn from them."""
    generator = Generator().manual_seed(seed)
    logits = 2 * torch.randn(rows, classes, generator=generator, dtype=torch.float64)
    labels = torch.multinomial(logits.softmax(dim=1), 1, generator=generator)[:, 0]
    return logits, torch.eye(classes, dtype=torch.float64)[labels]


@examples(10)
@given(st.integers(2, 5), st.floats(0.01, 100), st.integers(0, 999))
def test_no_other_scale_or_bias_has_a_smaller_loss(classes, unit, seed):
    logits, y = drawn(300, classes, seed)
    bias = torch.linspace(-1, 1, classes, dtype=torch.float64)
    scale, biases = fit_calibration(((logits + bias) * unit)[None], y)
    found = log_loss(scale[0] * (logits + bias) * unit + biases, y)
    assert found <= log_loss(logits, y) + 1e-3
    for factor, move in ((1.1, 0), (0.9, 0), (1, 0.1)):
        assert log_loss(factor * scale[0] * (logits + bias) * unit + biases + move * bias, y) > found - 1e-3


def test_the_mean_of_the_other_rows_does_not_tell_a_class():
    y = torch.eye(2)[torch.arange(40) % 2]
    others = (y.sum(dim=0) - y) / 39
    scale, bias = fit_calibration(others[None], y)
    assert scale.tolist() == [0]
    assert bias.softmax(dim=1).tolist() == [pytest.approx([0.5, 0.5])]


def test_outputs_that_are_exact_equal_or_not_finite_give_finite_logits_of_each_network_alone():
    y = torch.eye(3)[torch.arange(30) % 3]
    outputs = torch.stack([y, torch.ones(30, 3), torch.full((30, 3), torch.nan)])
    scale, bias = fit_calibration(outputs, y)
    assert scale.isfinite().all()
    assert bias.isfinite().all()
    assert scale[0] > 3
    assert (scale[1:].tolist(), bias[2].tolist()) == ([0, 1], [0, 0, 0])
    assert fit_calibration(outputs[:1], y)[0][0] == pytest.approx(float(scale[0]))


def test_weighted_rows_count_as_often_as_they_weigh():
    logits, y = drawn(60, 3, 0)
    weight = torch.arange(60) % 3 + 1
    some, repeated = fit_calibration(logits[None], y, weight), logits.repeat_interleave(weight, dim=0)[None]
    every = fit_calibration(repeated, y.repeat_interleave(weight, dim=0))
    torch.testing.assert_close(some, every, rtol=0.05, atol=0.05)


def test_calibration_becomes_part_of_the_output_layer():
    data, graphs = class_rows(), random_networks(3, 1, n_outputs=3)
    stack = Stack([graph.architecture for graph in graphs])
    state = stack.flatten([graph.state for graph in graphs])
    before = stack(state, data.X)
    written, logits = calibrate(stack, state, before.double(), data.y)
    torch.testing.assert_close(stack(written, data.X).double(), logits, rtol=1e-4, atol=1e-4)
    assert float(data.mean(data.losses(logits)).max()) < float(data.mean(data.losses(before)).min())

"""Standard deviations of residuals: calibrated, and larger where residuals are."""

import numpy as np
import pytest
import torch
from torch import Generator

from netgraph import NetGraphRegressor
from netgraph.search import RandomFeatures
from netgraph.search.data import TabularData
from netgraph.search.uncertainty import HALF_WIDTH, ResidualScale


def noisy(rows: int, seed: int, outputs: int = 1) -> tuple[TabularData, torch.Tensor]:
    """Predictions whose residuals grow with the first column."""
    generator = Generator().manual_seed(seed)
    X, prediction = torch.randn(rows, 3, generator=generator), torch.randn(rows, outputs, generator=generator)
    noise = X[:, :1].exp() * torch.randn(rows, outputs, generator=generator) * 10.0 ** torch.arange(outputs)
    return TabularData(X, prediction + noise), prediction


def covered(scale: ResidualScale, data: TabularData, prediction: torch.Tensor) -> list[float]:
    deviation = scale.predict(data.X, prediction)
    return ((data.y - prediction).abs() < HALF_WIDTH * deviation).double().mean(dim=0).tolist()


@pytest.mark.parametrize("outputs", [1, 2])
def test_new_rows_lie_as_often_within_a_normal_interval_as_they_should(outputs):
    fitted, new = noisy(1000, 0, outputs), noisy(4000, 1, outputs)
    scale = ResidualScale.of(*fitted)
    assert covered(scale, *new) == pytest.approx([0.8] * outputs, abs=0.05)
    deviation = scale.predict(new[0].X, new[1])
    large = new[0].X[:, 0] > 1
    assert (deviation[large].mean(dim=0) > 2 * deviation[~large].mean(dim=0)).all()


def test_residuals_that_are_all_zero_or_few_give_finite_deviations():
    data, prediction = noisy(10, 0)
    exact = TabularData(data.X, prediction)
    assert ResidualScale.of(exact, prediction).predict(data.X, prediction).max() < 1e-6
    assert ResidualScale.of(data, prediction).predict(100 * data.X, prediction).isfinite().all()


def test_rows_that_weigh_nothing_do_not_widen_intervals():
    (data, prediction), weight = noisy(200, 0), torch.where(torch.arange(200) < 150, 4 / 3, 1e-9).double()
    y = torch.where(torch.arange(200)[:, None] < 150, data.y, 1e3)
    some = ResidualScale.of(TabularData(data.X, y, weight), prediction)
    assert covered(some, *noisy(4000, 1)) == pytest.approx([0.8], abs=0.07)


def test_the_estimator_gives_deviations_in_the_units_of_its_targets():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2))
    y = 100 * np.sin(X[:, 0]) + 10 * rng.normal(size=400)
    model = NetGraphRegressor(candidates=[RandomFeatures(None)], objectives="error", max_seconds=None)
    prediction, deviation = model.fit(X[:200], y[:200]).predict(X[200:], return_std=True)
    assert np.array_equal(prediction, model.predict(X[200:]))
    assert np.median(deviation) == pytest.approx(10, rel=0.3)
    assert (np.abs(prediction - y[200:]) < 1.2816 * deviation).mean() == pytest.approx(0.8, abs=0.07)

"""Probes find what is in latents, and nothing where nothing is."""

import pytest
import torch
from torch import nn

from netgraph import NetGraphError, canonicalize, from_module
from netgraph.evaluation.probes import predictor_tau, probe_error, probe_family, weight_statistics
from tests.strategies import randomize

GENERATOR = torch.Generator().manual_seed(0)
TASKS = [i // 6 for i in range(240)]
FAMILIES = ["linear" if task % 2 else "fourier" for task in TASKS]
NOISE = torch.randn(240, 5, generator=GENERATOR)
R2 = torch.rand(240, generator=GENERATOR)


def test_a_family_that_latents_tell_linearly_is_found():
    told = NOISE.clone()
    told[:, 2] += torch.tensor([4.0 if family == "linear" else -4.0 for family in FAMILIES])
    assert probe_family(told, FAMILIES, TASKS) > 0.98
    assert probe_family(NOISE, FAMILIES, TASKS) == pytest.approx(0.5, abs=0.15)


def test_what_is_the_same_in_a_task_is_not_remembered():
    """Latents that name the task tell nothing of a task that is not among those fitted to."""
    names = torch.eye(40)[TASKS]
    quality = torch.rand(40, generator=torch.Generator().manual_seed(1))[TASKS]
    assert probe_family(names, FAMILIES, TASKS) < 0.65
    assert probe_error(names, quality, TASKS) < 0.1


def test_an_error_that_is_linear_in_the_latent_is_found():
    told = torch.cat([NOISE, 3 * R2[:, None] - 1 + 0.01 * NOISE[:, :1]], dim=1)
    assert probe_error(told, R2, TASKS) > 0.98
    assert probe_error(NOISE, R2, TASKS) < 0.1


def test_kendalls_tau_of_predictions():
    assert predictor_tau(R2[:, None] ** 3, R2) > 0.9
    assert abs(predictor_tau(NOISE, R2)) < 0.15
    assert predictor_tau(torch.zeros(240, 2), R2) == pytest.approx(0, abs=0.15)
    assert predictor_tau(NOISE, R2, seed=3) == predictor_tau(NOISE, R2, seed=3)


def test_weight_statistics_by_hand():
    small, large = (
        from_module(randomize(nn.Sequential(*(nn.Linear(3, 3) for _ in range(n)), nn.Linear(3, 1)), n)) for n in (1, 2)
    )
    features = weight_statistics([small, large])
    assert features.shape == (2, 7 * 6)
    assert features[0, 28:].eq(0).all()  # one layer less
    weight = canonicalize(small).tensor(small.architecture.tensors[0]).double().flatten().sort().values
    expected = [weight.mean(), weight.var(correction=0), weight[0], weight[2], weight[4], weight[6], weight[8]]
    torch.testing.assert_close(features[0, :7], torch.stack(expected))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: probe_family(NOISE, FAMILIES[:-1], TASKS), r"shape \(240, 5\) for 239 targets"),
        (lambda: probe_family(NOISE, ["linear"] * 240, TASKS), "one family"),
        (lambda: probe_error(NOISE / 0, R2, TASKS), "NaN or infinity"),
        (lambda: probe_error(NOISE, R2, [0, 1, 2, 3] * 60), "4 tasks, or networks of one; a cross-validation"),
        (lambda: predictor_tau(NOISE[:4], R2[:4]), "4 tasks, or networks of one; a cross-validation"),
        (lambda: predictor_tau(NOISE, R2[:5]), "for 5 targets"),
        (lambda: predictor_tau(R2, R2), r"shape \(240,\)"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(NetGraphError, match=message):
        call()

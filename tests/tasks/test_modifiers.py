"""Modifiers do what they say, and leave the rest of a task alone."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from netgraph.tasks import MODIFIERS, draw_task, family_names
from netgraph.tasks.inputs import columns, normal
from netgraph.tasks.modifiers import Collinearity, Discretization, HeavyTails, Heteroscedasticity
from tests.strategies import examples
from tests.tasks.helpers import PLAIN, equal, generator, informative, linear_r2, raw_x, raw_y

ALWAYS = {"probability": 1.0}


def with_modifier(name, **settings):
    return replace(PLAIN, modifiers={name: ALWAYS | settings})


@pytest.mark.parametrize("modifier", list(MODIFIERS))
@pytest.mark.parametrize("family", family_names())
def test_every_family_bears_every_modifier(family, modifier):
    for n_features in (5, 9):
        task = draw_task(family, n_features, 64, 0, replace(with_modifier(modifier), signal_to_noise=(10, 10)))
        assert task.x.isfinite().all()
        assert task.y.isfinite().all()
        assert any(key.startswith(f"{modifier}.") for key in task.description)


@pytest.mark.parametrize("modifier", list(MODIFIERS))
def test_a_modifier_of_probability_zero_is_as_good_as_absent(modifier):
    never = replace(PLAIN, modifiers={modifier: {"probability": 0.0}})
    assert equal(draw_task("polynomial", 4, 64, 3, never), draw_task("polynomial", 4, 64, 3, PLAIN))


def test_a_modifier_acts_as_often_as_asked():
    recipe = replace(PLAIN, modifiers={"heavy_tails": {"probability": 0.3}, "discretization": {"probability": 0.6}})
    tasks = [draw_task("linear", 3, 8, seed, recipe) for seed in range(400)]
    for key, share in (("heavy_tails.h", 0.3), ("discretization.levels", 0.6)):
        assert sum(key in task.description for task in tasks) / 400 == pytest.approx(share, abs=0.07)


@examples(25)
@given(seed=st.integers(0, 2**20), n_features=st.integers(2, 8), correlation=st.floats(0.5, 1.0))
def test_collinear_columns_follow_from_the_others(seed, n_features, correlation):
    z = normal(2000, n_features, generator=generator(seed))
    x, drawn = Collinearity(1.0, (0.2, 0.9), (correlation, correlation)).change(z, generator(seed))
    changed = [i for i in range(n_features) if not torch.equal(x[:, i], z[:, i])]
    kept = [i for i in range(n_features) if i not in changed]
    assert len(changed) == drawn["columns"] <= n_features - 1
    for column in changed:
        assert linear_r2(x[:, kept], x[:, column]) == pytest.approx(correlation**2, abs=0.06)
        assert x[:, column].std() == pytest.approx(1, abs=0.1)


def test_the_target_keeps_its_relation_to_collinear_and_heavy_tailed_columns():
    recipe = replace(PLAIN, modifiers={"collinearity": ALWAYS, "heavy_tails": ALWAYS})
    task = draw_task("linear", 5, 200, 1, recipe)
    assert linear_r2(raw_x(task), raw_y(task)) == pytest.approx(1, abs=1e-5)


def test_heavy_tails_raise_the_kurtosis_and_keep_the_order():
    z = columns(4, 5000, generator(0))

    def kurtosis(x):
        return ((x - x.mean(0)) / x.std(0)).pow(4).mean(0)

    for h, least in ((0.1, 4.0), (0.4, 20.0)):
        x, _ = HeavyTails(1.0, (1.0, 1.0), (h, h)).change(z, generator(1))
        assert kurtosis(x).min() > least
        assert torch.equal(x.argsort(dim=0), z.argsort(dim=0))
        torch.testing.assert_close(x.std(0, correction=0), torch.ones(4).double())
    normal_again, _ = HeavyTails(1.0, (1.0, 1.0), (0.0, 0.0)).change(z, generator(1))
    assert kurtosis(normal_again).max() == pytest.approx(3, abs=0.2)


@examples(25)
@given(seed=st.integers(0, 2**20), levels=st.integers(2, 12), rows=st.integers(2, 60))
def test_discretized_columns_hold_few_values_in_order(seed, levels, rows):
    x = normal(rows, 3, generator=generator(seed))
    coarse, drawn = Discretization(1.0, (1.0, 1.0), (levels, levels)).change(x, generator(seed))
    assert drawn["levels"] == min(levels, rows)
    for before, after in zip(x.T, coarse.T, strict=True):
        assert len(after.unique()) == drawn["levels"]
        assert (after[before.argsort()].diff() >= 0).all()
        assert after.mean() == pytest.approx(float(before.mean()), abs=1e-9)


def test_discretization_is_of_what_is_observed():
    coarse = draw_task("gaussian_process", 3, 64, 2, with_modifier("discretization", share=(1, 1), levels=(3, 3)))
    fine = draw_task("gaussian_process", 3, 64, 2, PLAIN)
    assert torch.equal(coarse.y, fine.y)
    assert [len(column.unique()) for column in coarse.x.T] == [3, 3, 3]
    assert informative(coarse) == informative(fine)


def test_heteroscedastic_noise_is_larger_where_its_scale_is():
    x = normal(20_000, 3, generator=generator(0))
    scale, drawn = Heteroscedasticity(1.0, (0.8, 0.8)).scale(x, generator(1))
    assert drawn["strength"] == 0.8
    assert scale.log().std() == pytest.approx(0.8, abs=1e-3)
    assert linear_r2(x, scale.log()) == pytest.approx(1)


def test_heteroscedastic_noise_depends_on_the_columns_and_keeps_its_size():
    recipe = replace(with_modifier("heteroscedasticity", strength=(1.5, 1.5)), signal_to_noise=(4, 4))
    clean, uneven = draw_task("linear", 3, 4000, 1, PLAIN), draw_task("linear", 3, 4000, 1, recipe)
    even = draw_task("linear", 3, 4000, 1, replace(PLAIN, signal_to_noise=(4, 4)))
    x = raw_x(clean)
    squares = [x[:, i] * x[:, j] for i in range(3) for j in range(i + 1)]
    basis = torch.cat([x, torch.stack(squares, dim=1)], dim=1)
    explained = []
    for task in (uneven, even):
        error = raw_y(task) - raw_y(clean)
        assert float(raw_y(clean).var() / error.var()) == pytest.approx(4, rel=1e-3)
        explained.append(linear_r2(basis, error.abs().clamp_min(1e-12).log()))
    assert explained[0] > 0.4
    assert explained[1] < 0.05

"""One suite that every task family passes."""

from dataclasses import fields, replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from netgraph.errors import NetGraphError
from netgraph.tasks import TaskFamily, TaskRecipe, draw_task, draw_tasks, family_names, get_family, make_task, register
from netgraph.tasks.draw import learnable_r2
from netgraph.tasks.families import Products
from netgraph.tasks.inputs import columns, normal_columns, standard
from tests.strategies import examples
from tests.tasks.helpers import PLAIN, equal, generator, informative, raw_x, raw_y

ROWS = 64
families = pytest.mark.parametrize("name", family_names())


def problem(family, n_features, rows=ROWS, seed=0):
    random = generator(seed)
    z, drawn = family.inputs(n_features, rows, random)
    x, target, more = family.draw(z, random)
    return x, target, drawn | more


def widths(family):
    return {family.min_features, family.max_features or 10}


def test_the_twelve_families_are_there():
    assert family_names() == (
        "linear",
        "friedman1",
        "friedman2",
        "friedman3",
        "mlp_teacher",
        "bayesian_network",
        "polynomial",
        "gaussian_process",
        "structural_causal_model",
        "oblivious_trees",
        "piecewise",
        "products",
    )


@families
def test_draw_keeps_the_contract(name):
    family = get_family(name)
    for n_features in widths(family):
        x, target, _ = problem(family, n_features)
        assert x.shape == (ROWS, n_features)
        assert target.shape == (ROWS,)
        assert x.dtype == target.dtype == torch.float64
        assert x.isfinite().all()
        assert target.isfinite().all()
        assert target.std() > 0


@families
def test_a_family_that_says_so_keeps_its_columns(name):
    family = get_family(name)
    z = columns(family.min_features, ROWS, generator(3))
    x = family.draw(z, generator(4)).x
    assert torch.equal(x, z) or not family.keeps_columns


@pytest.mark.parametrize("name", [name for name in family_names() if name != "structural_causal_model"])
def test_every_column_bears_on_the_target(name):
    family = get_family(name)
    if name == "products":  # of a causal model's roots some may be left out
        family = Products(factors=tuple(one for one in family.factors if one != "structural_causal_model"))
    for seed in range(5):
        z = columns(max(widths(family)), ROWS, generator(seed))
        target = family.draw(z, generator(seed)).target
        for column in range(z.shape[1]):
            moved = z.clone()
            moved[:, column] = z[torch.randperm(ROWS, generator=generator(9)), column]
            assert (family.draw(moved, generator(seed)).target - target).abs().max() > 1e-6 * target.std()


@families
@examples(10)
@given(seed=st.integers(0, 2**32 - 1), extra=st.integers(0, 4))
def test_tasks_are_standardized_and_repeatable(name, seed, extra):
    n_features = get_family(name).min_features + extra
    task = draw_task(name, n_features, ROWS, seed)
    assert equal(task, draw_task(name, n_features, ROWS, seed))
    assert task.x.shape == (ROWS, n_features)
    for values in (task.x, task.y):
        torch.testing.assert_close(values.mean(0), torch.zeros_like(values[0]), atol=1e-5, rtol=0)
        torch.testing.assert_close(values.var(0, correction=0), torch.ones_like(values[0]), atol=1e-4, rtol=0)
    assert 0.03 < task.description["noise"] < 0.32
    assert task.description["n_informative"] + task.description["n_distractors"] == n_features


@families
def test_no_two_tasks_are_alike(name):
    first, second = (draw_task(name, 6, ROWS, seed, PLAIN) for seed in (1, 2))
    assert not torch.allclose(first.y, second.y, atol=1e-2)


@families
def test_the_units_of_a_problem_do_not_matter(name):
    x, target, _ = problem(get_family(name), get_family(name).min_features)
    one, other = (make_task(a, b, family=name) for a, b in ((x, target), (1e3 * x - 5, 1e-4 * target + 7)))
    torch.testing.assert_close(one.x, other.x, atol=1e-5, rtol=0)
    torch.testing.assert_close(one.y, other.y, atol=1e-5, rtol=0)


@families
def test_drawn_hyper_parameters_stay_in_their_ranges_and_fill_them(name):
    family = get_family(name)
    drawn = [problem(family, max(widths(family)), rows=16, seed=seed)[2] for seed in range(60)]
    checked = 0
    for key, limits in ((one.name, one.default) for one in fields(family)):
        if key in drawn[0] and isinstance(limits, tuple):
            values = [float(part) for one in drawn for part in str(one[key]).split(",")]
            assert limits[0] <= min(values) <= max(values) <= limits[1], key
            assert limits[0] == limits[1] or max(values) - min(values) > 0.5 * (limits[1] - limits[0]), key
            checked += 1
    assert checked


@families
def test_a_range_of_one_value_fixes_it(name):
    family = get_family(name)
    for one in fields(family):
        if isinstance(one.default, tuple) and not isinstance(one.default[0], str):
            fixed = replace(family, **{one.name: (one.default[1], one.default[1])})
            drawn = problem(fixed, max(widths(family)))[2].get(one.name)
            assert drawn is None or {float(part) for part in str(drawn).split(",")} == {float(one.default[1])}


@families
def test_most_tasks_are_learnable(name):
    recipe = TaskRecipe(families={name: 1}, learnable=False)
    learned = [(learnable_r2(task.x, task.y, task.seed) > 0) for task in draw_tasks(60, recipe, seed=0)]
    assert sum(learned) / len(learned) >= 0.85


@families
def test_distractors_do_not_influence_the_target(name):
    n = get_family(name).min_features
    without = draw_task(name, n, ROWS, 5, PLAIN)
    three = replace(PLAIN, distractors=(3.5 / (n + 3), 3.5 / (n + 3)))
    with_three = draw_task(name, n + 3, ROWS, 5, three)
    assert with_three.description["n_distractors"] == 3
    torch.testing.assert_close(raw_y(with_three), raw_y(without))
    signal_columns = raw_x(with_three)[:, informative(with_three)]
    torch.testing.assert_close(signal_columns, raw_x(without)[:, informative(without)])


@families
@pytest.mark.parametrize("ratio", [0.5, 10.0, 1000.0])
def test_the_signal_to_noise_ratio_is_as_asked(name, ratio):
    clean, noisy = (draw_task(name, 5, ROWS, 7, replace(PLAIN, signal_to_noise=s)) for s in (None, (ratio, ratio)))
    error = raw_y(noisy) - raw_y(clean)
    assert float(raw_y(clean).var() / error.var()) == pytest.approx(ratio, rel=1e-3)
    assert noisy.description["noise"] == pytest.approx(ratio**-0.5)
    assert clean.description["noise"] == 0


@families
def test_two_rows_are_enough(name):
    assert draw_task(name, 5, 2, 0).x.isfinite().all()


@families
def test_too_few_columns_are_refused(name):
    fewest = get_family(name).min_features
    with pytest.raises(NetGraphError, match=f"{name} needs at least {fewest} columns, got {fewest - 1}"):
        draw_task(name, fewest - 1, ROWS, 0)


def test_columns_are_standard_and_sometimes_mildly_correlated():
    correlations = []
    for seed in range(20):
        x = columns(4, 4000, generator(seed))
        torch.testing.assert_close(x.std(0), torch.ones(4, dtype=x.dtype), atol=0.06, rtol=0)
        z = normal_columns(4, 4000, generator(seed))
        correlations.append((torch.corrcoef(z.T) - torch.eye(4)).abs().max())
    assert 0.1 < max(correlations) < 0.45
    assert min(correlations) < 0.06


def test_a_constant_column_stays_constant_when_standardized():
    x = torch.stack([torch.full((7,), 0.1), torch.arange(7.0)], dim=1).double()
    torch.testing.assert_close(standard(x)[:, 0], torch.zeros(7).double())
    torch.testing.assert_close(standard(x)[:, 1].std(correction=0), torch.tensor(1.0).double())


def test_a_name_is_registered_once():
    with pytest.raises(NetGraphError, match="'linear' is registered already"):
        register(get_family("linear"))


def test_a_target_that_never_varies_is_an_error():
    class Flat(TaskFamily):
        name = "flat"

        def draw(self, z, generator):
            return z, torch.ones(len(z)), {}

    with pytest.raises(NetGraphError, match="flat: the target did not vary in 100 draws of 8 rows"):
        draw_task(Flat(), 2, 8, 0)

"""One suite that every task family passes, and the rules of drawing many."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from netgraph.errors import NetGraphError
from netgraph.tasks import TaskFamily, draw_task, draw_tasks, family_names, get_family, register
from netgraph.tasks.inputs import columns, normal_columns

ROWS = 64
families = pytest.mark.parametrize("name", family_names())


def raw_y(task):
    return task.y.double() * task.y_scale + task.y_mean


def raw_x(task):
    return task.x.double() * task.x_scale + task.x_mean


def informative(task):
    return [int(i) for i in task.description["informative"].split(",")]


def equal(a, b):
    same = torch.equal(a.x, b.x) and torch.equal(a.y, b.y)
    return same and (a.family, a.seed, a.description) == (b.family, b.seed, b.description)


def test_the_seven_families_are_there():
    expected = ["linear", "friedman1", "friedman2", "friedman3", "mlp_teacher", "polynomial", "fourier"]
    assert set(expected) <= set(family_names())


@families
def test_draw_keeps_the_contract(name):
    family = get_family(name)
    for n_features in {family.min_features, family.max_features or 10}:
        x, target = family.draw(n_features, ROWS, torch.Generator().manual_seed(0))
        assert x.shape == (ROWS, n_features)
        assert target.shape == (ROWS,)
        assert x.dtype == target.dtype == torch.float64
        assert x.isfinite().all()
        assert target.isfinite().all()
        assert target.std() > 0


@families
@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), extra=st.integers(0, 4))
def test_tasks_are_standardized_and_repeatable(name, seed, extra):
    n_features = get_family(name).min_features + extra
    task = draw_task(name, n_features, ROWS, seed)
    assert equal(task, draw_task(name, n_features, ROWS, seed))
    assert task.x.shape == (ROWS, n_features)
    for values in (task.x, task.y):
        torch.testing.assert_close(values.mean(0), torch.zeros_like(values[0]), atol=1e-5, rtol=0)
        torch.testing.assert_close(values.var(0, correction=0), torch.ones_like(values[0]), atol=1e-4, rtol=0)
    assert 0 <= task.description["noise"] <= 0.3
    assert task.description["n_informative"] + task.description["n_distractors"] == n_features


@families
def test_no_two_tasks_are_alike(name):
    first, second = (draw_task(name, 6, ROWS, seed, noise=0.0, n_distractors=None) for seed in (1, 2))
    assert not torch.allclose(first.y, second.y, atol=1e-2)


@families
def test_distractors_do_not_influence_the_target(name):
    n = get_family(name).min_features
    without = draw_task(name, n, ROWS, 5, noise=0.0, n_distractors=0)
    with_three = draw_task(name, n + 3, ROWS, 5, noise=0.0, n_distractors=3)
    torch.testing.assert_close(raw_y(with_three), raw_y(without))
    signal_columns = raw_x(with_three)[:, informative(with_three)]
    torch.testing.assert_close(signal_columns, raw_x(without)[:, informative(without)])


@families
def test_noise_is_a_share_of_the_signal(name):
    clean, noisy = (draw_task(name, 5, 4000, 7, noise=noise) for noise in (0.0, 0.3))
    share = (raw_y(noisy) - raw_y(clean)).std() / raw_y(clean).std()
    assert share == pytest.approx(0.3, rel=0.05)


@families
def test_two_rows_are_enough(name):
    assert draw_task(name, 5, 2, 0).x.isfinite().all()


@families
def test_too_few_columns_are_refused(name):
    fewest = get_family(name).min_features
    with pytest.raises(NetGraphError, match=f"{name} needs at least {fewest} columns, got {fewest - 1}"):
        draw_task(name, fewest - 1, ROWS, 0)


def test_a_linear_target_is_linear_in_the_informative_columns_alone():
    task = draw_task("linear", 8, ROWS, 0, noise=0.0, n_distractors=4)
    x = task.x.double()[:, informative(task)]
    residual = task.y.double() - x @ torch.linalg.lstsq(x, task.y.double()[:, None]).solution[:, 0]
    assert residual.abs().max() < 1e-5


def test_friedman1_leaves_all_but_five_columns_to_distractors():
    assert draw_task("friedman1", 9, ROWS, 0).description["n_distractors"] == 4
    with pytest.raises(NetGraphError, match="friedman1 with 9 columns has 4 to 4 distractors, not 2"):
        draw_task("friedman1", 9, ROWS, 0, n_distractors=2)


def test_columns_are_standard_and_sometimes_mildly_correlated():
    correlations = []
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        x = columns(4, 4000, generator)
        torch.testing.assert_close(x.std(0), torch.ones(4, dtype=x.dtype), atol=0.06, rtol=0)
        z = normal_columns(4, 4000, generator)
        correlations.append((torch.corrcoef(z.T) - torch.eye(4)).abs().max())
    assert 0.1 < max(correlations) < 0.45
    assert min(correlations) < 0.06


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": 1}, "at least 2 rows"),
        ({"seed": -1}, "seed must not be negative"),
        ({"noise": -0.1}, "noise must be"),
        ({"noise": float("nan")}, "noise must be"),
        ({"family": "cubic"}, "unknown task family 'cubic'; known: linear, "),
    ],
)
def test_wrong_numbers_are_refused(arguments, message):
    with pytest.raises(NetGraphError, match=message):
        draw_task(**{"family": "linear", "n_features": 3, "rows": 8, "seed": 0} | arguments)


def test_a_name_is_registered_once():
    with pytest.raises(NetGraphError, match="'linear' is registered already"):
        register(get_family("linear"))


def test_a_target_that_never_varies_is_an_error(monkeypatch):
    class Flat(TaskFamily):
        name = "flat"

        def draw(self, n_features, rows, generator):
            return torch.randn(rows, n_features, generator=generator), torch.ones(rows)

    monkeypatch.setattr("netgraph.tasks.families._REGISTRY", {})
    register(Flat())
    with pytest.raises(NetGraphError, match="flat: the target did not vary"):
        draw_task("flat", 2, 8, 0)


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**40), n=st.integers(1, 6), more=st.integers(1, 4))
def test_a_task_depends_on_its_seed_and_number_alone(seed, n, more):
    few = draw_tasks(n, seed=seed, rows=16)
    many = draw_tasks(n + more, seed=seed, rows=16)
    assert all(equal(a, b) for a, b in zip(few, many, strict=False))
    later = draw_tasks(more, seed=seed, rows=16, start=n)
    assert all(equal(a, b) for a, b in zip(later, many[n:], strict=True))
    assert all(equal(t, draw_task(t.family, t.n_features, t.rows, t.seed)) for t in few)


def test_many_tasks_span_families_and_widths_and_all_differ():
    tasks = draw_tasks(200, seed=0, rows=8)
    assert {t.family for t in tasks} == set(family_names())
    assert {t.n_features for t in tasks} == set(range(2, 11))
    assert len({t.seed for t in tasks}) == 200
    assert all(get_family(t.family).min_features <= t.n_features for t in tasks)


def test_weights_choose_the_families():
    tasks = draw_tasks(100, families={"linear": 9, "fourier": 1}, seed=0, rows=8)
    linear = sum(t.family == "linear" for t in tasks)
    assert 75 < linear < 100
    assert {t.family for t in draw_tasks(9, families=("polynomial",), seed=0, rows=8)} == {"polynomial"}
    assert {t.n_features for t in draw_tasks(50, families=("friedman1",), n_features=(2, 6), seed=0)} == {
        5,
        6,
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"families": {"linear": 0.0}}, "weight of task family 'linear' must be a positive number"),
        ({"families": ()}, "families is empty"),
        ({"families": ("friedman1",), "n_features": (2, 4)}, "no task family of friedman1 fits"),
        ({"n_features": (5, 4)}, "no task family .* fits"),
        ({"seed": -1}, "must not be negative"),
    ],
)
def test_impossible_requests_are_refused(arguments, message):
    with pytest.raises(NetGraphError, match=message):
        draw_tasks(2, **{"seed": 0} | arguments)


def test_the_global_generator_is_left_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    draw_tasks(5, seed=1, rows=8)
    assert torch.equal(torch.rand(3), expected)

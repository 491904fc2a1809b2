"""The rules of drawing many tasks: seeds, recipes, the filter."""

import dataclasses
import json
import pickle
from collections import Counter
from dataclasses import asdict, replace

import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st

from netgraph.errors import NetGraphError
from netgraph.tasks import MODIFIERS, TaskRecipe, draw_task, draw_tasks, family_names, get_family
from netgraph.tasks.draw import learnable_r2
from netgraph.tasks.families import GaussianProcess
from netgraph.tasks.settings import Between
from tests.strategies import examples
from tests.tasks.helpers import PLAIN, equal, generator

QUICK = TaskRecipe(rows=16, learnable=False)


@examples(10)
@given(seed=st.integers(0, 2**40), n=st.integers(1, 6), more=st.integers(1, 4), learnable=st.booleans())
def test_a_task_depends_on_its_recipe_seed_and_number_alone(seed, n, more, learnable):
    recipe = replace(QUICK, learnable=learnable)
    few = draw_tasks(n, recipe, seed=seed)
    many = draw_tasks(n + more, recipe, seed=seed)
    assert all(equal(a, b) for a, b in zip(few, many, strict=False))
    later = draw_tasks(more, recipe, seed=seed, start=n)
    assert all(equal(a, b) for a, b in zip(later, many[n:], strict=True))
    assert all(equal(t, draw_task(t.family, t.n_features, t.rows, t.seed, recipe)) for t in few)


def test_many_tasks_span_families_and_widths_and_all_differ():
    tasks = draw_tasks(300, QUICK, seed=0)
    assert {t.family for t in tasks} == set(family_names())
    assert {t.n_features for t in tasks} == set(range(2, 11))
    assert len({t.seed for t in tasks}) == 300
    assert all(get_family(t.family).min_features <= t.n_features for t in tasks)


def test_descriptions_are_plain_values():
    for task in draw_tasks(60, QUICK, seed=0):
        assert json.loads(json.dumps(task.description, allow_nan=False)) == task.description


def test_weights_choose_the_families():
    tasks = draw_tasks(100, replace(QUICK, families={"linear": 9, "gaussian_process": {"weight": 1}}), seed=0)
    assert 75 < sum(t.family == "linear" for t in tasks) < 100
    never = replace(QUICK, families={"linear": 0, "piecewise": 1})
    assert {t.family for t in draw_tasks(30, never, seed=0)} == {"piecewise"}
    narrow = replace(QUICK, families={"friedman1": 1}, n_features=(2, 6))
    assert {t.n_features for t in draw_tasks(50, narrow, seed=0)} == {5, 6}


def test_settings_of_a_family_reach_its_tasks():
    recipe = replace(QUICK, families={"gaussian_process": {"length_scale": [7.0, 7.0], "product": 0.0}})
    for task in draw_tasks(5, recipe, seed=0):
        assert task.description["length_scale"] == 7.0
        assert task.description["kernel"] == "isotropic"
    own = draw_task(GaussianProcess(length_scale=(2.0, 2.0)), 3, 16, 0)
    assert own.description["length_scale"] == 2.0


def test_a_recipe_goes_through_json_yaml_and_processes_and_draws_the_same():
    recipe = TaskRecipe(
        families={"piecewise": 1.0, "linear": {"weight": 2.0, "effective_rank": (1.0, 3.0)}},
        modifiers={"heavy_tails": {"probability": 0.5, "h": (0.1, 0.2)}, "collinearity": {}},
        rows=32,
        learnable=False,
    )
    expected = draw_tasks(8, recipe, seed=3)
    for copy in (
        TaskRecipe.from_dict(json.loads(json.dumps(asdict(recipe), sort_keys=True))),
        TaskRecipe.from_dict(yaml.safe_load(yaml.safe_dump(json.loads(json.dumps(asdict(recipe)))))),
        pickle.loads(pickle.dumps(recipe)),  # noqa: S301 - as worker processes do
    ):
        assert copy == recipe
        assert all(equal(a, b) for a, b in zip(expected, draw_tasks(8, copy, seed=3), strict=True))


def test_a_change_to_one_part_leaves_the_others_alone():
    base = draw_task("polynomial", 4, 64, 0, PLAIN)
    noisy = draw_task("polynomial", 4, 64, 0, replace(PLAIN, signal_to_noise=(10, 10)))
    assert torch.equal(base.x, noisy.x)
    coarse = draw_task("polynomial", 4, 64, 0, replace(PLAIN, modifiers={"discretization": {"probability": 1.0}}))
    assert torch.equal(base.y, coarse.y)


def test_the_share_of_distractors_is_as_asked():
    recipe = replace(PLAIN, distractors=(0.2, 0.6))
    counts = Counter(draw_task("linear", 10, 8, seed, recipe).description["n_distractors"] for seed in range(200))
    assert set(counts) == {2, 3, 4, 5}
    assert min(counts.values()) > 25


@pytest.mark.parametrize("rows", [32, 128])
def test_the_filter_tells_signal_from_noise(rows):
    passed = {"signal": 0, "noise": 0}
    for seed in range(40):
        x, noise = (torch.randn(shape, generator=generator(seed)) for shape in ((rows, 3), (rows,)))
        passed["signal"] += learnable_r2(x, x[:, :1], seed) > 0
        passed["noise"] += learnable_r2(x, noise[:, None], seed) > 0
    assert passed["signal"] >= 36
    assert passed["noise"] <= 6


def test_the_filters_r2_is_repeatable_and_does_not_depend_on_units():
    task = draw_task("friedman1", 5, 128, 0)
    assert learnable_r2(task.x, task.y, 1) == learnable_r2(task.x, task.y, 1)
    assert learnable_r2(task.x, task.y * 100 + 7, 1) == pytest.approx(learnable_r2(task.x, task.y, 1), abs=1e-4)
    assert 0.3 < learnable_r2(task.x, task.y, 1) < 1


def test_unlearnable_tasks_are_drawn_again_and_counted():
    recipe = TaskRecipe(families={"products": 1}, signal_to_noise=(0.2, 1.0), rows=64)
    tasks = draw_tasks(20, recipe, seed=0)
    assert all((learnable_r2(t.x, t.y, t.seed) > 0) for t in tasks)
    unfiltered = draw_tasks(20, replace(recipe, learnable=False), seed=0)
    dropped = [t.description["dropped"] for t in tasks]
    assert sum(dropped) > 5
    for task, first, count in zip(tasks, unfiltered, dropped, strict=True):
        assert (count == 0) == (learnable_r2(first.x, first.y, first.seed) > 0) == equal(task, first)
        assert (task.family, task.n_features) == (first.family, first.n_features)


def test_a_recipe_of_nothing_but_noise_ends_in_one_line(monkeypatch):
    monkeypatch.setattr("netgraph.tasks.draw.learnable_r2", lambda *_: -1.0)
    with pytest.raises(NetGraphError, match=r"task 2: 100 draws of linear with \d+ columns and 16 rows were unlearnab"):
        draw_tasks(1, TaskRecipe(families={"linear": 1}, rows=16), seed=0, start=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": 1}, "at least 2 rows"),
        ({"seed": -1}, "seed must not be negative"),
        ({"family": "cubic"}, "unknown task family 'cubic'; known: linear, "),
    ],
)
def test_wrong_numbers_are_refused(arguments, message):
    with pytest.raises(NetGraphError, match=message):
        draw_task(**{"family": "linear", "n_features": 3, "rows": 8, "seed": 0} | arguments)


@pytest.mark.parametrize("arguments", [{"seed": -1}, {"seed": 0, "start": -1}])
def test_negative_seeds_are_refused(arguments):
    with pytest.raises(NetGraphError, match="must not be negative"):
        draw_tasks(2, **arguments)


def test_the_global_generator_is_left_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    draw_tasks(5, QUICK, seed=1)
    assert torch.equal(torch.rand(3), expected)


def settings_of(kind):
    """A strategy of settings of a family or a modifier, at the ends of what is allowed, within reason."""
    limits = {}
    for one in dataclasses.fields(kind):
        for limit in getattr(one.type, "__metadata__", ()):
            if isinstance(limit, Between) and isinstance(one.default, tuple):
                whole = isinstance(one.default[0], int)
                low, high = limit.low, min(limit.high, 12 if whole else 1e4)
                ends = st.sampled_from([[low, low], [low, high], [high, high]])
                limits[one.name] = ends
    return st.fixed_dictionaries({}, optional=limits)


@examples(150)
@given(data=st.data())
def test_every_recipe_gives_finite_tasks(data):
    families = data.draw(st.lists(st.sampled_from(family_names()), min_size=1, max_size=3, unique=True))
    low, more = data.draw(st.integers(1, 12)), data.draw(st.integers(4, 6))
    ratio = data.draw(st.sampled_from([None, (1e-3, 1e-3), (1.0, 1e6)]))
    recipe = TaskRecipe(
        families={name: data.draw(settings_of(get_family(name))) for name in families},
        modifiers={name: {"probability": 1.0} | data.draw(settings_of(kind)) for name, kind in MODIFIERS.items()},
        n_features=(low, low + more),
        rows=data.draw(st.integers(5, 40)),
        signal_to_noise=ratio,
        distractors=data.draw(st.sampled_from([(0, 0), (1, 1), (0, 1)])),
        learnable=False,
    )
    try:
        tasks = draw_tasks(2, recipe, seed=data.draw(st.integers(0, 99)))
    except NetGraphError as error:  # twelve layers of weights of 0.01 leave nothing of their input
        if "the target did not vary in 100 draws" not in str(error):
            raise
        tasks = []
    for task in tasks:
        assert task.x.isfinite().all()
        assert task.y.isfinite().all()
        assert task.family in families
        assert low <= task.n_features <= low + more
        json.dumps(task.description, allow_nan=False)


def test_a_recipe_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        QUICK.rows = 3

"""Tasks of classes: their check, their random draws, and the order of their rows."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from netgraph.errors import NetGraphError
from netgraph.tasks import (
    Task,
    TaskRecipe,
    check_classes,
    check_targets,
    draw_task,
    draw_tasks,
    family_names,
    get_family,
    make_task,
    stratified_order,
)
from netgraph.tasks.draw import MIN_CLASS_ROWS
from netgraph.tasks.modifiers import Classes
from tests.strategies import examples
from tests.tasks.helpers import PLAIN, generator

X = np.arange(8.0).reshape(4, 2)


def with_classes(**settings):
    return replace(PLAIN, modifiers={"classes": settings})


def class_counts(task: Task) -> torch.Tensor:
    return task.y.sum(dim=0) if task.n_outputs > 1 else task.y.flatten().long().bincount()


@pytest.mark.parametrize(
    ("y", "numbers", "classes"),
    [
        (["b", "a", "b", "c"], [1, 0, 1, 2], ["a", "b", "c"]),
        ([7, 3, 3, 7], [1, 0, 0, 1], [3, 7]),
        ([True, False, True, True], [1, 0, 1, 1], [False, True]),
        (pd.Series(["u", "v", "u", "u"], dtype="category"), [0, 1, 0, 0], ["u", "v"]),
        (pd.Series([True, False, True, False], dtype="boolean"), [1, 0, 1, 0], [0, 1]),
        (pd.Series(["u", "v", "u", "u"], dtype="string"), [0, 1, 0, 0], ["u", "v"]),
        (torch.tensor([[2], [1], [2], [1]]), [1, 0, 1, 0], [1, 2]),
        ([[0, 1], [1, 0], [0, 1], [1, 0]], [0, 1, 0, 1], [[0, 1], [1, 0]]),
    ],
)
def test_classes_are_numbered_in_order(y, numbers, classes):
    _, own, names = check_classes(X, y)
    assert own.tolist() == numbers
    assert names.tolist() == classes


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([1.0, np.nan, 2.0, np.nan], r"y has no class in 2 rows$"),
        (["a", None, "b", "a"], r"y has no class in 1 row$"),
        (pd.Series(["a", None, "b", "a"], dtype="string"), r"y has no class in 1 row$"),
        (np.array(["a", 1, "b", 2], dtype=object), r"y mixes strings and numbers"),
        (["a", "b"], r"X has 4 rows and y has 2"),
        (None, r"requires y to be passed"),
    ],
)
def test_wrong_classes_are_named_in_one_line(y, message):
    with pytest.raises(NetGraphError, match=message) as caught:
        check_classes(X, y)
    assert "\n" not in str(caught.value)


def test_targets_of_several_outputs_are_checked_by_column():
    _, y = check_targets(X, np.ones((4, 3)))
    assert y.shape == (4, 3)
    bad = np.ones((4, 3))
    bad[2, 1] = np.inf
    with pytest.raises(NetGraphError, match=r"^column 1 of y contains inf in 1 row$"):
        check_targets(X, bad)
    with pytest.raises(NetGraphError, match=r"y has shape \(4, 1, 1\)"):
        check_targets(X, np.ones((4, 1, 1)))


def test_a_task_of_several_targets_is_standardized_by_column():
    y = np.stack([np.arange(4.0), 10 - 3 * np.arange(4.0), np.full(4, 2.0)], axis=1)
    task = make_task(X, y, family="mine")
    assert (task.n_outputs, task.has_classes, task.loss) == (3, False, "squared_error")
    torch.testing.assert_close(task.y.double() * task.y_scale + task.y_mean, torch.from_numpy(y))
    assert task.y_scale.tolist()[2] == 1.0


def test_classes_become_one_hot_and_keep_their_names():
    task = make_task(X, ["dog", "cat", "dog", "eel"], family="mine", loss="cross_entropy")
    assert task.y.tolist() == [[0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert task.description == {"classes": "cat;dog;eel"}
    assert task.has_classes
    assert task.y_mean.tolist() == [0.0] * 3
    assert task.y_scale.tolist() == [1.0] * 3
    assert make_task(X, [0, 1, 2, 1], family="mine", loss="cross_entropy").description == {}


def test_two_classes_have_one_column_of_binary_cross_entropy():
    task = make_task(X, ["no", "yes", "no", "no"], family="mine", loss="binary_cross_entropy")
    assert task.y.tolist() == [[0], [1], [0], [0]]
    assert task.description == {"classes": "no;yes"}
    labels = make_task(X, [[0, 1], [1, 1], [0, 0], [1, 0]], family="mine", loss="binary_cross_entropy")
    assert labels.y.tolist() == [[0, 1], [1, 1], [0, 0], [1, 0]]


@pytest.mark.parametrize(
    ("y", "loss", "message"),
    [
        ([0, 1, 2, 1], "binary_cross_entropy", r"y has 3 classes; binary_cross_entropy of one column takes two"),
        ([[0, 1], [1, 2], [0, 0], [1, 0]], "binary_cross_entropy", r"must be 0 or 1; row 1 is not"),
        (["a"] * 4, "cross_entropy", r"all rows are of one class; cross_entropy needs two at least"),
        ([1] * 4, "binary_cross_entropy", r"all rows are of one class"),
        ([0, 1, 2, 1], "hinge", r"unknown loss 'hinge'; known: squared_error, cross_entropy, binary_cross_entropy"),
        (["a", "b", "a", "b"], "squared_error", r"y is not numeric"),
    ],
)
def test_targets_that_do_not_suit_the_loss_are_refused(y, loss, message):
    with pytest.raises(NetGraphError, match=message) as caught:
        make_task(X, y, family="mine", loss=loss)
    assert "\n" not in str(caught.value)


def test_rows_that_are_not_one_hot_are_refused():
    task = make_task(X, [0, 1, 1, 0], family="mine", loss="cross_entropy")
    for y in ([[1, 0], [0, 1], [0, 0], [1, 0]], [[1, 0], [0, 1], [1, 1], [1, 0]], [[1, 0], [0, 1], [0.5, 0.5], [1, 0]]):
        with pytest.raises(NetGraphError, match=r"one 1 and else 0, a column a class; row 2 is not"):
            replace(task, y=torch.tensor(y))


@pytest.mark.parametrize("kind", ["quantiles", "softmax"])
@pytest.mark.parametrize("family", family_names())
def test_every_family_has_a_twin_of_classes(family, kind):
    for number in (2, 4):
        task = draw_task(family, 6, 96, 3, with_classes(number=(number, number), kinds={kind: 1.0}, binary=0))
        assert task.loss == "cross_entropy"
        assert task.n_outputs == task.description["classes.number"] <= number
        assert class_counts(task).min() >= MIN_CLASS_ROWS
        drawn = task.description["classes.kind"]
        assert drawn == (kind if get_family(family).keeps_columns else "quantiles")


def test_numbers_of_classes_span_their_range_and_binary_tasks_have_one_logit():
    recipe = TaskRecipe(rows=96, learnable=False, modifiers={"classes": {}})
    tasks = draw_tasks(150, recipe, seed=0)
    assert {task.n_outputs for task in tasks} == set(range(1, 11))
    losses = Counter(task.loss for task in tasks)
    assert 0 < losses["binary_cross_entropy"] < losses["cross_entropy"]
    assert all((task.loss == "binary_cross_entropy") == (task.n_outputs == 1) for task in tasks)
    always = draw_tasks(20, replace(recipe, modifiers={"classes": {"number": [2, 2], "binary": 1.0}}), seed=1)
    assert {task.loss for task in always} == {"binary_cross_entropy"}
    some = draw_tasks(100, replace(recipe, modifiers={"classes": {"probability": 0.5}}), seed=2)
    assert 25 < sum(task.has_classes for task in some) < 75


def test_a_class_has_eight_rows_on_average_at_least():
    tasks = [draw_task("linear", 3, 24, seed, with_classes(number=(10, 10))) for seed in range(10)]
    assert {task.description["classes.number"] for task in tasks} <= {2, 3}


def test_a_recipe_that_does_not_name_classes_has_none():
    assert "classes" not in TaskRecipe().modifiers
    assert all(not task.has_classes for task in draw_tasks(5, TaskRecipe(learnable=False), seed=0))


def test_quantiles_cut_the_observed_target():
    settings = {"number": (4, 4), "kinds": {"quantiles": 1.0}, "imbalance": (0, 0)}
    task = draw_task("linear", 3, 80, 5, with_classes(**settings))
    plain = draw_task("linear", 3, 80, 5, PLAIN)
    assert class_counts(task).tolist() == [20] * 4
    # The same rows in another order: the classes follow the target, of which they are intervals.
    rows = [int((plain.x == row).all(dim=1).nonzero()) for row in task.x]
    target, numbers = plain.y[rows, 0], task.y.argmax(dim=1)
    for number in range(3):
        assert target[numbers == number].max() < target[numbers == number + 1].min()


@examples(25)
@given(st.integers(2, 8), st.floats(0, 0.5), st.integers(0, 1000))
def test_every_class_has_its_even_share_of_rows(number, imbalance, seed):
    classes = Classes(imbalance=(imbalance, imbalance))
    target = torch.randn(400, generator=generator(seed), dtype=torch.float64)
    counts = classes.cut(target, number, generator(seed))[0].bincount()
    assert len(counts) == number
    assert counts.min() >= 400 * (1 - imbalance) / number - 2


def test_a_softmax_of_low_temperature_is_the_largest_function_and_a_hot_one_is_even():
    functions = torch.randn(2000, 4, generator=generator(0), dtype=torch.float64)
    cold, _ = Classes(temperature=(0.01, 0.01)).draw(functions, generator(1))
    assert float((cold == functions.argmax(dim=1)).double().mean()) > 0.95
    hot, drawn = Classes(temperature=(10, 10)).draw(functions, generator(1))
    assert drawn == {"kind": "softmax", "temperature": 10}
    assert abs(float((hot == functions.argmax(dim=1)).double().mean()) - 0.25) < 0.08
    assert hot.bincount().min() > 400


@examples(40)
@given(st.lists(st.integers(0, 4), min_size=4, max_size=60), st.floats(0.1, 0.9))
def test_a_cut_anywhere_is_stratified(values, share):
    _, classes = torch.tensor(values).unique(return_inverse=True)
    order = torch.from_numpy(stratified_order(classes.numpy()))
    assert sorted(order.tolist()) == list(range(len(classes)))
    cut = round(share * len(classes))
    first, whole = classes[order][:cut].bincount(minlength=5), classes.bincount(minlength=5)
    # A class has (n - 1/2) / count of its rows before its n-th one.
    assert ((first - whole * cut / len(classes)).abs() <= 2).all()
    for number in classes.unique():
        rows = order[classes[order] == number]
        assert (rows.diff() > 0).all()


def test_rows_of_drawn_classes_are_stratified():
    task = draw_task("mlp_teacher", 4, 128, 0, with_classes(number=(5, 5), binary=0))
    shares = task.y.mean(dim=0)
    assert ((task.y[96:].mean(dim=0) - shares).abs() < 0.05).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"number": [1, 3]}, r"modifiers\.classes\.number is \(1, 3\); it must be two whole numbers from 2 to 100"),
        ({"kinds": {"median": 1}}, r"modifiers\.classes\.kinds is .*weight at least 0 for some of quantiles, softmax"),
        (
            {"imbalance": [0, 0.9]},
            r"modifiers\.classes\.imbalance is \(0, 0\.9\); it must be two numbers from 0 to 0\.5",
        ),
        ({"temperature": [0, 1]}, r"modifiers\.classes\.temperature"),
        ({"binary": 2}, r"modifiers\.classes\.binary is 2; it must be a number from 0 to 1"),
        ({"count": 3}, r"modifiers\.classes\.count: unknown key; known: probability, number, kinds"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(NetGraphError, match=message):
        TaskRecipe(modifiers={"classes": settings})

"""Real data sets load without a download and give tasks, and rows split the same way every time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netgraph.errors import NetGraphError
from netgraph.tasks import check_data, load_real, real_names, real_task, split
from netgraph.tasks.bundled import bundled_columns
from tests.strategies import examples


@pytest.mark.parametrize("name", [*real_names(), *bundled_columns()])
def test_every_data_set_is_a_regression_problem(name):
    data = load_real(name)
    x, y = check_data(data.x, data.y)
    assert data.name == name
    assert x.shape == (len(y), len(data.feature_names))
    assert len(np.unique(y)) >= 10
    assert not any((column == y).all() for column in x.T)


def test_diabetes_is_in_its_own_units():
    data = load_real("diabetes")
    assert data.x.shape == (442, 10)
    assert data.feature_names[:3] == ("age", "sex", "bmi")
    assert 15 < data.x[:, 2].min() < data.x[:, 2].max() < 45


def test_every_bundled_set_is_there_with_its_target():
    sizes = {name: load_real(name).x.shape for name in real_names()}
    assert sizes == {
        "diabetes": (442, 10),
        "iris": (150, 3),
        "iris_sepal_length": (150, 3),
        "wine": (178, 12),
        "wine_proline": (178, 12),
        "wine_color_intensity": (178, 12),
        "breast_cancer": (569, 29),
        "breast_cancer_mean_smoothness": (569, 29),
        "breast_cancer_worst_symmetry": (569, 29),
        "linnerud": (20, 5),
        "linnerud_situps": (20, 5),
        "digits": (1797, 63),
        "digits_pixel_5_4": (1797, 63),
        "china_pixel": (1855, 16),
    }
    assert "Weight" not in load_real("linnerud").feature_names
    assert load_real("linnerud").y[0] == 191
    assert "Situps" not in load_real("linnerud_situps").feature_names
    assert load_real("linnerud_situps").y[0] == 162
    assert "pixel_3_3" not in load_real("digits").feature_names
    assert load_real("wine_proline").y[0] == 1065


def test_a_column_of_a_table_is_predicted_by_the_others():
    data, whole = load_real("wine:ash"), load_real("wine")
    assert "ash" not in data.feature_names
    assert (data.y == whole.x[:, whole.feature_names.index("ash")]).all()
    assert load_real("diabetes:bmi").x.shape == (442, 9)
    assert {name.partition(":")[0] for name in bundled_columns()} == {"diabetes", "iris", "wine", "breast_cancer"}
    assert not {"diabetes:sex", "breast_cancer:mean radius", "wine:proline"} & set(bundled_columns())
    with pytest.raises(NetGraphError, match="unknown data set 'wine:cork'"):
        load_real("wine:cork")


@pytest.mark.parametrize("name", [*real_names(), *bundled_columns()])
def test_no_target_is_a_linear_copy_of_a_column(name):
    data = load_real(name)
    varying = data.x[:, np.ptp(data.x, axis=0) > 0]
    assert np.abs(np.corrcoef(varying.T, data.y)[-1, :-1]).max() < 0.98


def test_the_pixel_of_the_photograph_stands_in_the_middle_of_its_ring():
    from sklearn.datasets import load_sample_image

    green, data = load_sample_image("china.jpg")[..., 1], load_real("china_pixel")
    assert data.y[0] == green[6, 6]
    assert data.y[1] == green[6, 18]
    ring = dict(zip(data.feature_names, data.x[1], strict=True))
    assert ring["pixel_-2_+1"] == green[4, 19]
    assert "pixel_+1_+1" not in ring


@examples(20)
@given(
    name=st.sampled_from(["diabetes", "wine"]),
    rows=st.integers(2, 170),
    width=st.integers(1, 20),
    seed=st.integers(0, 99),
)
def test_a_real_task_is_some_rows_and_columns_of_its_data_set(name, rows, width, seed):
    data, task = load_real(name), real_task(name, rows, width, seed)
    assert task.x.shape == (rows, min(width, data.x.shape[1]))
    columns = [data.feature_names.index(column) for column in task.description["columns"].split(";")]
    assert len(set(columns)) == len(columns)
    raw = np.column_stack([task.x.double() * task.x_scale + task.x_mean, task.y.double() * task.y_scale + task.y_mean])
    table = np.column_stack([data.x[:, columns], data.y])
    distance = (np.abs(raw[:, None] - table) / (1e-9 + table.std(axis=0))).max(axis=2)
    assert distance.min(axis=1).max() < 1e-4
    again = real_task(name, rows, width, seed)
    assert bool((again.x == task.x).all() and (again.y == task.y).all())


def test_rows_are_drawn_without_replacement_and_seeds_differ():
    everything = real_task("diabetes", 442, 10, 0)
    raw = everything.y.double() * everything.y_scale + everything.y_mean
    np.testing.assert_allclose(sorted(raw[:, 0].numpy()), sorted(load_real("diabetes").y), rtol=1e-5)
    assert not np.array_equal(real_task("diabetes", 50, 10, 1).y, real_task("diabetes", 50, 10, 2).y)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("linnerud", 21, 3, 0), "linnerud has 20 rows, not 21"),
        (("diabetes", 1, 3, 0), "at least 2 rows, 1 column and a seed of 0 or more, got 1, 3, 0"),
        (("diabetes", 8, 0, 0), "got 8, 0, 0"),
        (("diabetes", 8, 3, -1), "got 8, 3, -1"),
        (("boston", 8, 3, 0), "unknown data set 'boston'"),
    ],
)
def test_impossible_real_tasks_are_refused(arguments, message):
    with pytest.raises(NetGraphError, match=message):
        real_task(*arguments)


def test_a_target_that_is_constant_in_the_rows_drawn_is_refused():
    constant = [seed for seed in range(40) if np.ptp(_iris_rows(seed)) == 0]
    assert constant
    with pytest.raises(NetGraphError, match="iris: the target is constant in the 2 rows of seed"):
        real_task("iris", 2, 3, constant[0])


def _iris_rows(seed):
    return load_real("iris").y[np.random.default_rng(seed).permutation(150)[:2]]


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(NetGraphError, match="unknown data set 'boston'; known: diabetes, "):
        load_real("boston")


@examples(50)
@given(st.integers(4, 300), st.integers(0, 2**40), st.sampled_from([0.0, 0.1, 0.25]), st.sampled_from([0.0, 0.2]))
def test_the_parts_hold_every_row_once(rows, seed, test_share, validation_share):
    parts = split(rows, seed, test_share, validation_share)
    assert sorted(np.concatenate(parts)) == list(range(rows))
    assert abs(len(parts.test) - rows * test_share) < 1
    assert bool(len(parts.validation)) == bool(validation_share)
    for part, again in zip(parts, split(rows, seed, test_share, validation_share), strict=True):
        np.testing.assert_array_equal(part, again)


def test_seeds_differ():
    assert not np.array_equal(split(100, 0).test, split(100, 1).test)


@pytest.mark.parametrize("arguments", [(10, 0, 1.0), (10, 0, -0.1), (10, -1, 0.5), (10, 0, 0.5, 0.5), (1, 0, 0.5)])
def test_impossible_splits_are_refused(arguments):
    with pytest.raises(NetGraphError, match=r"split"):
        split(*arguments)

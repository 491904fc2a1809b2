"""What comes in is checked and standardized: errors name the column, the scales undo the standardizing."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from netgraph.errors import NetGraphError
from netgraph.tasks import Task, check_data, make_task, standardize
from tests.strategies import examples

X = np.arange(12.0).reshape(4, 3) ** 1.5
Y = np.array([1.0, 3.0, 2.0, 5.0])


def with_value(value, row=slice(1, 3), column=2):
    x = X.copy()
    x[row, column] = value
    return x


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (with_value(np.nan), Y, r"column 2 of X contains NaN in 2 rows"),
        (with_value(-np.inf, row=0), Y, r"column 2 of X contains inf in 1 row$"),
        (X, np.array([1, np.nan, 2, 3]), r"y contains NaN in 1 row$"),
        (X[:, 0], Y, r"X has 1 dimension.*Reshape your data"),
        (X, np.ones((4, 2)), r"y has shape \(4, 2\); y should be a 1d array"),
        (X, 1.0, r"y has shape \(\)"),
        (X + 1j, Y, r"X is complex\. Complex data not supported"),
        (X, Y + 1j, r"y is complex"),
        (X[:3], Y, r"X has 3 rows and y has 4"),
        (X[:1], Y[:1], r"n_samples=1 row\(s\).*at least 2"),
        (X[:, :0], Y, r"0 feature\(s\) \(shape=\(4, 0\)\) while a minimum of 1 is required"),
        ([[1, "a"]] * 4, Y, r"column 1 of X is not numeric"),
        ([[1, 2], [3]], [1, 2], r"X is not a rectangular array"),
        (X, ["a", "b", "c", "d"], r"y is not numeric"),
        (X, None, r"requires y to be passed, but the target y is None"),
        (scipy.sparse.csr_array(X), Y, r"X is sparse"),
    ],
)
def test_wrong_data_is_named_in_one_line(x, y, message):
    with pytest.raises(NetGraphError, match=message) as caught:
        check_data(x, y)
    assert "\n" not in str(caught.value)


def test_names_of_a_data_frame_are_in_the_message():
    frame = pd.DataFrame(with_value(np.nan), columns=["age", "sex", "bmi"])
    with pytest.raises(NetGraphError, match=r"^column 'bmi' \(index 2\) of X contains NaN in 2 rows$"):
        check_data(frame, Y)


def test_given_names_are_in_the_message():
    with pytest.raises(NetGraphError, match="column 'c' "):
        check_data(with_value(np.nan), Y, names=["a", "b", "c"])


@pytest.mark.parametrize(
    "convert", [np.asarray, pd.DataFrame, torch.from_numpy, np.ndarray.tolist, lambda v: v.astype(object)]
)
def test_every_container_gives_the_same_arrays(convert):
    x, y = check_data(convert(X), convert(Y[:, None]))
    assert x.dtype == y.dtype == np.float64
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, Y)


def test_the_callers_arrays_are_not_shared():
    x, y = check_data(X, Y)
    assert not np.shares_memory(x, X)
    assert not np.shares_memory(y, Y)


@examples(50)
@given(
    arrays(np.float64, st.tuples(st.integers(2, 20), st.integers(1, 4)), elements=st.floats(-1e6, 1e6, width=32)),
    st.sampled_from([1e-200, 1.0, 1e150]),
)
def test_standardized_columns_have_mean_0_and_variance_1_and_the_scales_undo_it(raw, unit):
    values = raw * unit
    z, mean, scale = standardize(values)
    constant = np.ptp(values, axis=0) == 0
    np.testing.assert_allclose(z * scale + mean, values, rtol=1e-9, atol=1e-9 * np.abs(values).max())
    np.testing.assert_array_equal(z[:, constant], 0)
    np.testing.assert_array_equal(scale[constant], 1)
    far_apart = np.ptp(raw, axis=0) > 1e-3
    np.testing.assert_allclose(z[:, far_apart].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(z[:, far_apart].std(axis=0), 1, atol=1e-5)


def test_constant_columns_that_round_badly_are_zeros():
    z, _, scale = standardize(np.full((7, 1), 0.1))
    assert not z.any()
    assert scale == 1


def test_make_task_keeps_the_scales():
    task = make_task(X, Y, family="mine", seed=3, description={"noise": 0.5})
    assert (task.x.dtype, task.y.dtype) == (torch.float32, torch.float32)
    assert (task.rows, task.n_features) == (4, 3)
    assert (task.family, task.seed, task.description) == ("mine", 3, {"noise": 0.5})
    torch.testing.assert_close(task.x * task.x_scale + task.x_mean, torch.from_numpy(X), rtol=1e-6, atol=1e-5)
    raw_y = torch.from_numpy(Y)[:, None]  # [rows, outputs]
    torch.testing.assert_close(task.y * task.y_scale + task.y_mean, raw_y, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        {"x": torch.zeros(5, 3)},
        {"y": torch.zeros(4)},
        {"x_mean": torch.zeros(2)},
        {"y_mean": torch.zeros(2)},
        {"loss": "hinge"},
    ],
)
def test_a_task_refuses_tensors_that_do_not_match(change):
    fields = vars(make_task(X, Y, family="mine")) | change
    with pytest.raises(NetGraphError, match="task mine"):
        Task(**fields)

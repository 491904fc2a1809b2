"""Real data sets load without a download, and rows split the same way every time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netgraph.errors import NetGraphError
from netgraph.tasks import check_data, load_real, real_names, split


@pytest.mark.parametrize("name", real_names())
def test_every_data_set_is_a_regression_problem(name):
    data = load_real(name)
    x, y = check_data(data.x, data.y)
    assert data.name == name
    assert x.shape == (len(y), len(data.feature_names))
    assert len(np.unique(y)) > 10
    assert not any((column == y).all() for column in x.T)


def test_diabetes_is_in_its_own_units():
    data = load_real("diabetes")
    assert data.x.shape == (442, 10)
    assert data.feature_names[:3] == ("age", "sex", "bmi")
    assert 15 < data.x[:, 2].min() < data.x[:, 2].max() < 45


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(NetGraphError, match="unknown data set 'boston'; known: diabetes, "):
        load_real("boston")


@settings(deadline=None, max_examples=50)
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

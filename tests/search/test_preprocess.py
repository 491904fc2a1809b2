import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from netgraph.search.preprocess import Preprocessing


@settings(deadline=None)
@given(arrays(np.float64, (12, 3), elements=st.floats(-1e6, 1e6)), st.floats(1e-3, 1e3), st.floats(-1e3, 1e3))
def test_columns_and_target_are_standardized_and_the_target_comes_back(x, scale, shift):
    y = x[:, 0] * scale + shift
    units = Preprocessing.fit(x, y, 16)
    inputs, target = units.inputs(x).numpy(), units.target(y)
    assert units.n_inputs == 3
    assert np.allclose(inputs.mean(axis=0), 0, atol=1e-5)
    varied = x.std(axis=0) > 1e-6 * (1 + np.abs(x).max(axis=0))
    assert np.allclose(inputs.std(axis=0)[varied], 1)
    assert np.allclose(units.restore(target), y, rtol=1e-9, atol=1e-9 * (1 + np.abs(y).max()))


def test_a_constant_column_and_a_constant_target_become_zeros():
    x = np.column_stack([np.full(10, 1e9), np.arange(10.0)])
    units = Preprocessing.fit(x, np.full(10, 3.0), 16)
    assert np.allclose(units.inputs(x)[:, 0], 0)
    assert np.allclose(units.target(np.full(10, 3.0)), 0)


def test_many_columns_are_projected_to_those_directions_that_go_with_the_target_and_it_says_so():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 40)) * 10.0 ** rng.integers(-3, 4, 40)
    y = x[:, 7] / x[:, 7].std() - x[:, 30] / x[:, 30].std()
    with pytest.warns(UserWarning, match="X has 40 columns; the network reads 16 projections"):
        units = Preprocessing.fit(x, y, 16)
    inputs = units.inputs(x).numpy()
    assert inputs.shape == (200, 16)
    assert np.allclose(inputs.std(axis=0), 1)
    assert abs(np.corrcoef(inputs[:, 0], y)[0, 1]) > 0.9
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Preprocessing.fit(x[:, :16], y, 16).n_inputs == 16

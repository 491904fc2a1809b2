import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from netgraph.search.preprocess import Preprocessing


@settings(deadline=None)
@given(arrays(np.float64, (12, 3), elements=st.floats(-1e6, 1e6)), st.floats(1e-3, 1e3), st.floats(-1e3, 1e3))
def test_columns_and_target_are_standardized_and_the_target_comes_back(x, scale, shift):
    y = x[:, 0] * scale + shift
    units = Preprocessing.fit(x, y)
    inputs, target = units.inputs(x).numpy(), units.target(y)
    assert inputs.shape == (12, 3)
    assert np.allclose(inputs.mean(axis=0), 0, atol=1e-5)
    varied = x.std(axis=0) > 1e-6 * (1 + np.abs(x).max(axis=0))
    assert np.allclose(inputs.std(axis=0)[varied], 1)
    assert np.allclose(units.restore(target), y, rtol=1e-9, atol=1e-9 * (1 + np.abs(y).max()))


def test_a_constant_column_and_a_constant_target_become_zeros():
    x = np.column_stack([np.full(10, 1e9), np.arange(10.0)])
    units = Preprocessing.fit(x, np.full(10, 3.0))
    assert np.allclose(units.inputs(x)[:, 0], 0)
    assert np.allclose(units.target(np.full(10, 3.0)), 0)

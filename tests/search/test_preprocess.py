import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from netgraph.search.preprocess import Preprocessing
from netgraph.tasks import TAIL


@given(arrays(np.float64, (12, 3), elements=st.floats(-1e6, 1e6)), st.floats(1e-3, 1e3), st.floats(-1e3, 1e3))
def test_columns_and_target_are_standardized_and_the_target_comes_back(x, scale, shift):
    y = x[:, 0] * scale + shift
    units = Preprocessing.fit(x, y)
    read, target = units.inputs(x), units.target(y)
    assert read.shape == (12, 3)
    inputs = torch.where(read.abs() > TAIL, read.sign() * (TAIL + (read.abs() - TAIL).expm1()), read).numpy()
    assert np.allclose(inputs.mean(axis=0), 0, atol=1e-5)
    varied = x.std(axis=0) > 1e-6 * (1 + np.abs(x).max(axis=0))
    assert np.allclose(inputs.std(axis=0)[varied], 1)
    assert np.allclose(units.restore(target), y, rtol=1e-9, atol=1e-9 * (1 + np.abs(y).max()))


def test_a_constant_column_and_a_constant_target_become_zeros():
    x = np.column_stack([np.full(10, 1e9), np.arange(10.0)])
    units = Preprocessing.fit(x, np.full(10, 3.0))
    assert np.allclose(units.inputs(x)[:, 0], 0)
    assert np.allclose(units.target(np.full(10, 3.0)), 0)


def test_predictions_stay_where_targets_were_seen_but_for_a_margin():
    units = Preprocessing.fit(np.zeros((10, 1)), np.arange(10.0))
    restored = units.restore(torch.tensor([-1e9, -0.5, 0.0, 1e9]))
    assert np.allclose(restored[[0, 3]], [-0.45, 9.45])
    assert np.allclose(restored[1:3], 4.5 + np.array([-0.5, 0.0]) * units.spread)

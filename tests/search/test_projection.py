"""A table of many columns is read along some directions, and the networks that read them read its columns."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from netgraph.search.data import Data
from netgraph.search.projection import ROWS_A_COLUMN, Projection
from netgraph.search.running import outputs
from tests.search.small import random_networks

COLUMNS, MOST = 40, 16


def table(rows: int) -> Data:
    """Rows whose target goes with two of the columns."""
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(rows, COLUMNS))).float()
    return Data(x, x[:, 7] - x[:, 30])


def test_few_columns_are_read_as_they_are():
    data = table(50)
    whole = Projection(data, COLUMNS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        whole.warn(stacklevel=1)
    assert whole.data(data) is data
    graphs = random_networks(3, 0, COLUMNS)
    assert whole.networks(graphs) == graphs


def test_where_rows_are_many_directions_go_with_the_target():
    data = table(ROWS_A_COLUMN * COLUMNS)
    known = Projection(data, MOST)
    with pytest.warns(UserWarning, match=r"X has 40 columns; .* read 16 projections \(partial least squares\)") as said:
        known.warn(stacklevel=1)
    assert said[0].filename == __file__
    inputs = known.data(data)
    assert inputs.x.shape == (len(data.y), MOST)
    assert torch.allclose(inputs.x.std(dim=0, correction=0), torch.ones(MOST), atol=1e-5)
    assert torch.corrcoef(torch.stack([inputs.x[:, 0], inputs.y]))[0, 1].abs() > 0.9


def test_where_rows_are_few_directions_know_nothing_of_the_target():
    data = table(ROWS_A_COLUMN * COLUMNS - 1)
    known = Projection(data, MOST)
    assert known.note.endswith("16 projections (principal components)")
    other = Projection(Data(data.x, -data.y.flip(0)), MOST)
    assert torch.equal(known.matrix, other.matrix)
    inputs = known.data(data).x
    assert torch.allclose(torch.corrcoef(inputs.T), torch.eye(MOST), atol=1e-4)


@pytest.mark.parametrize("rows", [60, ROWS_A_COLUMN * COLUMNS])
def test_columns_that_repeat_others_give_no_directions_of_their_own(rows):
    data = table(rows)
    twice = Data(data.x[:, torch.arange(COLUMNS) % 5], data.y)
    found = Projection(twice, MOST)
    assert found.matrix.shape == (COLUMNS, 5)
    assert found.matrix.isfinite().all()


def test_rows_that_are_all_alike_give_one_direction():
    found = Projection(Data(torch.zeros(20, COLUMNS), torch.zeros(20)), MOST)
    assert found.matrix.shape == (COLUMNS, 1)
    assert found.data(table(5)).x.isfinite().all()


@given(st.integers(0, 2**20), st.sampled_from([60, ROWS_A_COLUMN * COLUMNS]))
def test_networks_give_of_the_columns_what_they_gave_of_the_directions(seed, rows):
    data = table(rows)
    projection = Projection(data, MOST)
    graphs = random_networks(3, seed, MOST)
    read = projection.networks(graphs)
    assert all(graph.architecture.n_inputs == COLUMNS for graph in read)
    assert all(graph.validate() for graph in read)
    expected = outputs(graphs, projection.data(data).x)
    torch.testing.assert_close(outputs(read, data.x), expected, rtol=1e-3, atol=1e-4)

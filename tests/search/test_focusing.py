"""Where a target changes, as the gradients of networks that fit it say, and the length scales of a process."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from netgraph.graph import to_module
from netgraph.graph.architecture import Architecture, make_layer
from netgraph.graph.netgraph import NetGraph
from netgraph.search.baselines import UNITS, baselines, wide_networks
from netgraph.search.data import Data
from netgraph.search.deadline import Deadline
from netgraph.search.fit import FOCUSED_UNITS
from netgraph.search.focusing import (
    SHRINKAGE,
    Gradients,
    Look,
    Relevance,
    agop,
    can_be_focused,
    fit_focused,
    focus,
    focus_by_folds,
    focused,
    sensitivity,
)
from netgraph.search.folds import COLUMN_ROWS, Folds
from netgraph.search.projection import ROWS_A_COLUMN
from netgraph.search.relevance import length_scales, matern, squared_exponential
from netgraph.search.running import Judged, predict, solve
from tests.search.small import random_networks


def _data(rows: int, columns: int, function: Callable[[Tensor], Tensor] = torch.sin) -> Data:
    """Rows whose target changes along the first column alone."""
    x = torch.randn(rows, columns, generator=Generator().manual_seed(0))
    return Data(x, function(2 * x[:, 0]))


def _linear(weights: torch.Tensor) -> NetGraph:
    graph = baselines(len(weights), 0)[0]
    return graph.replace(state=torch.cat([weights, torch.ones(1)]))


@given(st.integers(1, 6), st.integers(0, 1000))
def test_of_a_linear_network_it_is_the_outer_product_of_its_weights(columns, seed):
    weights = torch.randn(columns, generator=Generator().manual_seed(seed))
    found = agop([_linear(weights)], _data(20, columns).x)
    expected = weights.double().outer(weights.double()) * columns / weights.double().square().sum()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_it_is_the_mean_product_of_gradients_as_autograd_gives_them():
    graph, x = random_networks(1, seed=1, n_inputs=3)[0], torch.randn(40, 3, generator=Generator().manual_seed(2))
    rows = x.clone().requires_grad_()
    (gradients,) = torch.autograd.grad(to_module(graph)(rows).sum(), rows)
    product = (gradients.mT @ gradients).double()
    torch.testing.assert_close(agop([graph], x), product * 3 / product.trace(), rtol=1e-4, atol=1e-5)


def test_networks_count_the_same_whatever_their_size():
    both = agop([_linear(torch.tensor([1.0, 0.0])), _linear(torch.tensor([0.0, 1e-3]))], _data(10, 2).x)
    torch.testing.assert_close(both, torch.eye(2, dtype=torch.float64))


@pytest.mark.parametrize("weights", [[0.0, 0.0], [torch.inf, 1.0], [torch.nan, 1.0]])
def test_what_a_constant_or_broken_network_says_does_not_count(weights):
    x, broken = _data(10, 2).x, _linear(torch.tensor(weights))
    found = agop([broken, _linear(torch.tensor([1.0, 0.0]))], x)
    torch.testing.assert_close(found, torch.tensor([[2.0, 0.0], [0.0, 0.0]], dtype=torch.float64))
    assert not agop([broken], x).any()


def test_columns_that_do_not_vary_are_irrelevant():
    x = _data(10, 3).x
    x[:, 1] = 0.5
    found = agop([_linear(torch.ones(3))], x)
    torch.testing.assert_close(found, torch.tensor([[1.5, 0, 1.5], [0, 0, 0], [1.5, 0, 1.5]], dtype=torch.float64))


def test_of_many_rows_it_is_found_on_some(monkeypatch):
    (graph,), x = random_networks(1, seed=1, n_inputs=3), _data(100, 3).x
    monkeypatch.setattr("netgraph.search.focusing.MOST_ROWS", 34)
    assert torch.equal(agop([graph], x), agop([graph], x[::3]))


def test_a_focused_network_reads_the_columns_times_the_matrix():
    _, graph, *_ = baselines(3, 0)
    x, matrix = _data(20, 3).x, _data(3, 3).x.double()
    seen = (x.double() @ matrix.T).float()
    torch.testing.assert_close(predict(focused(graph, matrix), x), predict(graph, seen), rtol=1e-4, atol=1e-5)


def test_of_few_rows_columns_count_one_by_one_and_none_is_lost():
    matrix = torch.tensor([[2.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
    many, few = (focus(matrix, rows) for rows in (2 * ROWS_A_COLUMN, 2 * ROWS_A_COLUMN - 1))
    other = (1 - SHRINKAGE) / 2
    torch.testing.assert_close(many, torch.tensor([[2 - SHRINKAGE, other], [other, SHRINKAGE]], dtype=torch.float64))
    torch.testing.assert_close(few, torch.tensor([[2 - SHRINKAGE, 0.0], [0.0, SHRINKAGE]], dtype=torch.float64))


def _gradients(data: Data) -> Look:
    graphs = baselines(data.x.shape[1], 0)
    return Gradients(graphs, solve(graphs, data), data)


def _relevance(data: Data) -> Look:
    return Relevance(Deadline(), torch.inf)


#: What networks are focused by, and how many rows a column are enough for errors on rows left out one by one.
LOOKS = pytest.mark.parametrize("look", [_gradients, _relevance])
ENOUGH = [(_gradients, COLUMN_ROWS), (_gradients, ROWS_A_COLUMN), (_relevance, ROWS_A_COLUMN)]
#: Data sets of noise that an average is taken over, by the number of columns: many columns have many rows each.
NOISES = {2: 30, 5: 20, 20: 6}
#: Gives what looks at a data set.
LookOf = Callable[[Data], Look]


def _wide(data: Data, look: LookOf) -> list[NetGraph]:
    """Give the wide networks that a search focuses so."""
    direct = look is _relevance
    return wide_networks(data.x.shape[1], FOCUSED_UNITS if direct else UNITS, 0, direct)


def _focus(data: Data, look: LookOf) -> list[Judged]:
    wide = _wide(data, look)
    return fit_focused(wide, look(data)(data, len(wide)), data)


def _by_folds(data: Data, look: LookOf, count: int = 5) -> list[Judged]:
    return focus_by_folds(_wide(data, look), look(data), _focus(data, look), Folds(data, count, 0))


def _tried(data: Data, look: LookOf) -> tuple[list[Judged], list[Judged]]:
    """Judge the wide networks before and after they are focused."""
    return solve(_wide(data, look), data), _focus(data, look)


@LOOKS
@pytest.mark.parametrize("function", [torch.sin, torch.cos])
def test_focused_features_fit_better_what_changes_along_few_columns(function, look):
    data, unseen = _data(200, 12, function), _data(1000, 12, function)
    for one, other in zip(*_tried(data, look), strict=True):
        error, focused_error = ((predict(j.graph, unseen.x) - unseen.y).square().mean() for j in (one, other))
        assert focused_error < 0.5 * error


@pytest.mark.parametrize("columns", [2, 5, 20])
@pytest.mark.parametrize(("look", "rows_a_column"), ENOUGH)
def test_the_target_of_a_row_left_out_is_known_by_a_tenth_of_the_noise_at_most(columns, rows_a_column, look):
    before, after = [], []  # type: list[float], list[float]
    rows = max(10, rows_a_column * columns)
    for seed in range(NOISES[columns]):
        x, y = torch.randn(rows, columns + 1, generator=Generator().manual_seed(seed)).split((columns, 1), dim=1)
        for errors, judged in zip((before, after), _tried(Data(x, y[:, 0]), look), strict=True):
            errors += [one.error for one in judged]
    assert np.mean(after) > 0.9 * np.mean(before)


def test_the_best_fits_say_where_to_look():
    data = _data(100, 3)
    wide, away = baselines(3, 0)[1:2], torch.tensor([0.0, 1.0, 0.0])
    best, worst = (Judged(_linear(weights), data.y, error) for weights, error in ((1 - away, 0.1), (away, 0.2)))
    (matrix,) = Gradients(baselines(3, 0), [worst, best], data)(data, 1)
    assert torch.equal(matrix, focus(agop([best.graph], data.x), len(data.y)))
    (found,) = fit_focused(wide, [matrix], data)
    assert torch.equal(found.graph.state, solve([focused(wide[0], matrix)], data)[0].graph.state)


@LOOKS
@pytest.mark.parametrize("fold", [0, 3])
def test_what_is_said_of_a_fold_does_not_depend_on_its_targets(fold, look):
    data = _data(20, 9)
    of = Folds(data, 5, 0).fold == fold
    other = Data(data.x, torch.where(of, 10 * torch.randn(20, generator=Generator().manual_seed(1)), data.y))
    for one, changed in zip(_by_folds(data, look), _by_folds(other, look), strict=True):
        assert torch.equal(one.left_out[of], changed.left_out[of])
        assert not torch.equal(one.left_out[~of], changed.left_out[~of])
        assert not torch.equal(one.graph.state, changed.graph.state)


@LOOKS
@pytest.mark.parametrize(("rows", "columns"), [(10, 40), (30, 30), (60, 20)])
def test_of_few_rows_folds_see_no_less_noise_than_there_is(rows, columns, look):
    errors = []
    for seed in range(6):
        x, y = torch.randn(rows, columns + 1, generator=Generator().manual_seed(seed)).split((columns, 1), dim=1)
        errors += [one.error / float(y.var()) for one in _by_folds(Data(x, y[:, 0]), look)]
    assert np.mean(errors) > 1


def test_random_features_get_the_length_scales_of_each_kernel_in_turn():
    data = _data(60, 3)
    for matrix, kernel in zip(_relevance(data)(data, 4), (squared_exponential, matern) * 2, strict=True):
        weights = wide_networks(3, 4096, 0)[0].state[: 3 * 4096].view(4096, 3).double() @ matrix
        torch.testing.assert_close(1 / weights.std(dim=0), length_scales(data, kernel), rtol=0.05, atol=0)


@pytest.mark.parametrize("columns", [3, 60])
def test_a_column_counts_by_how_much_the_best_networks_change_along_it(columns):
    x, weights = _data(80, columns).x, torch.arange(columns).float()
    best, worst = (Judged(_linear(w), x[:, 0], error) for w, error in ((weights, 0.1), (weights.flip(0), 0.2)))
    found = sensitivity([worst, best], 1, x)
    expected = (1 - SHRINKAGE) * weights.double() / weights.double().mean() + SHRINKAGE
    torch.testing.assert_close(found, expected.diag(), rtol=1e-5, atol=1e-6)
    constant = Judged(_linear(torch.zeros(columns)), x[:, 0], 0.1)
    torch.testing.assert_close(sensitivity([constant], 1, x), SHRINKAGE * torch.eye(columns).double())


@pytest.mark.parametrize("columns", [2, 5, 20])
def test_networks_that_look_where_the_best_change_see_no_less_than_a_tenth_less_noise(columns):
    errors = []
    for seed in range(NOISES[columns]):
        x, y = torch.randn(ROWS_A_COLUMN * columns, columns + 1, generator=Generator().manual_seed(seed)).split(
            (columns, 1), dim=1
        )
        data = Data(x, y[:, 0])
        matrix = sensitivity(_focus(data, _gradients) + _focus(data, _relevance), 4, x)
        networks = [graph for graph in random_networks(20, seed, columns) if can_be_focused(graph)]
        errors += [one.error / float(y.var()) for one in fit_focused(networks, [matrix] * len(networks), data)]
    assert np.mean(errors) > 0.9


def test_networks_whose_columns_are_read_once_can_be_focused():
    layers = [make_layer("Input", (), 3), make_layer("Linear", (0,), 3), make_layer("Add", (0, 1), 3)]
    twice = Architecture((*layers, make_layer("Linear", (2,), 1)))
    scaled = Architecture((layers[0], make_layer("LayerNorm", (0,), 3), make_layer("Linear", (1,), 1)))
    bent = Architecture((layers[0], make_layer("Tanh", (0,), 3), make_layer("Linear", (1,), 1)))
    for architecture in (twice, scaled, bent):
        assert not can_be_focused(NetGraph(architecture, torch.zeros(architecture.state_size)))
    assert all(map(can_be_focused, baselines(3, 0)))

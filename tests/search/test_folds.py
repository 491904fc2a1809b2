"""Tuning by cross-validation: no copy sees a row of the fold that it is judged by."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, nn

from netgraph import NetGraph, from_module
from netgraph.search import SearchConfig
from netgraph.search.data import Data
from netgraph.search.folds import COLUMN_ROWS, Folds
from netgraph.search.running import Judged, errors_of, outputs, predict, solve
from netgraph.zoo import ArchitectureRecipe
from tests.search.small import random_networks
from tests.strategies import examples

CONFIG = SearchConfig(learning_rate=2e-2, batch_rows=16)
#: Networks with normalizations, skips and dropout.
RECIPE = ArchitectureRecipe(
    normalizations={"none": 1.0, "LayerNorm": 1.0, "BatchNorm1d": 1.0},
    skips={"none": 1.0, "Add": 1.0, "dense": 1.0},
    dropout=0.3,
)


def task(rows: int = 60) -> Data:
    x = torch.randn(rows, 4, generator=Generator().manual_seed(0))
    noise = 0.3 * torch.randn(rows, generator=Generator().manual_seed(1))
    return Data(x, torch.tanh(2 * x[:, 0]) - x[:, 1] + noise)


def networks(data: Data, n: int = 4) -> list[Judged]:
    """Networks that are fitted to all rows."""
    return solve(random_networks(n, 6, recipe=RECIPE), data)


def unfitted(*graphs: NetGraph) -> list[Judged]:
    return [Judged(graph, torch.empty(0), torch.inf) for graph in graphs]


def tuned(folds: Folds, graphs: list[Judged], steps: int = 15) -> list[NetGraph]:
    copies = folds.copy(graphs)
    return folds.tune(copies, CONFIG.round(len(copies), steps), seed=3)


@given(rows=st.integers(2, 60), count=st.integers(2, 12), seed=st.integers(0, 99))
def test_each_row_is_in_one_fold_which_one_copy_alone_does_not_see(rows, count, seed):
    folds = Folds(Data(torch.zeros(rows, 1), torch.zeros(rows)), count, seed)
    assert folds.count == min(count, rows)
    assert folds.copies == len(folds.order) == folds.count + 1
    assert folds.order.shape == (folds.copies, rows)
    sizes = folds.fold.bincount(minlength=folds.count)
    assert sizes.sum() == rows
    assert sizes.max() - sizes.min() <= 1
    for k in range(folds.count):
        others = set((folds.fold != k).nonzero()[:, 0].tolist())
        kept, order = folds.kept[k].tolist(), folds.order[k].tolist()
        assert len(kept) == len(set(kept)) == rows - int(sizes.max())
        assert set(kept) == set(order) <= others
    assert folds.order[-1].tolist() == list(range(rows))


def test_a_seed_gives_the_same_folds_again():
    data = task()
    one, same, other = (Folds(data, 5, seed) for seed in (1, 1, 2))
    assert torch.equal(one.fold, same.fold)
    assert torch.equal(one.order, same.order)
    assert not torch.equal(one.fold, other.fold)


def test_parts_are_the_rows_without_each_fold():
    data = task(23)
    folds = Folds(data, 4, 0)
    assert len(folds.parts) == 4
    for k, part in enumerate(folds.parts):
        assert torch.equal(part.x, data.x[folds.kept[k]])
        assert torch.equal(part.y, data.y[folds.kept[k]])


def test_a_copy_is_fitted_to_the_rows_without_its_fold():
    data = task()
    folds, graphs = Folds(data, 3, 0), networks(data)
    copies = folds.copy(graphs)
    for i, graph in enumerate(graphs):
        own = copies[i * folds.copies : (i + 1) * folds.copies]
        assert own[-1] is graph.graph
        for k, copy in enumerate(own[:-1]):
            wanted = solve([graph.graph], data.rows(folds.kept[k]))[0].graph
            assert torch.allclose(predict(copy, data.x), predict(wanted, data.x), atol=1e-3)


def test_what_was_judged_by_folds_is_copied_as_it_was_judged():
    data = task()
    folds, (first, last) = Folds(data, 3, 0), networks(data, 2)
    (judged,) = folds.judge(tuned(folds, [first]))
    copies = folds.copy([last, judged, last])
    assert [id(copy) for copy in copies[4:8]] == [id(copy) for copy in (*judged.copies, judged.graph)]
    assert [torch.equal(a.state, b.state) for a, b in zip(copies[:4], copies[8:], strict=True)] == [True] * 4
    assert copies[3] is copies[-1] is last.graph


@pytest.mark.parametrize("columns", [1, 4, 15, 16])
def test_rows_are_few_for_their_columns(columns):
    assert Folds(Data(torch.zeros(60, columns), torch.zeros(60)), 5, 0).few_rows == (COLUMN_ROWS * columns > 60)


def test_networks_are_judged_by_what_came_of_the_rows_without_each_fold():
    data = task()
    folds, graphs = Folds(data, 3, 0), random_networks(8, 6)
    judged = folds.solve([graphs[2 * k : 2 * k + 2] for k in range(3)], graphs[6:])
    wanted = [solve(graphs[2 * k : 2 * k + 2], part) for k, part in enumerate(folds.parts)]
    for i, one in enumerate(judged):
        assert torch.equal(one.graph.state, solve(graphs[6:], data)[i].graph.state)
        for k in range(3):
            of = folds.fold == k
            assert torch.allclose(one.left_out[of], predict(wanted[k][i].graph, data.x[of]).double(), atol=1e-5)


def test_a_row_is_judged_by_the_copy_that_did_not_see_it_and_the_copy_on_all_rows_is_kept():
    data = task()
    folds, graphs = Folds(data, 5, 0), networks(data)
    copies = tuned(folds, graphs)
    said = outputs(copies, data.x)
    judged = folds.judge(copies)
    assert len(judged) == len(graphs)
    for i, one in enumerate(judged):
        assert one.graph is copies[i * folds.copies + folds.count]
        for row, k in enumerate(folds.fold.tolist()):
            assert one.left_out[row] == said[i * folds.copies + k, row]
        assert one.error == pytest.approx(float((one.left_out - data.y).square().mean()))


@examples(6)
@given(row=st.integers(0, 59), count=st.integers(2, 6))
def test_a_target_has_no_say_in_what_is_said_of_its_row(row, count):
    data = task()
    moved = replace(data, y=data.y.clone().index_fill_(0, torch.tensor([row]), 30.0))
    graphs = networks(data)
    said, other = (
        torch.stack([one.left_out for one in folds.judge(tuned(folds, graphs))])
        for folds in (Folds(data, count, 0), Folds(moved, count, 0))
    )
    torch.testing.assert_close(said[:, row], other[:, row], rtol=1e-4, atol=1e-4)
    unseen = Folds(data, count, 0).fold == Folds(data, count, 0).fold[row]
    torch.testing.assert_close(said[:, unseen], other[:, unseen], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(said[:, ~unseen], other[:, ~unseen], atol=1e-2)


def test_tuning_fits_the_rows_better_and_is_the_same_again():
    data = task()
    folds, graphs = Folds(data, 4, 0), solve(random_networks(4, 6), data)
    copies = tuned(folds, graphs, 40)
    for i, (before, after) in enumerate(zip(folds.copy(graphs), copies, strict=True)):
        rows = data.rows(folds.order[i % folds.copies])
        errors = [float((predict(graph, rows.x) - rows.y).square().mean()) for graph in (before, after)]
        assert errors[1] <= errors[0] * 1.0001
    assert all(torch.equal(a.state, b.state) for a, b in zip(copies, tuned(folds, graphs, 40), strict=True))


def test_a_part_has_the_copies_of_the_networks_that_were_chosen():
    data = task()
    folds, graphs = Folds(data, 3, 0), networks(data)
    copies = folds.copy(graphs)
    part = folds.part(copies, [2, 0])
    assert [id(copy) for copy in part] == [id(copy) for copy in [*copies[8:12], *copies[:4]]]
    assert torch.allclose(errors_of(folds.judge(part)), errors_of(folds.judge(copies))[[2, 0]])


@pytest.mark.parametrize("broken", [0, 2, 5])
def test_a_network_of_which_any_copy_is_not_finite_has_an_infinite_error(broken):
    data = task()
    folds = Folds(data, 5, 0)
    copies = folds.copy(networks(data))
    copies[broken] = copies[broken].replace(state=torch.full_like(copies[broken].state, torch.nan))
    assert errors_of(folds.judge(copies)).isinf().tolist() == [True, False, False, False]


def test_networks_that_are_not_finite_stay_so_and_spoil_no_other():
    data = task()
    folds, graphs = Folds(data, 3, 0), unfitted(*random_networks(4, 6))
    alone = errors_of(folds.judge(tuned(folds, graphs)))
    graph = graphs[0].graph
    worst = unfitted(graph.replace(state=torch.full_like(graph.state, torch.inf)))
    among = errors_of(folds.judge(tuned(folds, [*graphs, *worst])))
    assert among[-1] == torch.inf
    torch.testing.assert_close(among[:-1], alone, rtol=1e-2, atol=1e-3)


def test_other_ends_are_tuned_from_what_they_were():
    data = task()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        graph = from_module(nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1), nn.Tanh()))
    folds, graphs = Folds(data, 3, 0), unfitted(graph)
    copies = folds.copy(graphs)
    assert all(torch.equal(copy.state, graph.state) for copy in copies)
    before, after = (folds.judge(own)[0].error for own in (copies, tuned(folds, graphs, 60)))
    assert after < before

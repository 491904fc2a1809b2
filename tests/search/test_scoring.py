"""Scores: errors on rows that a network was not fitted to, by leaving one out or by refits without each fold."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from netgraph import NetGraph, from_module, to_module
from netgraph.search import Generated
from netgraph.search.data import TabularData, TimeBudget
from netgraph.search.network_search import linear_network
from netgraph.search.scoring import Candidate, CrossValidation
from netgraph.zoo import ArchitectureRecipe, FitConfig
from tests.search.small import Few, random_networks, rows, untrained
from tests.strategies import examples

#: Networks with normalizations, skips and dropout.
RECIPE = ArchitectureRecipe(
    normalizations={"none": 1.0, "LayerNorm": 1.0, "BatchNorm1d": 1.0},
    skips={"none": 1.0, "Add": 1.0, "dense": 1.0},
    dropout=0.3,
)
NAN, INF = torch.nan, torch.inf


def predict(graph: NetGraph, X: Tensor) -> Tensor:
    return to_module(graph)(X).detach()


def weighted(weight: Tensor, data: TabularData) -> TabularData:
    return replace(data, sample_weight=(weight / weight.mean()).double())


def filled(graph: NetGraph, value: float) -> NetGraph:
    return graph.replace(state=torch.full_like(graph.state, value))


@pytest.fixture
def tiny_penalty(monkeypatch):
    monkeypatch.setattr("netgraph.stack.output_layer.PENALTIES", (1e-4,))


@pytest.mark.usefixtures("tiny_penalty")
@pytest.mark.parametrize("weight", [None, torch.rand(30, generator=torch.Generator().manual_seed(2)) + 0.1])
def test_a_left_out_prediction_is_that_of_a_fit_to_the_other_rows(weight):
    data = rows(30) if weight is None else weighted(weight, rows(30))
    graphs = [linear_network(4), *random_networks(4, 2)]
    candidates = CrossValidation(data).leave_one_out(graphs)
    assert [one.graph.architecture for one in candidates] == [graph.architecture for graph in graphs]
    for row in (0, 17, 29):
        others = data.rows([i for i in range(30) if i != row])
        refits = CrossValidation(others).leave_one_out(graphs)
        for one, refit in zip(candidates, refits, strict=True):
            assert float(one.prediction[row]) == pytest.approx(float(predict(refit.graph, data.X[[row]])), abs=0.05)


def test_only_output_layers_are_fitted_and_the_linear_network_becomes_a_ridge_regression():
    data = rows()
    for graph, one in zip(graphs := random_networks(20, 5), CrossValidation(data).leave_one_out(graphs), strict=True):
        changed = (one.graph.state != graph.state).nonzero()[:, 0]
        assert int(changed.min()) >= graph.architecture.state_size - graph.architecture.layers[-2].size - 1
        assert one.score == pytest.approx(float((one.prediction - data.y).square().mean()))
        assert one.score >= 0.999 * float((predict(one.graph, data.X) - data.y).square().mean())
    exact = replace(data, y=2 * data.X[:, [1]] - data.X[:, [3]] + 0.5)
    (linear,) = CrossValidation(exact).leave_one_out([linear_network(4)])
    assert linear.score < 1e-8
    assert torch.allclose(linear.graph.state, torch.tensor([0.0, 2.0, 0.0, -1.0, 0.5]), atol=1e-4)


@pytest.mark.parametrize("value", [NAN, INF])
def test_what_is_not_finite_has_an_infinite_score_and_harms_no_other(value):
    data, graphs = rows(), random_networks(4, 1)
    folds = CrossValidation(data)
    alone = [one.score for one in folds.leave_one_out(graphs[:2])]
    among = [one.score for one in folds.leave_one_out([*graphs[:2], filled(graphs[2], value)])]
    assert among == [pytest.approx(alone[0]), pytest.approx(alone[1]), INF]
    for broken in (0, folds.n_folds):
        copies = folds.refit(folds.leave_one_out(graphs[:2]))
        copies[broken] = filled(copies[broken], value)
        assert [one.score == INF for one in folds.score(copies)] == [True, False]


@given(count=st.integers(2, 60), seed=st.integers(0, 99))
def test_each_row_is_in_one_fold_which_one_copy_alone_does_not_see(count, seed):
    folds = CrossValidation(TabularData(torch.zeros(count, 1), torch.zeros(count, 1)), seed)
    assert folds.n_folds == len(folds.order) - 1 == min(5, count)
    sizes = folds.fold.bincount(minlength=folds.n_folds)
    assert sizes.sum() == count
    assert sizes.max() - sizes.min() <= 1
    for k, (kept, order) in enumerate(zip(folds.kept.tolist(), folds.order.tolist(), strict=False)):
        others = set((folds.fold != k).nonzero()[:, 0].tolist())
        assert len(kept) == len(set(kept)) == count - int(sizes.max())
        assert set(kept) == set(order) <= others
    assert folds.order[-1].tolist() == list(range(count))


def trained(folds: CrossValidation, graphs: list[NetGraph], steps: int = 15) -> list[Candidate]:
    copies = folds.refit(folds.leave_one_out(graphs))
    config = FitConfig.uniform(len(copies), steps=steps, batch_rows=16, learning_rate=2e-2)
    return folds.score(folds.train(copies, config, seed=3))


@examples(5)
@given(row=st.integers(0, 59))
def test_a_target_does_not_change_what_is_predicted_of_its_own_fold(row):
    data, graphs = rows(), random_networks(3, 6, recipe=RECIPE)
    moved = replace(data, y=data.y.clone().index_fill_(0, torch.tensor([row]), 30.0))
    one, other = (torch.stack([c.prediction for c in trained(CrossValidation(d), graphs)]) for d in (data, moved))
    unseen = CrossValidation(data).fold == CrossValidation(data).fold[row]
    torch.testing.assert_close(one[:, unseen], other[:, unseen], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(one[:, ~unseen], other[:, ~unseen], atol=1e-2)


@pytest.mark.parametrize("columns", [4, 20])
def test_what_generated_networks_predict_of_a_fold_does_not_depend_on_its_targets(columns):
    data, source, predictions = rows(30, columns), Generated(untrained()), []
    unseen = CrossValidation(data).fold == 2
    for one in (data, replace(data, y=torch.where(unseen[:, None], 9.0, data.y))):
        found = CrossValidation(one).sample(source, 3, 0, TimeBudget())
        predictions.append(torch.stack([candidate.prediction for candidate in found]))
    assert torch.equal(predictions[0][:, unseen], predictions[1][:, unseen])
    assert not torch.equal(predictions[0][:, ~unseen], predictions[1][:, ~unseen])


def test_training_is_the_same_again_and_other_ends_are_trained_from_what_they_were():
    data, folds = rows(), CrossValidation(rows())
    graphs = random_networks(3, 6, recipe=RECIPE)
    pairs = zip(trained(folds, graphs), trained(folds, graphs), strict=True)
    assert all(torch.equal(a.graph.state, b.graph.state) and a.score == b.score for a, b in pairs)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        graph = from_module(nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1), nn.Tanh()))
    (before,), (after,) = folds.leave_one_out([graph]), trained(folds, [graph], 60)
    assert torch.equal(before.graph.state, graph.state)
    assert float((predict(after.graph, data.X) - data.y).square().mean()) < 0.9 * before.score
    assert after.score < before.score


def test_refits_of_a_candidate_are_kept():
    folds = CrossValidation(rows())
    (first, second) = folds.leave_one_out(random_networks(2, 6))
    (scored,) = folds.score(folds.refit([first]))
    copies = folds.refit([second, scored])
    assert copies[folds.n_folds + 1 :] == [*scored.refits, scored.graph]
    assert copies[folds.n_folds] is second.graph


def test_the_refits_of_a_source_are_left_out_where_time_is_short():
    times = iter([0.0, 0.0, 2.0, 2.0])
    source = Few()
    source.uses_targets = True
    assert CrossValidation(rows()).sample(source, 3, 0, TimeBudget(10.0, lambda: next(times))) == []


def test_weights_count_in_errors_fits_and_training():
    data, first = rows(), torch.where(torch.arange(60) < 30, 1.0, 1e-6)
    halves = weighted(first, replace(data, y=torch.where(torch.arange(60) < 30, 1.0, -1.0)[:, None] * data.X[:, [0]]))
    (linear,) = CrossValidation(halves).leave_one_out([linear_network(4)])
    assert float(linear.graph.state[0]) == pytest.approx(1, abs=0.02)
    squared = (linear.prediction - halves.y).square()
    assert linear.score == pytest.approx(np.average(squared[:, 0], weights=first))
    assert float(trained(CrossValidation(halves), [linear_network(4)], 60)[0].graph.state[0]) > 0.8
    graphs = random_networks(3, 2)
    plain, equal = (CrossValidation(d) for d in (data, weighted(torch.ones(60), data)))
    assert torch.equal(plain.order, equal.order)
    for a, b in zip(plain.leave_one_out(graphs), equal.leave_one_out(graphs), strict=True):
        assert torch.allclose(a.graph.state, b.graph.state, atol=1e-4)
        assert a.score == pytest.approx(b.score, rel=1e-4)


def test_a_row_is_trained_on_as_often_as_it_weighs():
    weight = torch.where(torch.arange(60) < 30, 3.0, 1.0)
    folds = CrossValidation(weighted(weight, rows()))
    counts = torch.bincount(folds.order[-1], minlength=60)
    assert counts.sum() == 60
    assert abs(int(counts[:30].sum()) - 45) <= 1
    for k, own in enumerate(folds.order[:-1]):
        assert not (folds.fold[own] == k).any()

"""A search for a network: sampled, scored, trained, stacked, within a time and with a clock of its own."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from netgraph import NetGraph, NetGraphError, to_module
from netgraph.search import RandomFeatures
from netgraph.search.choice import Choice
from netgraph.search.data import TabularData, TimeBudget
from netgraph.search.network_search import N_CANDIDATES, NetworkSearch, SearchResult
from tests.search.small import Few, clock, random_networks, rows


def search_networks(sources, data, n_candidates=N_CANDIDATES, budget=None, seed=0, report=lambda note: None):
    return NetworkSearch(data, budget, seed, report=report).run(sources, n_candidates)


def stages(result: SearchResult, name: str) -> list[int]:
    """Return the numbers of networks of the stages whose names begin so."""
    return [note["networks"] for note in result.history if note["stage"].startswith(name)]


def members(graph: NetGraph) -> int:
    joins = [len(layer.inputs) for layer in graph.architecture.layers if layer.type == "Concat"]
    return joins[-1] if joins else 1


def test_the_best_candidates_are_trained_and_the_best_of_all_joined():
    data = rows(80)
    result = search_networks([Few(), RandomFeatures(None)], data, 24)
    scores = [one.score for one in result.candidates]
    assert scores == sorted(scores)
    assert stages(result, "Few") == [16, 8]
    assert stages(result, "RandomFeatures") == [4]  # all that it has
    assert stages(result, "trained")[0] == 8
    assert result.history[-1]["stage"] == "ensemble"
    assert {one.source for one in result.candidates} == {"mean", "linear", "Few", "RandomFeatures", "ensemble"}
    assert members(result.ensemble.graph) > 1
    assert Choice(result.ensemble, data, "").or_simpler(result.simpler).candidate is result.ensemble
    assert 0 < result.ensemble.score < data.baseline()
    prediction = to_module(result.ensemble.graph)(data.X).detach()
    assert (prediction - data.y).square().mean() < 0.2 * data.y.var()


def test_the_same_seed_gives_the_same_search_and_training_makes_the_best_no_worse(monkeypatch):
    one, same, other = (search_networks([Few()], rows(), 8, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one.ensemble.graph.state, same.ensemble.graph.state)
    assert [a.score for a in one.candidates] != [a.score for a in other.candidates]
    monkeypatch.setattr("netgraph.search.tuning.RUNGS", ())
    untrained = search_networks([Few()], rows(), 8)
    named = [[a.score for a in r.candidates if a.source == "Few"] for r in (one, untrained)]
    assert min(named[0]) <= min(named[1])


@pytest.mark.parametrize(("count", "candidates"), [(12, 2), (30, 15), (60, 60), (90, 100)])
def test_of_few_rows_few_candidates_are_sampled(count, candidates):
    source = Few()
    source.trainable = False
    assert sum(stages(search_networks([source], rows(count), 100), "Few")) == candidates


def test_a_linear_target_is_found_exactly_and_sources_may_stay_untrained():
    data, source = rows(), Few()
    source.trainable = False
    result = search_networks([source], replace(data, y=data.X[:, [0]] - 2 * data.X[:, [1]]), 4)
    assert result.candidates[0].score < 1e-8
    assert stages(result, "trained") == []


def test_the_clock_ends_sampling_and_training():
    result = search_networks([Few()], rows(), 10_000, TimeBudget(60.0, clock(1.0)))
    assert 0 < sum(stages(result, "Few")) < 60**2 / 60
    assert result.history[-2]["seconds"] < 60
    at_once = search_networks([Few()], rows(), 8, TimeBudget(0.0, clock(1.0)))
    assert [note["stage"] for note in at_once.history] == ["linear"]
    assert at_once.ensemble.source == "linear"


class Unlucky(Few):
    """Networks of which every second one is not finite."""

    def sample(self, n: int, X: Tensor, y: Tensor, seed: int) -> list[NetGraph]:
        graphs = random_networks(n, seed, X.shape[1])
        return [g.replace(state=torch.full_like(g.state, torch.inf)) if i % 2 else g for i, g in enumerate(graphs)]


def test_a_network_that_is_not_finite_is_never_chosen():
    result = search_networks([Unlucky()], rows(), 16)
    finite = [one for one in result.candidates if one.score < torch.inf]
    assert len(finite) < len(result.candidates)
    assert all(one.graph.state.isfinite().all() for one in finite)
    assert result.ensemble.score < torch.inf


def test_of_many_rows_some_are_drawn(monkeypatch):
    monkeypatch.setattr("netgraph.search.network_search.MOST_ROWS", 50)
    data = rows(80)
    part = data.subsample(50, 3)
    assert len(part) == 50
    assert part.y.tolist() == [value for value in data.y.tolist() if value in part.y.tolist()]
    whole, some = (search_networks([Few(4)], d, seed=3) for d in (data, part))
    assert len(whole.candidates[0].prediction) == 50
    assert not torch.equal(data.subsample(50, 4).y, part.y)
    assert [one.score for one in whole.candidates] == [one.score for one in some.candidates]


@pytest.mark.parametrize("weight", [None, np.random.default_rng(2).uniform(0.1, 3, size=60)])
def test_the_error_of_the_mean_is_that_of_the_other_rows(weight):
    data, share = rows(), np.ones(60) if weight is None else weight
    y, index = data.y[:, 0].double().numpy(), np.arange(60)
    errors = [(y[i] - np.average(y[index != i], weights=share[index != i])) ** 2 for i in index]
    found = TabularData(data.X, data.y, None if weight is None else torch.from_numpy(weight / weight.mean()))
    assert found.baseline() == pytest.approx(np.average(errors, weights=share), rel=1e-5)


def test_the_standard_error_is_that_of_a_mean():
    squared = torch.tensor([1.0, 2.0, 3.0, 6.0])
    assert TabularData(torch.zeros(4, 1), squared).standard_error(squared) == pytest.approx((14 / 4) ** 0.5 / 2)


def test_a_time_budget_is_checked_against_its_clock():
    budget = TimeBudget(5.0, clock(2.0))
    assert budget.elapsed == 2.0
    assert budget.fits(1.0)
    assert not budget.fits(0.0)
    assert TimeBudget().fits(1e12)
    for wrong in ("3", True, -1, float("nan"), [1], 1j):
        with pytest.raises(NetGraphError, match=r"max_seconds is .*; a number of at least 0, or None"):
            TimeBudget(wrong)

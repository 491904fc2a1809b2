"""Successive halving: the better half goes on, none gets worse, and the clock ends it."""

import pytest
import torch

from netgraph.search.data import TimeBudget
from netgraph.search.scoring import CrossValidation
from netgraph.search.tuning import RUNGS, successive_halving
from tests.search.small import clock, random_networks, rows

FOLDS = CrossValidation(rows(100))
CANDIDATES = FOLDS.leave_one_out(random_networks(8, 3))


def halved(seconds: float | None = None, step: float = 1.0, seed: int = 0):
    """Return the candidates and the notes of successive halving."""
    notes, budget = [], TimeBudget(seconds, clock(step))
    rungs = list(successive_halving(CANDIDATES, FOLDS, seed, budget, lambda *note: notes.append(note)))
    assert len(rungs) == len(notes)
    return rungs[-1] if rungs else CANDIDATES, notes


@pytest.fixture
def patient(monkeypatch):
    """Rungs that end neither by the clock nor by a rung that brings nothing better."""
    monkeypatch.setattr("netgraph.search.tuning.RUNGS", (10, 40, 80))


@pytest.mark.usefixtures("patient")
def test_the_better_half_goes_on_and_no_candidate_gets_worse():
    tuned, notes = halved()
    assert [networks for _, networks, _ in notes] == [8, 4, 2][: len(notes)]
    assert len(notes) > 1
    assert [stage for stage, _, _ in notes] == [f"trained for {n} steps" for n in (10, 40, 80)][: len(notes)]
    assert len(tuned) == len(CANDIDATES)
    for before, after in zip(CANDIDATES, tuned, strict=True):
        assert after.score <= before.score
        assert after.graph.architecture == before.graph.architecture
        assert after is before or after.score < before.score
    assert any(after.score < before.score for before, after in zip(CANDIDATES, tuned, strict=True))
    assert min(one.score for one in tuned) <= min(error for _, _, error in notes)
    for one in tuned:  # what is returned is what was scored
        (again,) = FOLDS.score([*one.refits, one.graph]) if one.refits else (one,)
        assert again.score == pytest.approx(one.score, rel=1e-4)


@pytest.mark.usefixtures("patient")
def test_a_seed_gives_the_same_training():
    one, same, other = (halved(seed=seed)[0] for seed in (1, 1, 2))
    assert all(torch.equal(a.graph.state, b.graph.state) for a, b in zip(one, same, strict=True))
    assert not all(torch.equal(a.graph.state, b.graph.state) for a, b in zip(one, other, strict=True))


@pytest.mark.usefixtures("patient")
def test_a_rung_that_does_not_fit_into_the_time_is_not_begun():
    assert len(halved(1000.0, step=0.01)[1]) > 1
    _, notes = halved(40.0, step=10.0)  # the first rung takes at least a look at the clock, ten seconds
    assert [networks for _, networks, _ in notes] == [8]
    tuned, notes = halved(5.0, step=10.0)
    assert notes == []
    assert all(a is b for a, b in zip(tuned, CANDIDATES, strict=True))


def test_it_ends_where_a_rung_brings_nothing_better(monkeypatch):
    monkeypatch.setattr("netgraph.search.tuning.RUNGS", (1,) * 6)
    monkeypatch.setattr("netgraph.search.tuning.LEARNING_RATE", 0.0)
    monkeypatch.setattr("netgraph.search.tuning.WEIGHT_DECAY", 0.0)
    tuned, notes = halved()
    assert len(notes) == 2
    assert len(tuned) == len(CANDIDATES)


def test_the_first_rung_is_the_shortest():
    assert list(RUNGS) == sorted(RUNGS)

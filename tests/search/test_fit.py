from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Generator

from netgraph import NetGraph, NetGraphError, NetVAE
from netgraph.search import SearchConfig, try_real
from netgraph.search.baselines import UNITS
from netgraph.search.data import Data
from netgraph.search.deadline import Deadline
from netgraph.search.fit import CLOSING, Found, find
from netgraph.search.focusing import KERNELS
from netgraph.search.folds import COLUMN_ROWS, Folds
from netgraph.search.pace import Pace
from netgraph.search.projection import ROWS_A_COLUMN
from netgraph.search.running import judged_rows, predict
from netgraph.search.source import BATCH, Source
from netgraph.search.sources import Drawn, Prior
from tests.search.small import random_networks, untrained

SMALL = SearchConfig(n_candidates=24, n_tuned=6, rungs=(10, 20), learning_rate=2e-2)


@pytest.fixture(scope="module")
def vae() -> NetVAE:
    return untrained()


def task(rows: int = 80) -> Data:
    x = torch.randn(rows, 4, generator=Generator().manual_seed(0))
    return Data(x, torch.tanh(2 * x[:, 0]) - x[:, 1])


def members(graph: NetGraph) -> int:
    """Networks that a committee is of."""
    joins = [len(layer.inputs) for layer in graph.architecture.layers if layer.type == "Concat"]
    return joins[-1] if joins else 1


def counted(search: Found, stage: str) -> list[int]:
    """Return the numbers of networks of the stages whose names begin so."""
    return [note["networks"] for note in search.history if note["stage"].startswith(stage)]


def test_a_search_tunes_the_best_candidates_and_joins_what_is_worth_most_together(vae):
    data = task()
    found = find(Prior(vae, data), data, SMALL)
    assert len(found.graphs) == len(found.errors)
    assert found.errors.tolist() == sorted(found.errors.tolist())
    assert (predict(found.graph, data.x) - data.y).square().mean() < 0.5 * data.y.var()
    tuned = counted(found, "tuned")
    assert counted(found, "drawn")[-1] == SMALL.n_candidates
    assert len(tuned) == len(SMALL.rungs)
    assert tuned[0] == SMALL.n_tuned > tuned[1]
    assert members(found.graph) > 1
    assert len(found.graphs) > SMALL.n_candidates
    assert 0 < found.standard_error < 1


def test_any_source_of_networks_is_searched_and_more_work_makes_the_best_no_worse():
    data = task()
    drawn = find(Drawn(random_networks), data, replace(SMALL, rungs=()))
    tuned = find(Drawn(random_networks), data, SMALL)
    assert tuned.errors[0] <= drawn.errors[0]
    again = find(Drawn(random_networks), data, SMALL)
    assert torch.equal(again.graph.state, tuned.graph.state)
    other = find(Drawn(random_networks), data, replace(SMALL, seed=1))
    assert not torch.equal(other.errors[:9], tuned.errors[:9])


def test_baselines_compete_and_are_not_tuned():
    data = task()
    linear = Data(data.x, data.x[:, 0] - 2 * data.x[:, 1])
    found = find(Drawn(random_networks), linear, replace(SMALL, n_candidates=1))
    assert found.errors[0] < 1e-8
    assert counted(found, "drawn") == counted(found, "tuned for 10") == counted(found, "tuned for 20") == [1]


def test_the_clock_ends_the_drawing_and_the_rounds():
    seconds = iter(range(1000))
    deadline = Deadline(60.0, clock=lambda: float(next(seconds)))
    config = replace(SMALL, n_candidates=20 * BATCH, rungs=(5, 5, 5, 5, 5, 5, 5, 5))
    found = find(Drawn(random_networks), task(), config, deadline)
    rounds = len(counted(found, "tuned"))
    assert counted(found, "drawn")[-1] < config.n_candidates
    assert 0 < rounds < len(config.rungs)
    assert found.history[-2]["seconds"] < 60


def test_a_round_that_would_not_end_in_time_has_fewer_steps():
    deadline = Deadline(CLOSING + 30.5 * Pace(columns=4).step, clock=lambda: 0.0)
    found = find(Drawn(random_networks), task(), replace(SMALL, rungs=(100,)), deadline)
    (steps,) = (int(note["stage"].split()[2]) for note in found.history if note["stage"].startswith("tuned"))
    assert 0 < steps < 100


def test_without_time_there_is_a_committee_of_the_baselines():
    found = find(Drawn(random_networks), task(), SMALL, Deadline(0.0))
    assert counted(found, "drawn") == counted(found, "tuned") == []
    assert members(found.graph) > 1
    assert found.errors[0].isfinite()


@pytest.mark.parametrize(
    ("rows", "columns", "focusing"),
    [(COLUMN_ROWS * 20 - 1, 20, True), (10, 30, True), (2, 3, True), (10, 2, True), (100, 1, False), (800, 192, True)],
)
def test_wide_networks_are_focused_where_there_are_columns_to_choose(rows, columns, focusing):
    x, y = torch.randn(rows, columns + 1, generator=Generator().manual_seed(0)).split((columns, 1), dim=1)
    source = Drawn(lambda n, seed: random_networks(n, seed, columns))
    found = find(source, Data(x, y[:, 0]), replace(SMALL, n_candidates=1, rungs=()))
    assert bool(counted(found, "focused")) == focusing
    assert found.errors[0].isfinite()


@pytest.mark.parametrize(
    ("rows", "times"),
    [(COLUMN_ROWS * 3 - 1, 2), (COLUMN_ROWS * 3, 1), (ROWS_A_COLUMN * 3 - 1, 1), (ROWS_A_COLUMN * 3, 0)],
)
def test_of_few_rows_a_column_focused_networks_are_judged_by_folds(rows, times, monkeypatch):
    judged = []
    monkeypatch.setattr("netgraph.search.fit.focus_by_folds", lambda wide, *_: judged.append(wide) or [])
    x, y = torch.randn(rows, 4, generator=Generator().manual_seed(0)).split((3, 1), dim=1)
    source = Drawn(lambda n, seed: random_networks(n, seed, n_inputs=3))
    find(source, Data(x, y[:, 0]), replace(SMALL, n_candidates=1, rungs=()))
    assert len(judged) == times


class Known(Source):
    """Random networks, of which the first few know the rows, it is said; made again, they are constant."""

    remakes = True

    def __init__(self, known: int) -> None:
        self.known, self.errors = known, torch.empty(0)

    def draw(self, n: int, seed: int) -> list[NetGraph]:
        return random_networks(n, seed)

    def again(self, parts: Sequence[Data]) -> list[list[NetGraph]]:
        (graph,) = random_networks(1, 0)
        return [[graph.replace(state=torch.zeros_like(graph.state))] * self.known for _ in parts]

    def learn(self, errors: torch.Tensor) -> None:
        self.errors = errors


@pytest.mark.parametrize("known", [1, 3])
@pytest.mark.parametrize("rows", [COLUMN_ROWS * 4 - 1, COLUMN_ROWS * 4])
def test_of_few_rows_candidates_that_know_them_are_judged_as_they_are_without_each_fold(rows, known):
    data, source = task(rows), Known(known)
    find(source, data, replace(SMALL, n_candidates=4, rungs=()))
    folds = Folds(data, SMALL.folds, SMALL.seed)
    said = torch.stack([part.y.mean() for part in folds.parts])[folds.fold]
    constant = torch.isclose(source.errors, (said - data.y).square().mean().double(), rtol=1e-4)
    by_folds = known if folds.few_rows else 0
    assert constant.tolist() == ([True] * by_folds + [False] * (4 - by_folds))[: len(source.errors)]


@pytest.mark.parametrize(("rows", "candidates"), [(7, 1), (15, 3), (60, 60), (90, 100)])
def test_of_few_rows_few_candidates_are_drawn(rows, candidates):
    found = find(Drawn(random_networks), task(rows), replace(SMALL, n_candidates=100, rungs=()))
    assert counted(found, "drawn")[-1] == candidates


def test_wide_networks_are_focused_on_the_columns_that_matter():
    x = torch.randn(200, 12, generator=Generator().manual_seed(0))
    source = Drawn(lambda n, seed: random_networks(n, seed, n_inputs=12))
    found = find(source, Data(x, (2 * x[:, 0]).sin()), replace(SMALL, n_candidates=1, rungs=()))
    stages = {note["stage"]: note["error"] for note in found.history}
    assert stages["focused"] < 0.5 * stages["baselines"]
    assert stages["focused by relevance"] < 0.5 * stages["focused"]


@pytest.mark.parametrize(("rows", "told"), [(ROWS_A_COLUMN * 4 - 1, False), (ROWS_A_COLUMN * 4, True)])
def test_of_many_rows_candidates_may_look_at_the_columns_that_matter(rows, told):
    source, matrices = Drawn(random_networks), []
    source.focus = matrices.append  # type: ignore[method-assign]
    find(source, task(rows), replace(SMALL, n_candidates=1, rungs=()))
    assert len(matrices) == told
    for matrix in matrices:
        assert matrix.diagonal()[:2].min() > 2 * matrix.diagonal()[2:].max()


@pytest.mark.parametrize("rows", [ROWS_A_COLUMN * 4 - 1, ROWS_A_COLUMN * 4])
@pytest.mark.parametrize("seconds", [5.0, 40.0])
def test_length_scales_are_looked_for_while_there_is_time(rows, seconds, monkeypatch):
    now, asked = [0.0], []

    def scales(data, kernel, over):
        while not over():
            now[0] += 0.01
        asked.append(now[0])
        return torch.ones(data.x.shape[1], dtype=torch.float64)

    monkeypatch.setattr("netgraph.search.focusing.length_scales", scales)
    config = replace(SMALL, n_candidates=1, rungs=())
    find(Drawn(random_networks), task(rows), config, Deadline(seconds, clock=lambda: now[0]))
    assert len(asked) == len(KERNELS) * (1 if rows >= ROWS_A_COLUMN * 4 else SMALL.folds + 1)
    assert 0 < asked[-1] < seconds / 2
    assert np.diff([0.0, *asked]) == pytest.approx(asked[0], abs=0.02)


def test_of_many_candidates_a_share_is_tuned_in_groups():
    found = find(Drawn(random_networks), task(), replace(SMALL, rungs=(5,), tuned_share=0.5))
    assert len(counted(found, "tuned")) > 1
    assert sum(counted(found, "tuned")) == 12  # baselines take no place


def test_networks_that_were_made_are_tuned_in_groups_of_their_own_which_take_turns():
    found = find(
        Drawn(random_networks, made=8), task(), replace(SMALL, n_candidates=32, rungs=(5,), n_tuned=4, tuned_share=0.25)
    )
    assert counted(found, "drawn")[-1] == 32
    assert counted(found, "tuned for 5 steps") == [4, 2, 4, 2]


def test_a_table_of_as_many_columns_as_a_wide_network_has_units_is_tuned_on():
    x = torch.randn(60, UNITS, generator=Generator().manual_seed(0))
    found = find(Drawn(lambda n, seed: random_networks(n, seed, UNITS)), Data(x, x[:, 0]), replace(SMALL, rungs=(5,)))
    assert counted(found, "tuned for 5 steps")


def test_of_many_candidates_the_best_are_kept():
    found = find(Drawn(random_networks), task(), replace(SMALL, n_candidates=100, rungs=()))
    assert len(found.graphs) == len(found.errors) < 100


def test_a_network_that_is_not_finite_is_never_chosen():
    def broken(n: int, seed: int):
        graphs = random_networks(n, seed)
        return [g.replace(state=torch.full_like(g.state, torch.inf)) if i % 2 else g for i, g in enumerate(graphs)]

    found = find(Drawn(broken), task(), SMALL)
    fine = found.errors.isfinite()
    assert fine[0]
    assert not fine.all()
    assert all(graph.state.isfinite().all() for graph, ok in zip(found.graphs, fine.tolist(), strict=True) if ok)


def test_a_large_table_is_judged_by_some_of_its_rows(monkeypatch):
    monkeypatch.setattr("netgraph.search.running.MOST_ROWS", 50)
    data = task()
    part = judged_rows(data, 3)
    assert torch.equal(
        find(Drawn(random_networks), data, replace(SMALL, seed=3)).errors,
        find(Drawn(random_networks), part, replace(SMALL, seed=3)).errors,
    )


def test_a_real_data_set_is_tried_beside_its_baselines(vae):
    result = try_real(vae, "diabetes", SMALL, n_splits=2)
    assert set(result.scores) == set(result.spread)
    assert result.scores["ridge regression"] > 0.3
    assert all(np.isfinite(list(result.scores.values())))
    assert result.graph.architecture.n_inputs == 10


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"folds": 1}, "folds is 1; a whole number of at least 2"),
        ({"batch_rows": 0}, "batch_rows is 0; a whole number of at least 1"),
        ({"n_tuned": 0}, "n_tuned is 0"),
        ({"n_tuned": 2.5}, "n_tuned is 2.5; a whole number of at least 1"),
        ({"rungs": (50, 0)}, r"rungs is \(50, 0\); rounds of at least 1 step"),
        ({"tuned_share": float("nan")}, "tuned_share is nan; from 0 to 1"),
    ],
)
def test_what_cannot_be_searched_is_refused(changed, message):
    with pytest.raises(NetGraphError, match=message):
        SearchConfig(**changed)

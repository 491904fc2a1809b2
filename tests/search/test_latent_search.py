"""A search of latents: stop and go on is one piece, whatever fails, and a study of something else is left alone."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
import torch
from torch import Tensor

from netgraph import NetGraphError
from netgraph.search.data import TimeBudget
from netgraph.search.latent_search import (
    NAMES,
    STUDY,
    LatentObjective,
    open_study,
    quantiles_of,
    sampler_of,
    search_latents,
    values_of,
)
from netgraph.search.pareto import non_dominated
from tests.search.small import clock, random_networks, rows, untrained

OBJECTIVES = ("error", "parameters")
ABOUT = {"data": 64 * "a", "objectives": ["error", "parameters"], "seed": 0}
OBJECTIVE = LatentObjective(untrained(), rows(40, 3), OBJECTIVES)


@pytest.fixture
def few_numbers(monkeypatch):
    """Batches of eight trials of six numbers each."""
    monkeypatch.setattr("netgraph.search.latent_search.POPULATION", 8)
    monkeypatch.setattr("netgraph.search.latent_search.NAMES", NAMES[:6])


class Sphere(LatentObjective):
    """Two functions of the numbers instead of networks; all trials fail where it is broken."""

    def __init__(self, broken: bool = False) -> None:
        self.broken = broken

    def values(self, quantiles: Tensor) -> Tensor:
        values = torch.stack([(quantiles - 0.3).square().sum(dim=1), quantiles.sum(dim=1)], dim=1)
        return torch.full_like(values, torch.inf) if self.broken else values


def run(
    path: Path, n_trials: int, sampler: str = "nsga2", objective: LatentObjective | None = None, **options
) -> Tensor:
    """Search, and return the objectives of all trials, [n, 2]."""
    with open_study(path, 2, ABOUT) as study:
        return values_of(search_latents(objective or Sphere(), study, sampler_of(sampler, 0), n_trials, **options), 2)


@pytest.mark.usefixtures("few_numbers")
@pytest.mark.parametrize("sampler", ["nsga2", "cma", "random"])
def test_a_search_in_pieces_is_the_one_in_one_piece(tmp_path, sampler):
    def interrupt(note):
        if note["networks"] == 16:
            raise KeyboardInterrupt

    at_once = run(tmp_path / "b.db", 36, sampler)
    part = run(tmp_path / "a.db", 8, sampler)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "a.db", 36, sampler, report=interrupt)
    assert run(tmp_path / "a.db", 3, sampler).shape == (16, 2)  # recorded trials stay
    whole = run(tmp_path / "a.db", 36, sampler)
    assert part.shape == (8, 2)
    assert torch.equal(whole[:8], part)
    assert torch.equal(whole, at_once)
    assert whole[:, 0].isfinite().all()
    assert whole[24:, 0].median() < whole[:8, 0].median() or sampler == "random"


def test_an_unknown_sampler_is_named():
    with pytest.raises(NetGraphError, match="unknown sampler 'luck'; known: nsga2, cma, random"):
        sampler_of("luck", 0)


def test_networks_of_trials_are_written_again_from_the_study_alone(tmp_path):
    values = run(tmp_path / "study.db", 6, objective=OBJECTIVE)
    front = non_dominated(values).nonzero()[:, 0]
    with open_study(tmp_path / "study.db", 2, ABOUT) as study:
        trials = study.get_trials()
    again = OBJECTIVE.values(quantiles_of([trials[i] for i in front]))
    assert torch.equal(again[:, 1], values[front, 1])
    torch.testing.assert_close(again[:, 0], values[front, 0], rtol=1e-3, atol=1e-6)


def test_each_number_moves_the_function_and_the_architecture_and_those_that_are_missing_are_medians():
    generator = torch.Generator().manual_seed(2)
    quantiles = torch.rand(4, len(NAMES), generator=generator, dtype=torch.float64)
    quantiles[:, 6:] = 0.5
    few, all_of_them = OBJECTIVE.candidates(quantiles[:, :6]), OBJECTIVE.candidates(quantiles)
    for one, other in zip(few, all_of_them, strict=True):
        assert one.graph.architecture == other.graph.architecture
        torch.testing.assert_close(one.prediction, other.prediction, rtol=1e-3, atol=1e-4)
    assert len({tuple(one.prediction[:, 0].tolist()) for one in few}) == 4
    assert OBJECTIVE.embedding.norm(dim=1).tolist() == pytest.approx([1.0] * len(OBJECTIVE.embedding))


def test_an_error_does_not_depend_on_the_targets_of_its_fold():
    data, unseen = OBJECTIVE.folds.data, OBJECTIVE.folds.fold == 1
    quantiles = torch.rand(3, len(NAMES), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    predictions = [
        torch.stack([one.prediction for one in LatentObjective(untrained(), d, OBJECTIVES).candidates(quantiles)])
        for d in (data, replace(data, y=torch.where(unseen[:, None], 9.0, data.y)))
    ]
    assert torch.allclose(predictions[0][:, unseen], predictions[1][:, unseen], atol=1e-5)
    assert not torch.allclose(predictions[0][:, ~unseen], predictions[1][:, ~unseen], atol=1e-2)


@pytest.mark.usefixtures("few_numbers")
def test_the_clock_ends_it_after_a_batch_and_every_batch_is_told(tmp_path):
    notes = []
    values = run(tmp_path / "study.db", 80, budget=TimeBudget(6.0, clock(2.0)), report=notes.append)
    assert 0 < len(values) < 80
    assert [note["networks"] for note in notes] == list(range(8, len(values) + 1, 8))
    assert notes[-1]["error"] == float(values[:, 0].min())
    assert len(run(tmp_path / "least.db", 16, budget=TimeBudget(0.0, clock()))) == 8


@pytest.mark.usefixtures("few_numbers")
@pytest.mark.parametrize("sampler", ["nsga2", "cma"])
def test_trials_that_fail_are_recorded_and_the_search_goes_on(tmp_path, sampler):
    assert run(tmp_path / "study.db", 12, sampler, Sphere(broken=True)).isinf().all()
    values = run(tmp_path / "study.db", 24, sampler)
    assert values[:12].isinf().all()
    assert values[12:].isfinite().all()


def test_what_is_not_finite_has_infinite_objectives(monkeypatch):
    (good, bad) = random_networks(2, 0, 3)
    bad = bad.replace(state=torch.full_like(bad.state, torch.nan))
    monkeypatch.setattr("netgraph.search.latent_search.Written.sample", lambda *_: [good, bad])
    values = OBJECTIVE.values(torch.full((2, len(NAMES)), 0.5))
    assert values.isinf().tolist() == [[False, False], [True, True]]


@pytest.mark.usefixtures("few_numbers")
def test_a_study_is_one_of_optuna_wherever_it_lies(tmp_path):
    for name in ("study.db", "a ?b#c%20.db"):
        values = run(tmp_path / name, 8, "random")
        assert torch.equal(run(tmp_path / name, 1, "random"), values)
        assert (tmp_path / name).is_file()
    storage = optuna.storages.RDBStorage(f"sqlite:///{tmp_path / 'study.db'}")
    study = optuna.load_study(study_name=STUDY, storage=storage)
    assert study.user_attrs["about"] == ABOUT
    assert len(study.best_trials) >= 1
    storage.remove_session()
    storage.engine.dispose()


@pytest.mark.usefixtures("few_numbers")
@pytest.mark.parametrize("other", [{"data": 64 * "b"}, {"seed": 1}, {"objectives": ["error", "latency"]}], ids=str)
def test_a_study_of_something_else_is_refused_and_left_alone(tmp_path, other):
    values = run(tmp_path / "study.db", 4, "random")
    (name,) = other
    message = rf"^[^\n]*study\.db: holds a study of other {name}; choose another folder$"
    with pytest.raises(NetGraphError, match=message), open_study(tmp_path / "study.db", 2, ABOUT | other):
        pass
    assert torch.equal(run(tmp_path / "study.db", 4, "random"), values)


def test_a_file_that_is_no_study_is_named(tmp_path):
    (tmp_path / "study.db").write_text("not a database, " * 100)
    for path in (tmp_path / "study.db", tmp_path / "absent" / "study.db"):
        message = r"^[^\n]*study\.db: cannot be read as a study of optuna: [^\n]+$"
        with pytest.raises(NetGraphError, match=message), open_study(path, 2, ABOUT):
            pass


@pytest.mark.usefixtures("few_numbers")
def test_a_study_that_was_interrupted_before_it_had_begun_begins(tmp_path):
    storage = optuna.storages.RDBStorage(f"sqlite:///{tmp_path / 'study.db'}")
    optuna.create_study(study_name=STUDY, storage=storage, directions=["minimize"] * 2)
    storage.remove_session()
    storage.engine.dispose()
    assert len(run(tmp_path / "study.db", 4, "random")) == 4


def lose_its_trials(path: Path) -> None:
    with open_study(path, 2, ABOUT) as study:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("drop table trials")
        study.add_trial(optuna.create_trial(state=optuna.trial.TrialState.FAIL))


def test_a_database_that_fails_later_is_told_in_one_line(tmp_path):
    with pytest.raises(NetGraphError, match=r"^[^\n]*study\.db: no such table: trials[^\n]*$"):
        lose_its_trials(tmp_path / "study.db")

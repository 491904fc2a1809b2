import sqlite3
import sys
from contextlib import closing

import pytest
import torch

from netgraph import NetGraphError
from netgraph.search.study import NAME, load_optuna, open_study, values_of

ABOUT = {"data": 64 * "a", "objectives": ["error", "parameters"], "seed": 0}


def trial(*values: float):
    return load_optuna().trial.create_trial(values=list(values))


def test_trials_are_there_when_the_study_is_opened_again_wherever_it_lies(tmp_path):
    for name in ("study.db", "a ?b#c%20.db"):
        with open_study(tmp_path / name, 2, ABOUT) as study:
            study.add_trials([trial(1.0, 2.0), trial(3.0, 0.1 + 0.2)])
        with open_study(tmp_path / name, 2, ABOUT) as study:
            assert [t.values for t in study.get_trials()] == [[1.0, 2.0], [3.0, 0.1 + 0.2]]
        assert (tmp_path / name).is_file()


def test_optuna_reads_it_as_a_study_of_its_own(tmp_path):
    with open_study(tmp_path / "study.db", 2, ABOUT) as study:
        study.add_trial(trial(1.0, 2.0))
    optuna = load_optuna()
    storage = optuna.storages.RDBStorage(f"sqlite:///{tmp_path / 'study.db'}")
    study = optuna.load_study(study_name=NAME, storage=storage)
    assert len(study.best_trials) == 1
    storage.remove_session()
    storage.engine.dispose()


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"data": 64 * "b"}, "study.db: holds a study of other data; choose another folder"),
        ({"seed": 1}, "study.db: holds a study with seed 0, not 1"),
        ({"objectives": ["error", "latency"]}, "with objectives error,parameters, not error,latency"),
        ({"objectives": ["error", "parameters", "latency"]}, "not error,parameters,latency"),
    ],
)
def test_a_study_of_something_else_is_refused_and_left_alone(tmp_path, other, message):
    with open_study(tmp_path / "study.db", 2, ABOUT) as study:
        study.add_trial(trial(1.0, 2.0))
    about = ABOUT | other
    with (
        pytest.raises(NetGraphError, match=message) as caught,
        open_study(tmp_path / "study.db", len(about["objectives"]), about),
    ):
        pass
    assert "\n" not in str(caught.value)
    with open_study(tmp_path / "study.db", 2, ABOUT) as study:
        assert len(study.get_trials()) == 1


def test_a_file_that_is_no_study_is_named(tmp_path):
    (tmp_path / "study.db").write_text("not a database, " * 100)
    with pytest.raises(NetGraphError, match=r"study\.db: cannot be read as a study of optuna") as caught:
        open_study(tmp_path / "study.db", 2, ABOUT).__enter__()
    assert "\n" not in str(caught.value)
    with pytest.raises(NetGraphError, match="cannot be read as a study"):
        open_study(tmp_path / "absent" / "study.db", 2, ABOUT).__enter__()


def test_a_study_that_was_interrupted_before_it_had_begun_begins(tmp_path):
    optuna = load_optuna()
    storage = optuna.storages.RDBStorage(f"sqlite:///{tmp_path / 'study.db'}")
    optuna.create_study(study_name=NAME, storage=storage)
    storage.remove_session()
    storage.engine.dispose()
    with open_study(tmp_path / "study.db", 2, ABOUT) as study:
        assert len(study.directions) == 2
        assert study.user_attrs["about"] == ABOUT


def lose_its_trials(path) -> None:
    with open_study(path, 2, ABOUT) as study:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("drop table trials")
        study.add_trial(trial(1.0, 2.0))


def test_a_database_that_fails_later_is_told_in_one_line(tmp_path):
    with pytest.raises(NetGraphError, match=r"study\.db: no such table: trials") as caught:
        lose_its_trials(tmp_path / "study.db")
    assert "\n" not in str(caught.value)


def test_what_failed_has_infinite_objectives():
    optuna = load_optuna()
    failed = optuna.trial.create_trial(state=optuna.trial.TrialState.FAIL)
    values = values_of([trial(1.0, 2.0), failed], 2)
    assert values.dtype == torch.float64
    assert values.tolist() == [[1.0, 2.0], [torch.inf, torch.inf]]
    assert values_of([], 2).shape == (0, 2)


def test_a_missing_optuna_is_told_with_what_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(NetGraphError, match=r'pip install -e "\.\[search\]"'):
        load_optuna()

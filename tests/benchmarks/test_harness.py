"""A grid is measured run by run, resumes after a kill, is shared by processes, and becomes a DataFrame."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import harness
from netgraph import NetGraphError

RUNS = [{"alpha": alpha, "split": split} for alpha in (0.1, 1.0) for split in range(2)]


def grid(splits: int = 2, alphas: list[float] | None = None):
    return [run for run in RUNS if run["split"] < splits and (alphas is None or run["alpha"] in alphas)]


class Question:
    """Counts its measurements; the third one is killed where asked for."""

    TITLE, ABOUT, grid = "Question", "About.", staticmethod(grid)

    def __init__(self, killed=False):
        self.measured, self.killed = [], killed

    def measure(self, alpha, split):
        if self.killed and len(self.measured) == 2:
            raise KeyboardInterrupt
        self.measured.append((alpha, split))
        return {"r2": np.float64(alpha), "rows": np.int64(split), "scores": np.arange(2)}


def test_each_run_becomes_one_file_with_its_provenance(tmp_path):
    harness.measure_runs(Question(), "question", RUNS, tmp_path, "a command")
    files = sorted((tmp_path / "question").iterdir())
    assert len(files) == len(RUNS)
    record = json.loads(files[0].read_text())
    assert record["run"] in RUNS
    assert record["result"] == {"r2": record["run"]["alpha"], "rows": record["run"]["split"], "scores": [0, 1]}
    assert set(record["made"]) == set(harness.PROVENANCE)
    assert record["made"]["command"] == "a command"
    assert "cores" in record["made"]["machine"]


def test_a_killed_grid_resumes_with_what_is_missing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        harness.measure_runs(Question(killed=True), "question", RUNS, tmp_path)
    assert len(harness.load_runs("question", tmp_path)) == 2
    second = Question()
    harness.measure_runs(second, "question", RUNS, tmp_path)
    assert second.measured == [(1.0, 0), (1.0, 1)]
    assert len(harness.load_runs("question", tmp_path)) == len(RUNS)


def test_nothing_is_measured_twice_unless_asked_for(tmp_path):
    harness.measure_runs(Question(), "question", RUNS, tmp_path)
    again = Question()
    harness.measure_runs(again, "question", RUNS, tmp_path)
    assert again.measured == []
    harness.measure_runs(again, "question", RUNS[:1], tmp_path, again=True)
    assert again.measured == [(0.1, 0)]


def test_runs_of_equal_words_have_files_of_their_own(tmp_path):
    runs = [{"alpha": "a b"}, {"alpha": "a-b"}, {"alpha": 1}, {"alpha": "1"}, {"beta": 1}]
    assert len({harness.path_of(tmp_path, "question", run) for run in runs}) == len(runs)


def test_the_runs_are_a_table_with_a_column_for_each_argument_and_result(tmp_path):
    harness.measure_runs(Question(), "question", RUNS, tmp_path)
    table = harness.load_runs("question", tmp_path)
    assert list(table.columns) == ["alpha", "split", "r2", "rows", "scores", *harness.PROVENANCE]
    assert sorted(zip(table["alpha"], table["split"], strict=True)) == [(run["alpha"], run["split"]) for run in RUNS]
    assert harness.load_runs("another", tmp_path).empty


def test_names_are_not_used_twice(tmp_path):
    module = SimpleNamespace(measure=lambda alpha: {"alpha": 1})
    with pytest.raises(NetGraphError, match="question: two columns of one name among alpha, alpha, command"):
        harness.measure_runs(module, "question", [{"alpha": 1}], tmp_path)
    module = SimpleNamespace(measure=lambda alpha: {"commit": 1})
    with pytest.raises(NetGraphError, match="commit, commit"):
        harness.measure_runs(module, "question", [{"alpha": 1}], tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"run": 1, "result": {}, "made": {}}'])
def test_a_file_that_is_no_run_is_named(tmp_path, text):
    (tmp_path / "question").mkdir()
    (tmp_path / "question" / "x.json").write_text(text)
    with pytest.raises(NetGraphError, match=r"x\.json: not the file of a run"):
        harness.load_runs("question", tmp_path)


@pytest.fixture
def question(monkeypatch):
    module = Question()
    monkeypatch.setattr(harness, "QUESTIONS", ("question",))
    monkeypatch.setattr(harness, "question_of", lambda name: module)
    return module


def test_parts_of_the_command_line_share_the_grid(tmp_path, question):
    harness.main(["question", "--runs", str(tmp_path), "--part", "0/2"])
    assert question.measured == [(0.1, 0), (1.0, 0)]
    harness.main(["question", "--runs", str(tmp_path), "--part", "1/2"])
    assert question.measured[2:] == [(0.1, 1), (1.0, 1)]


def test_arguments_of_the_grid_are_options_and_become_the_command(tmp_path, question):
    harness.main(["question", "--runs", str(tmp_path), "--splits", "1", "--alphas", "[1.0]"])
    assert question.measured == [(1.0, 0)]
    table = harness.load_runs("question", tmp_path)
    assert table["command"].tolist() == ["python -m benchmarks.harness question --splits 1 --alphas [1.0]"]


def test_all_questions_are_measured_with_their_default_grids(tmp_path, question):
    harness.main(["all", "--runs", str(tmp_path)])
    assert len(question.measured) == len(RUNS)


@pytest.mark.parametrize("part", ["2/2", "-1/2", "1", "x/2"])
def test_a_part_that_is_none_is_refused(part, question):
    with pytest.raises(SystemExit, match=f"--part {part}: not I/N"):
        harness.main(["question", f"--part={part}"])
    assert question.measured == []

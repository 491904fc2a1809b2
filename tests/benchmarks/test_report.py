"""RESULTS.md is written whole from the files of runs."""

from types import SimpleNamespace

import pandas as pd
import pytest
from matplotlib.figure import Figure

from benchmarks import harness, report


@pytest.fixture
def questions(monkeypatch):
    def parts(runs):
        assert set(harness.PROVENANCE) <= set(runs.columns)
        return [report.table(runs[["alpha", "r2"]]), report.Picture("drawn", "R² drawn", Figure())]

    modules = {
        "measured": SimpleNamespace(
            TITLE="Measured", ABOUT="R² of it.", report=parts, measure=lambda alpha: {"r2": alpha / 2}
        ),
        "missing": SimpleNamespace(TITLE="Missing", ABOUT="Seconds of it.", report=lambda runs: 1 / 0),
    }
    monkeypatch.setattr(report, "question_of", modules.__getitem__)
    return modules


def write(tmp_path, questions, runs):
    harness.measure_runs(questions["measured"], "measured", runs, tmp_path / "runs", "python -m x")
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    report.write(out / "RESULTS.md", tmp_path / "runs", questions)
    return (out / "RESULTS.md").read_text(), out


def test_sections_have_text_origin_tables_and_pictures(tmp_path, questions):
    text, out = write(tmp_path, questions, [{"alpha": 1}, {"alpha": 2}])
    origin = harness.load_runs("measured", tmp_path / "runs").iloc[0]
    assert "## Measured\n\nR² of it.\n\n`python -m x`, on " in text
    assert all(origin[name] in text for name in ("machine", "torch", "commit", "date"))
    assert "| alpha | r2 |\n| --- | --- |\n| 1 | 0.500 |\n| 2 | 1.000 |" in text
    assert "![R² drawn](pictures/drawn.png)" in text
    assert (out / "pictures" / "drawn.png").stat().st_size > 0


def test_a_question_without_runs_is_told(tmp_path, questions):
    text, _ = write(tmp_path, questions, [{"alpha": 1}])
    assert text.endswith("## Missing\n\nSeconds of it.\n\nNot measured yet: `python -m benchmarks.harness missing`.\n")


def test_the_file_is_written_anew(tmp_path, questions):
    first, out = write(tmp_path, questions, [{"alpha": 1}])
    (out / "RESULTS.md").write_text(f"{first}\n## Of old\n\nGone.\n")
    second, _ = write(tmp_path, questions, [])
    assert second == first


def test_cells_of_tables():
    frame = pd.DataFrame({"a": [1.23456, float("nan")], "n": [12345, 6], "flag": [True, False], "word": ["x", None]})
    assert report.table(frame, 2).splitlines()[2:] == ["| 1.23 | 12,345 | True | x |", "| – | 6 | False | – |"]
    named = frame.set_index("word")[["n"]]
    assert report.table(named).splitlines()[0] == "| word | n |"

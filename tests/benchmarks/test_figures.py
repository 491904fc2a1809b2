"""The figures of the model are printed from the runs of its questions."""

import pandas as pd
import pytest

from benchmarks import figures
from benchmarks.harness import QUESTIONS
from benchmarks.latent_search import RANDOM

CODE = {"networks": "small", "into": "16 Tanh", "numbers": 64, "start": "hypernet", "steps": None}
RATES = [
    {"networks": "unseen", "method": method, "numbers": "half", "average": 200.0, "output_r2_median": r2}
    for method, r2 in (("netgraph", 0.97), ("PCA", 0.5), ("SANE-like", 0.6))
]
RUNS = {
    "function_code": [CODE | {"median": 0.961, "p10": 0.85}, CODE | {"start": "noise", "median": 0.1, "p10": 0.0}],
    "rate_distortion": [
        run | {"output_r2_p10": 0.9, "cosine_similarity": 0.99, "edge_f1": 1.0, "architecture_accuracy": 1.0}
        for run in (*RATES, RATES[0] | {"networks": "24 units, 2 layers", "numbers": "all"})
    ],
    "sampling": [
        dict.fromkeys(figures.OF_SAMPLES, value) | {"steps": steps, "rate_1": 5.0 * value, "rate_2": 9000 * value}
        for steps, value in ((None, 0.5), (0, 1.0))
    ],
    "probes": [
        {"task": None, "family": 0.55, "error_r2": 0.4},
        {"task": 0, "tau": {"f": 0.8, "weight statistics": 0.9}},
        {"task": 1, "tau": {"f": 0.9, "weight statistics": 0.9}},
    ],
    "rows": [{"way": "generated", "r2": [[0.7, 0.8], [0.9, 0.6]]}, {"way": "ridge regression", "r2": [[0.1], [0.2]]}],
    "small_networks": [{"limit": 100, "generated": value, "random": 0.5} for value in (0.6, 0.7, 0.5, 0.4)],
    "latent_search": [{"r2": {"in f, nsga2": value, RANDOM: 0.5}} for value in (0.6, 0.4)],
    "starts": [
        {"arm": arm, "r2": [[[r2], [0.5]]] * 5, "targets": [0.1, 0.9]}
        | {"choices": [{"rate": 0.0, "schedule": "cosine", "on_edge": False}] * 5}
        for arm, r2 in ((figures.STARTED, 0.8), ("random", 0.2))
    ],
}


def printed(monkeypatch, capsys, runs):
    monkeypatch.setattr(figures, "load_runs", lambda question, folder: pd.DataFrame(runs.get(question, [])))
    monkeypatch.setattr("sys.argv", ["figures"])
    figures.main()
    return capsys.readouterr().out


def test_every_figure_is_printed_as_asked_and_reached(monkeypatch, capsys):
    text = printed(monkeypatch, capsys, RUNS)
    for line in (
        "64 numbers of f, small, into 16 Tanh: asked 0.96 (0.85), reached 0.961 (0.850)",
        "z, half numbers, 200 on average: asked 0.95, reached 0.970 (0.900), cosine 0.990, edge F1 1.0000",
        "ahead of every peer: asked every rate, reached 1 of 1",
        "hard targets, the worst of 1: asked 0.98 (0.95), reached 0.970 (0.900), 24 units, 2 layers",
        "shape_quality: asked 0.9, reached 0.500",
        "networks sampled a second on two cores: asked 1,000, reached 4,500; without steps 9,000",
        "linear probe on f: family: asked 0.5, reached 0.550",
        "reached f 0.850, weight statistics 0.900",
        "X, y to network, no gradient step: R²: asked 0.75, reached 0.750",
        "reached 0.50: better on 2, worse on 1 of 4",
        "search in f, nsga2: better than random networks: asked 0.70, reached 0.50",
        "ahead of every arm after 0 steps: asked 0.75, reached 0.50, of random",
    ):
        assert line in text
    assert "not measured yet" not in text


def test_a_question_without_runs_is_named(monkeypatch, capsys):
    text = printed(monkeypatch, capsys, {})
    assert "rows: not measured yet: python -m benchmarks.harness rows" in text
    assert text.count("not measured yet") == len(figures.SECTIONS)


def test_lines_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "ROOT", tmp_path)
    for name, text in {"one/a.py": "x = 1\n", "two/b.py": "x = 1\ny = 2\n", "two/c.txt": "z\n"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert figures.lines("one", "two") == 3


@pytest.mark.parametrize("section", figures.SECTIONS)
def test_every_section_is_a_question(section):
    assert section.__name__.removeprefix("of_") in QUESTIONS

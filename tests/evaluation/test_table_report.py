"""The report on a network for a table: every section that there is something for, and no other."""

import numpy as np
import pytest
import torch
from pandas import DataFrame
from torch import nn

from netgraph import from_module
from netgraph.evaluation.table_report import LEVELS, TableReport, draw_front, front_section, history_section
from netgraph.figures import TABLE
from tests.evaluation.pages import Page

RNG = np.random.default_rng(0)
GRAPH = from_module(nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)).eval(), torch.zeros(1, 2))
Y = RNG.normal(size=200)


def written(tmp_path, report: TableReport) -> Page:
    report.write(tmp_path / "report.html", ["<section><h2>More</h2></section>"])
    page = Page(tmp_path / "report.html")
    page.check()
    return page


def test_a_regression_has_residuals_intervals_baselines_importance_columns_and_conditions(tmp_path):
    figures = {"test_r2": 0.5, "parameters": 37713, "n_test": 200, "r2_of_ridge": 0.25, "seconds": 1.25}
    report = TableReport(
        "price <net>",
        Y,
        Y + RNG.normal(size=200),
        figures,
        GRAPH,
        deviation=np.ones(200),
        tested={"r2": 0.5, "rmse": 2.0},
        baselines={"ridge": {"r2": 0.25, "rmse": 1.5}, "the mean": {"r2": -0.01, "rmse": 3.0}},
        importances={"age": 0.25, "a name that is longer than a picture has room for": 0.75},
        notes=["column 'age': 2 missing values as the median, 3"],
        files="Files in <out>.",
        commands={"netgraph predict out NEW.csv": "Predicts."},
        command="netgraph fit data.csv --target price",
        details={"seed": "7"},
    )
    page = written(tmp_path, report)
    assert [text for _, text in page.headings] == [
        *("Networks for price <net>", "How to use it", "Predicted against true, and residuals"),
        *("Beside other methods", "Calibration of intervals", "Importance of columns", "More", "The network"),
        *("Columns", "All figures", "To repeat it"),
    ]
    r2, rmse, interval, size, time = page.cards
    assert r2[:4] == ["R² on held-out rows", "0.5 unsurpassed", "ridge 0.25", "the mean -0.01"]
    assert rmse[:4] == ["RMSE", "2", "ridge 1.5", "the mean 3"]  # the smaller is the better
    assert interval[0] == "In the 80 % interval"
    assert interval[2] == "target 80 %"
    assert (size[1], time[1]) == ("13", "1.2 s")
    assert page.figures() == {
        **{"test_r2": "0.5", "parameters": "37,713", "n_test": "200"},
        **{"r2_of_ridge": "0.25", "seconds": "1.25"},
    }
    methods = next(table for table in page.tables if table[0][0] == "method")
    assert methods[1:3] == [["this network", "0.5", "2"], ["ridge", "0.25", "1.5"]]
    ranked = next(table for table in page.tables if table[0][0] == "column")
    assert [row[1] for row in ranked[1:]] == ["0.75", "0.25"]
    assert len(page.names) == 5
    assert "R² on held-out rows of ridge, fitted to the same rows" in page.text
    for part in ("2 missing values", "Files in &lt;out&gt;.", "netgraph predict out NEW.csv", "--target price"):
        assert part in page.text
    assert "classes" not in page.text
    assert "a name that is longer t…" in page.text


def test_every_figure_of_a_job_has_a_meaning():
    tested = ("r2", "rmse", "mae", "accuracy", "log_loss")
    names = [f"test_{name}" for name in tested] + [f"coverage_{100 * level:.0f}" for level in LEVELS]
    assert all(TABLE[name].meaning for name in names)


def test_intervals_cover_what_normal_residuals_say():
    report = TableReport("y", Y, np.zeros(200), {}, GRAPH, deviation=np.ones(200))
    assert report.coverage() == {level: pytest.approx(level, abs=0.07) for level in (0.5, 0.8, 0.95)}
    assert TableReport("y", Y, np.zeros(200), {}, GRAPH).coverage() == {}


def test_classes_have_a_table_of_true_and_predicted_ones(tmp_path):
    labels, classes = np.array(["a", "b", "b", "c"]), np.array(["a", "b"])
    figures = {"trials": 12, "front": 3}
    prediction = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.4, 0.6]])
    page = written(tmp_path, TableReport("kind", labels, prediction, figures, GRAPH, classes, tested={"accuracy": 0.5}))
    table = next(table for table in page.tables if table[0][-1] == "predicted: b")
    assert table[2:] == [["true: b", "1", "1"], ["true: c", "0", "1"]]
    assert [card[:2] for card in page.cards] == [
        *(["Accuracy on held-out rows", "0.5"], ["Parameters", "13"]),
        ["Networks tried", "12"],
    ]
    for part in ("esiduals", "Calibration", "Importance", "Beside other methods", "To repeat it", "How to use it"):
        assert part not in page.text


@pytest.mark.parametrize("n", [40, 1000])
def test_a_front_and_a_history_are_folded_beneath_their_picture(tmp_path, n):
    scores = DataFrame({"error": RNG.random(n), "parameters": RNG.integers(10, 5000, n)})
    front = scores.nsmallest(3, "error").assign(architecture="Input(2) > Linear(1)")
    history = DataFrame({"stage": ["linear"], "networks": [1], "error": [0.5], "seconds": [0.25], "other": [1]})
    chosen = front.index[1]
    sections = [front_section(draw_front(scores, front, chosen), front, chosen), history_section(history)]
    TableReport("y", Y, np.zeros(200), {}, GRAPH, tested={"r2": 0.0}).write(tmp_path / "report.html", sections)
    page = Page(tmp_path / "report.html")
    page.check()
    shown, steps = (page.tables[i] for i in page.folded[:2])
    assert shown[0] == ["", "error", "parameters", "architecture"]
    assert [row[0] for row in shown[1:]] == ["", "chosen", ""]
    assert steps == [["stage", "networks", "error", "seconds"], ["linear", "1", "0.5", "0.25"]]

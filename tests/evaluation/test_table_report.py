"""The report on a network for a table: every section that there is something for, and no other."""

import numpy as np
import pytest
import torch
from pandas import DataFrame
from torch import nn

from netgraph import from_module
from netgraph.evaluation.table_report import TableReport, draw_front, front_section, history_section
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
    figures = {"test_r2": 0.5, "test_rmse": 2.0, "r2_of_ridge": 0.25, "coverage_80": 0.75, "parameters": 37713}
    figures |= {"n_test": 200, "seconds": 1.25}
    report = TableReport(
        "price <net>",
        Y,
        Y + RNG.normal(size=200),
        figures,
        GRAPH,
        reason="A <network> of 13 parameters, the best.",
        inputs=["age", "color=<red>"],
        baselines={"ridge": {"r2": 0.25, "rmse": 1.5}, "the_mean": {"r2": -0.01, "rmse": 3.0}},
        importances={"age": 0.25, "a name that is longer than a picture has room for": 0.75},
        notes=["column 'age': 2 missing values as the median, 3"],
        files="Files in <out>.",
        commands={"netgraph predict out NEW.csv": "Predicts."},
        command="netgraph fit data.csv --target price",
        details={"seed": "7"},
    )
    page = written(tmp_path, report)
    assert [text for _, text in page.headings] == [
        *("A network for price <net>", "How to use it", "Predicted against true, and residuals"),
        *("Beside other methods", "Calibration of intervals", "Importance of columns", "More", "The network"),
        *("Columns", "All figures", "To repeat it"),
    ]
    r2, rmse, interval, size, time = page.cards
    assert r2[:4] == ["R² on held-out rows", "0.5 the best", "ridge 0.25", "the mean -0.01"]
    assert rmse[:4] == ["RMSE", "2", "ridge 1.5", "the mean 3"]  # the smaller is the better
    assert interval[:2] == ["In the 80 % interval", "75 %"]
    assert interval[2] == "target 80 %"
    assert (size[1], time[1]) == ("13", "1.2 s")
    assert page.figures() == {
        **{"test_r2": "0.5", "test_rmse": "2", "parameters": "37,713", "n_test": "200"},
        **{"r2_of_ridge": "0.25", "coverage_80": "0.75", "seconds": "1.25"},
    }
    methods = next(table for table in page.tables if table[0][0] == "method")
    assert methods[:3] == [["method", "R²", "RMSE"], ["this network", "0.5", "2"], ["ridge", "0.25", "1.5"]]
    assert methods[3][0] == "the mean"
    ranked = next(table for table in page.tables if table[0][0] == "column")
    assert [row[1] for row in ranked[1:]] == ["0.75", "0.25"]
    assert len(page.names) == 5
    assert "R² on held-out rows of ridge, fitted to the same rows" in page.text
    for part in ("2 missing values", "Files in &lt;out&gt;.", "netgraph predict out NEW.csv", "--target price"):
        assert part in page.text
    assert "classes" not in page.text
    assert "a name that is longer t…" in page.text


@pytest.mark.parametrize(
    ("value", "verdict"), [(0.75, "the best"), (0.5, "as good as ridge"), (0.496, "as good as ridge"), (0.25, "")]
)
def test_a_figure_is_the_best_or_as_good_as_that_of_another_method(tmp_path, value, verdict):
    baselines = {"the_mean": {"r2": 0.0}, "ridge": {"r2": 0.5}}
    page = written(tmp_path, TableReport("y", Y, np.zeros(200), {"test_r2": value}, GRAPH, baselines=baselines))
    assert page.cards[0][1] == f"{value} {verdict}".strip()


def test_the_page_tells_why_and_names_the_nodes_of_the_network(tmp_path):
    reason, inputs = "A linear fit, the smallest as good as the best.", ["age", "color=<red>"]
    report = TableReport("price <net>", Y, np.zeros(200), {"test_r2": 0.0}, GRAPH, reason, inputs=inputs)
    page = written(tmp_path, report)
    assert f"<p>{reason} Tested on 200 rows that were held out" in page.text
    svg = page.text[page.text.index("<h2>The network</h2>") :]
    assert [svg.count(f">{name}</text>") for name in ("age", "color=&lt;red&gt;", "price &lt;net&gt;")] == [1, 1, 1]


def test_classes_have_a_table_of_true_and_predicted_ones(tmp_path):
    labels, classes = np.array(["a", "b", "b", "c"]), np.array(["a", "b"])
    figures, two = {"test_accuracy": 0.5, "trials": 12, "front": 3}, from_module(nn.Linear(2, 2))
    prediction = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.4, 0.6]])
    page = written(tmp_path, TableReport("kind", labels, prediction, figures, two, classes=classes))
    table = next(table for table in page.tables if table[0][-1] == "predicted: b")
    assert table[2:] == [["true: b", "1", "1"], ["true: c", "0", "1"]]
    assert [card[:2] for card in page.cards] == [
        *(["Accuracy on held-out rows", "0.5"], ["Parameters", "6"]),
        ["Networks tried", "12"],
    ]
    assert "Tested on 4 rows that were held out: nothing was fitted to them. Of so few rows" in page.text
    for part in ("esiduals", "Calibration", "Importance", "Beside other methods", "To repeat it", "How to use it"):
        assert part not in page.text


@pytest.mark.parametrize("n", [40, 1000])
def test_a_front_and_a_history_are_folded_beneath_their_picture(tmp_path, n):
    scores = DataFrame({"error": RNG.random(n), "parameters": RNG.integers(10, 5000, n)})
    front = scores.nsmallest(3, "error").assign(architecture="Input(2) > Linear(1)")
    history = DataFrame({"stage": ["linear"], "networks": [1], "error": [0.5], "seconds": [0.25], "other": [1]})
    chosen = front.index[1]
    sections = [front_section(draw_front(scores, front, chosen), front, chosen), history_section(history)]
    TableReport("y", Y, np.zeros(200), {"test_r2": 0.0}, GRAPH).write(tmp_path / "report.html", sections)
    page = Page(tmp_path / "report.html")
    page.check()
    shown, steps = (page.tables[i] for i in page.folded[:2])
    assert shown[0] == ["", "error", "parameters", "architecture"]
    assert [row[0] for row in shown[1:]] == ["", "chosen", ""]
    assert steps == [["stage", "networks", "error", "seconds"], ["linear", "1", "0.5", "0.25"]]

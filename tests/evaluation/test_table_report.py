"""The report on a network for a table: every section that there is something for, and no other."""

import numpy as np
import pytest
import torch
from torch import nn

from netgraph import from_module
from netgraph.evaluation.table_report import TableReport

RNG = np.random.default_rng(0)
GRAPH = from_module(nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)).eval(), torch.zeros(1, 2))
Y = RNG.normal(size=200)


def page(tmp_path, report: TableReport) -> str:
    report.write(tmp_path / "report.html", ["<h2>More</h2>"])
    return (tmp_path / "report.html").read_text()


def test_a_regression_has_residuals_intervals_baselines_importance_columns_and_conditions(tmp_path):
    report = TableReport(
        "price <net>",
        Y,
        Y + RNG.normal(size=200),
        {"test_r2": 0.5, "parameters": 37713, "n_test": 200},
        GRAPH,
        deviation=np.ones(200),
        baselines={"this network": {"r2": 0.5}, "ridge": {"r2": 0.25}},
        importances={"age": 0.25, "size": 0.75},
        notes=["column 'age': 2 missing values as the median, 3"],
        details={"command": "netgraph fit data.csv --target price", "seed": "7"},
    )
    text = page(tmp_path, report)
    for part in (
        *(
            "Networks for price &lt;net&gt;",
            "37,713",
            ">200<",
            "Residuals",
            "ridge",
            "0.25",
            "2 missing values",
            "More",
        ),
        *("Calibration of intervals", "80 %", "netgraph fit data.csv --target price", "Beside other methods"),
    ):
        assert part in text
    assert text.index(">size<") < text.index(">age<")
    assert "classes" not in text


def test_intervals_cover_what_normal_residuals_say():
    report = TableReport("y", Y, np.zeros(200), {}, GRAPH, deviation=np.ones(200))
    assert report.coverage() == {level: pytest.approx(level, abs=0.07) for level in (0.5, 0.8, 0.95)}
    assert TableReport("y", Y, np.zeros(200), {}, GRAPH).coverage() == {}


def test_classes_have_a_table_of_true_and_predicted_ones(tmp_path):
    labels, classes = np.array(["a", "b", "b", "c"]), np.array(["a", "b"])
    report = TableReport("kind", labels, np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.4, 0.6]]), {}, GRAPH, classes)
    text = page(tmp_path, report)
    assert '<td>true: b</td><td class="number">1</td><td class="number">1</td>' in text
    assert '<td>true: c</td><td class="number">0</td><td class="number">1</td>' in text
    for part in ("Residuals", "Calibration", "Importance", "Beside other methods", "To repeat it"):
        assert part not in text

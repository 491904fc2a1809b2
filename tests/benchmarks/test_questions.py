"""Every question keeps the contract of the harness; the smaller ones are measured on tiny cases."""

import inspect
import json
from dataclasses import replace

import pandas as pd
import pytest
import torch
from torch import nn

from benchmarks import conversion, quick_run, zoo_store, zoo_training
from benchmarks.harness import PROVENANCE, QUESTIONS, load_runs, measure_runs, path_of, question_of
from netgraph import NetGraphError
from netgraph.run import KEYS
from tests.zoo.stores import build_here


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_has_a_title_an_about_and_a_grid_of_distinct_runs(name, tmp_path):
    question = question_of(name)
    assert question.TITLE
    assert question.ABOUT.endswith(".")
    runs = question.grid()
    assert json.loads(json.dumps(runs)) == runs
    assert len({path_of(tmp_path, name, run) for run in runs}) == len(runs) > 0
    arguments = set(inspect.signature(question.measure).parameters)
    assert all(set(run) == arguments for run in runs)
    assert not arguments & set(PROVENANCE)
    assert all(option.annotation is not option.empty for option in inspect.signature(question.grid).parameters.values())


def reported(module, runs, tmp_path):
    """What a question reports of runs that are measured now."""
    measure_runs(module, "question", runs, tmp_path)
    return module.report(load_runs("question", tmp_path))


def test_training_is_timed_by_recipe_and_way(monkeypatch, tmp_path):
    recipe, *_ = zoo_training.CASES["the quick recipe"]
    monkeypatch.setattr(zoo_training, "CASES", {"tiny": (replace(recipe, widths=(2, 3)), 4, 2, 2)})
    (text,) = reported(zoo_training, zoo_training.grid(), tmp_path)
    head, _, row = text.splitlines()
    assert head.split(" | ")[1:5] == list(zoo_training.WAYS)
    cells = [float(cell.replace(",", "")) for cell in row.strip("| ").split(" | ")[1:]]
    assert min(cells) > 0
    assert cells[4] == pytest.approx(cells[0] / cells[2], rel=0.1)
    assert cells[6] == pytest.approx(100 * cells[2] / cells[3], rel=0.1)


def test_a_zoo_is_loaded_in_several_ways(tiny_zoo):
    rates = zoo_store.load(tiny_zoo.folder)
    assert min(rates.values()) > 0
    assert len(rates) == 5


def test_a_zoo_of_the_asked_size_is_built(tmp_path, monkeypatch):
    monkeypatch.setattr(zoo_store, "STEPS", 2)
    monkeypatch.setattr(zoo_store, "build_zoo", build_here)
    monkeypatch.setattr(zoo_store, "in_own_process", lambda function, *arguments: function(*arguments))
    building, _, loading = reported(zoo_store, [{"networks": 40}], tmp_path)
    assert building.splitlines()[0].startswith("| networks | kept | seconds to build |")
    assert loading.splitlines()[2].startswith("| 40 |")


def test_a_conversion_is_measured_in_a_process_of_its_own():
    assert all(run["network"] in conversion.NETWORKS for run in conversion.grid())
    result = conversion.in_own_process(sum, [1, 2])
    assert result == 3


def test_seconds_and_memory_of_a_conversion(monkeypatch):
    module = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    monkeypatch.setattr(conversion, "NETWORKS", {"tiny": lambda: (module, torch.zeros(1, 3))})
    result = conversion.convert("tiny")
    assert result["parameters"] == 8
    assert result["nodes"] == 3 + 2 + 2
    assert min(value for name, value in result.items() if name.startswith("seconds")) > 0
    runs = pd.DataFrame([{"network": "tiny"} | result | dict.fromkeys(PROVENANCE, "")])
    assert conversion.report(runs)[0].splitlines()[2].startswith("| tiny | 8 | 7 |")


def test_the_networks_are_of_about_ten_million_parameters():
    for build in conversion.NETWORKS.values():
        module, example = build()
        assert 9e6 < sum(parameter.numel() for parameter in module.parameters()) < 13e6
        assert module.eval()(example).shape[0] == 1


def test_a_quick_run_is_read_from_its_metrics(tmp_path):
    with pytest.raises(NetGraphError, match=r"metrics\.json: no such file"):
        quick_run.measure(str(tmp_path))
    metrics = dict.fromkeys(KEYS, 0.5) | {"more": {"n_outside": 0}}
    metrics |= {"diabetes_test_r2": {"netgraph": 0.5}, "diabetes_test_r2_deviation": {"netgraph": 0.1}}
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    figures, _, r2 = reported(quick_run, quick_run.grid(str(tmp_path)), tmp_path / "runs")
    assert "| edge_f1 | 0.5 | ≥ 0.97 |" in figures
    assert "| n_outside | 0 |  |" in figures
    assert "| netgraph | 0.500 ± 0.100 |" in r2

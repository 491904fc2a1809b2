import json
import runpy
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from netgraph import NetGraphError
from netgraph.graph.io import load_graphs
from netgraph.search import SearchJob, search_table
from netgraph.search.job import TEST_SHARE
from netgraph.search.pareto import non_dominated
from netgraph.tasks import split
from tests.search.small import untrained


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a model and two tables."""
    path = tmp_path_factory.mktemp("search")
    untrained().save(path / "vae.safetensors")
    x = np.random.default_rng(0).normal(size=(120, 3)) * [1, 100, 0.01]
    frame = pd.DataFrame(x, columns=["age", "income", "rate"]).assign(price=1000 + 50 * np.tanh(2 * x[:, 0]))
    frame.to_csv(path / "data.csv", index=False)
    frame.assign(rate=frame["rate"] + 1).to_csv(path / "other.csv", index=False)
    return path


def job(folder, out, **changes) -> SearchJob:
    known = {"data": folder / "data.csv", "target": "price", "checkpoint": str(folder / "vae.safetensors")}
    return SearchJob(**(known | {"out": folder / out, "n_trials": 64} | changes))


def test_a_table_becomes_a_front_of_networks_a_picture_and_a_report(folder, capsys):
    figures = search_table(job(folder, "one"))
    out = folder / "one"
    assert json.loads((out / "metrics.json").read_text()) == figures
    assert (figures["trials"], figures["n_train"], figures["n_test"]) == (64, 96, 24)
    assert 0 < figures["hypervolume"] < 1
    assert "tried: 64 networks" in capsys.readouterr().err
    front = pd.read_csv(out / "pareto.csv")
    assert list(front) == ["trial", "error", "parameters", "held_out_error", "architecture"]
    assert len(front) == figures["front"]
    assert non_dominated(torch.tensor(front[["error", "parameters"]].to_numpy())).all()
    assert front["error"].is_monotonic_increasing
    graphs = load_graphs(out / "networks" / "front.safetensors")
    assert [graph.architecture.state_size for graph in graphs] == front["parameters"].tolist()
    assert [repr(graph.architecture) for graph in graphs] == front["architecture"].tolist()
    assert (out / "pareto.png").read_bytes().startswith(b"\x89PNG")
    page = (out / "report.html").read_text()
    for said in ("Networks for price", "The Pareto front", "Hypervolume", "held out error", "Predicted against true"):
        assert said in page


def test_the_chosen_network_is_one_of_the_front_and_torch_alone_runs_it(folder):
    figures = search_table(job(folder, "two", objectives=("error", "parameters", "latency")))
    front = pd.read_csv(folder / "two" / "pareto.csv")
    (row,) = front.index[
        front["parameters"].eq(figures["chosen_parameters"]) & front["error"].eq(figures["chosen_error"])
    ]
    network = runpy.run_path(str(folder / "two" / "networks" / "network.py"))["load"]()
    frame = pd.read_csv(folder / "data.csv")
    predicted = network(torch.tensor(frame[["age", "income", "rate"]].to_numpy())).detach().numpy()
    error = np.mean((predicted - frame["price"]) ** 2) / frame["price"].var()
    assert error < 3 * front["error"][row] + 0.05
    variance = frame["price"][split(len(frame), 0, test_share=TEST_SHARE).train].var(ddof=0)
    assert front["held_out_error"][row] * variance == pytest.approx(figures["test_rmse"] ** 2, rel=1e-5)
    assert figures["chosen_latency"] > 0


def test_the_same_job_goes_on_with_its_study(folder):
    first = search_table(job(folder, "three", n_trials=32))
    second = search_table(job(folder, "three"))
    at_once = search_table(job(folder, "four"))
    assert (first["trials"], second["trials"]) == (32, 64)
    assert {k: v for k, v in second.items() if k != "seconds"} == {k: v for k, v in at_once.items() if k != "seconds"}
    assert (folder / "three" / "pareto.csv").read_bytes() == (folder / "four" / "pareto.csv").read_bytes()
    assert search_table(job(folder, "three", n_trials=8))["trials"] == 64


@pytest.mark.parametrize("strategy", ["prior", "genetic", "cma"])
def test_every_strategy_leaves_a_front(folder, strategy):
    figures = search_table(job(folder, strategy, strategy=strategy, n_trials=40))
    assert figures["trials"] == 40
    assert figures["front"] >= 1
    assert len(load_graphs(folder / strategy / "networks" / "front.safetensors")) == figures["front"]


def test_a_folder_of_another_search_is_refused(folder):
    mine = job(folder, "five", n_trials=8)
    search_table(mine)
    before = (folder / "five" / "pareto.csv").read_bytes()
    for changes, message in (
        ({"data": folder / "other.csv"}, "study of other data"),
        ({"target": "age"}, "study of other data"),
        ({"seed": 1}, "with seed 0, not 1"),
        ({"strategy": "genetic"}, "with strategy nsga2, not genetic"),
        ({"objectives": ("error", "latency")}, "with objectives error,parameters, not error,latency"),
    ):
        with pytest.raises(NetGraphError, match=message) as caught:
            search_table(replace(mine, **changes))
        assert "\n" not in str(caught.value)
    assert (folder / "five" / "pareto.csv").read_bytes() == before


def test_another_model_is_another_search(folder):
    search_table(job(folder, "six", n_trials=8))
    model = untrained()
    with torch.no_grad():
        model.structure.move.weight.neg_()
    model.save(folder / "other.safetensors")
    with pytest.raises(NetGraphError, match="study of other model"):
        search_table(job(folder, "six", n_trials=8, checkpoint=str(folder / "other.safetensors")))


def test_a_folder_of_a_fit_is_refused(folder):
    (folder / "fit").mkdir()
    (folder / "fit" / "metrics.json").write_text("{}")
    with pytest.raises(NetGraphError, match="holds something else than a search"):
        search_table(job(folder, "fit"))
    assert sorted(path.name for path in (folder / "fit").iterdir()) == ["metrics.json"]


def test_bad_parameters_and_bad_tables_are_named_before_a_folder_is_made(folder):
    for changes, message in (
        ({"n_trials": 0}, "n_trials is 0"),
        ({"n_trials": 8.0}, r"n_trials is 8\.0"),
        ({"seed": -1}, "a seed of 0 or more"),
        ({"strategy": "gradient"}, "unknown strategy 'gradient'; known: nsga2, prior, genetic, cma"),
        ({"objectives": ("error", "speed")}, "unknown objective 'speed'"),
        ({"objectives": ("error",)}, "a front needs parameters or latency too"),
        ({"device": "gpu"}, "unknown device 'gpu'"),
        ({"max_seconds": float("nan")}, "max_seconds is nan"),
        ({"data": folder / "absent.csv"}, r"absent\.csv: no such file"),
        ({"target": "prize"}, "did you mean 'price'"),
        ({"checkpoint": str(folder / "absent.safetensors")}, "no such file"),
    ):
        with pytest.raises(NetGraphError, match=message):
            search_table(job(folder, "none", **changes))
    assert not (folder / "none").exists()


def test_a_network_that_is_no_better_than_the_mean_is_told(folder, monkeypatch):
    monkeypatch.setattr("netgraph.search.data.Data.error_of_the_mean", lambda _: 0.0)
    monkeypatch.setattr("netgraph.search.search_job._write", lambda *_: {})
    with pytest.warns(UserWarning, match="the network chosen of 4 is not better than the mean by cross-validation"):
        search_table(job(folder, "mean", n_trials=4))


def test_without_optuna_it_says_what_installs_it(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(NetGraphError, match=r'pip install -e "\.\[search\]"'):
        search_table(job(folder, "none"))

"""The jobs of ``netgraph fit`` and ``netgraph search``: their files, and what they never overwrite."""

import json
import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from netgraph import NetGraphError
from netgraph.graph.io import load_graphs
from netgraph.search import FitJob, SearchJob, fit_table, search_table
from netgraph.search.pareto import non_dominated
from netgraph.tasks import split
from netgraph.tasks.split import TEST_SHARE
from tests.commands import netgraph
from tests.search.small import untrained

COLUMNS = ["age", "income", "rate"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with a model and two tables."""
    path = tmp_path_factory.mktemp("jobs")
    untrained().save(path / "vae.safetensors")
    x = np.random.default_rng(0).normal(size=(80, 3)) * [1, 100, 0.01]
    frame = pd.DataFrame(x, columns=COLUMNS).assign(price=1000 + 50 * np.tanh(2 * x[:, 0]))
    frame.to_csv(path / "data.csv", index=False)
    frame.assign(rate=frame["rate"] + 1).to_csv(path / "other.csv", index=False)
    return path


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch):
    monkeypatch.setattr("netgraph.search.latent_search.POPULATION", 4)
    monkeypatch.setattr("netgraph.search.latent_search.NAMES", tuple("abcdef"))


def job(kind: type, folder: Path, out: str, **changes):
    known = {"data": folder / "data.csv", "target": "price", "checkpoint": str(folder / "vae.safetensors")}
    sizes = {"n_candidates": 4, "max_seconds": 600.0} if kind is FitJob else {"n_trials": 4}
    return kind(**(known | {"out": folder / out} | sizes | changes))


def predicted(script: Path, folder: Path) -> np.ndarray:
    network = runpy.run_path(str(script))["load"]()
    return network(torch.tensor(pd.read_csv(folder / "data.csv")[COLUMNS].to_numpy())).detach().numpy()


def test_a_fit_leaves_a_network_that_torch_alone_runs_and_a_report(folder, capsys):
    figures, out = fit_table(job(FitJob, folder, "fit", objectives=("error", "parameters"))), folder / "fit"
    assert sorted(path.name for path in out.iterdir()) == [
        *("graph.json", "graph.safetensors", "metrics.json"),
        *("network.py", "network.safetensors", "report.html"),
    ]
    assert json.loads((out / "metrics.json").read_text()) == figures
    assert figures["test_r2"] > 0.8
    assert figures["test_rmse"] < figures["rmse_of_the_mean"]
    assert (figures["n_train"], figures["n_test"]) == (64, 16)
    assert "RandomFeatures: 4 networks" in capsys.readouterr().err
    (graph,) = load_graphs(out / "graph.safetensors")
    assert graph.architecture.state_size == figures["parameters"]
    price = pd.read_csv(folder / "data.csv")["price"]
    held_out = split(80, 0, test_share=TEST_SHARE).test
    errors = predicted(out / "network.py", folder)[held_out] - price[held_out]
    assert float((errors**2).mean() ** 0.5) == pytest.approx(figures["test_rmse"], rel=1e-9)
    page = (out / "report.html").read_text()
    for section in ("for price", "Predicted against true", "The Pareto front", "Steps of the search", "Residuals"):
        assert section in page
    for section in ("Beside other methods", "Calibration of intervals", "Importance of columns", "To repeat it"):
        assert section in page
    assert {"r2_of_ridge", "r2_of_boosting", "r2_of_the_mean", "coverage_80"} <= figures.keys()
    assert all(type(figures[name]) is int for name in ("n_train", "n_test", "parameters"))
    command = f"netgraph fit {folder / 'data.csv'} --target price --out {out}"
    assert command in page


def test_a_search_leaves_a_front_a_picture_a_report_and_its_study(folder):
    objectives = ("error", "parameters", "latency")
    figures, out = search_table(job(SearchJob, folder, "search", n_trials=12, objectives=objectives)), folder / "search"
    assert json.loads((out / "metrics.json").read_text()) == figures
    assert (figures["trials"], figures["n_train"], figures["n_test"]) == (12, 64, 16)
    assert 0 <= figures["hypervolume"] < 1
    front = pd.read_csv(out / "pareto.csv")
    assert list(front) == ["trial", *objectives, "architecture"]
    assert len(front) == figures["front"]
    assert non_dominated(torch.tensor(front[list(objectives)].to_numpy())).all()
    assert front["error"].is_monotonic_increasing
    graphs = load_graphs(out / "networks" / "front.safetensors")
    assert [graph.architecture.state_size for graph in graphs] == front["parameters"].tolist()
    assert [repr(graph.architecture) for graph in graphs] == front["architecture"].tolist()
    chosen = front["error"].eq(figures["chosen_error"]) & front["parameters"].eq(figures["chosen_parameters"])
    assert chosen.any()
    price, parts = pd.read_csv(folder / "data.csv")["price"], split(80, 0, test_share=TEST_SHARE)
    errors = predicted(out / "networks" / "network.py", folder)[parts.test] - price[parts.test]
    assert float((errors**2).mean() ** 0.5) == pytest.approx(figures["test_rmse"], rel=1e-9)
    assert (out / "pareto.png").read_bytes().startswith(b"\x89PNG")
    page = (out / "report.html").read_text()
    assert all(
        part in page for part in ("The Pareto front", "Importance of columns", "by cross-validation is", ">income<")
    )
    assert (out / "study.db").is_file()


def test_a_search_for_classes_leaves_a_network_that_gives_probabilities(folder):
    frame = pd.read_csv(folder / "data.csv")
    frame["price"] = np.where(frame["price"] > 1000, "dear", "cheap")
    frame.to_csv(folder / "classes.csv", index=False)
    figures = search_table(job(SearchJob, folder, "classes", n_trials=8, data=folder / "classes.csv"))
    assert figures["test_accuracy"] > figures["accuracy_of_the_most_frequent"]
    assert 0 <= figures["hypervolume"] <= 1
    found = predicted(folder / "classes" / "networks" / "network.py", folder)
    assert found.shape == (80, 2)
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_the_same_search_goes_on_with_its_study(folder):
    first, second = (search_table(job(SearchJob, folder, "a", n_trials=n)) for n in (4, 8))
    at_once = search_table(job(SearchJob, folder, "b", n_trials=8))
    assert (first["trials"], second["trials"]) == (4, 8)
    assert second | {"seconds": 0} == at_once | {"seconds": 0}
    assert (folder / "a" / "pareto.csv").read_bytes() == (folder / "b" / "pareto.csv").read_bytes()
    assert search_table(job(SearchJob, folder, "a", n_trials=1))["trials"] == 8
    other = untrained()
    with torch.no_grad():
        next(other.parameters()).neg_()
    other.save(folder / "other.safetensors")
    before = (folder / "a" / "pareto.csv").read_bytes()
    for changes, name in (
        ({"data": folder / "other.csv"}, "data"),
        ({"target": "age"}, "data"),
        ({"seed": 1}, "seed"),
        ({"sampler": "random"}, "sampler"),
        ({"objectives": ("error", "latency")}, "objectives"),
        ({"checkpoint": str(folder / "other.safetensors")}, "model"),
    ):
        message = rf"^[^\n]*study\.db: holds a study of other {name}; choose another folder$"
        with pytest.raises(NetGraphError, match=message):
            search_table(replace(job(SearchJob, folder, "a"), **changes))
    with pytest.raises(NetGraphError, match="a: holds a fit already"):
        fit_table(job(FitJob, folder, "a"))
    assert (folder / "a" / "pareto.csv").read_bytes() == before


def test_a_fit_tells_once_that_nothing_is_better_than_the_mean(folder, capsys):
    noise = np.random.default_rng(0).normal(size=(40, 2))
    pd.DataFrame(noise, columns=["x", "y"]).to_csv(folder / "noise.csv", index=False)
    fit_table(job(FitJob, folder, "noise", data=folder / "noise.csv", target="y", max_seconds=0.0))  # warnings fail
    assert capsys.readouterr().out.startswith("The mean of 32 targets, ")


@pytest.mark.parametrize(
    ("kind", "work", "message"),
    [(FitJob, fit_table, "holds a fit already"), (SearchJob, search_table, "holds something else than a search")],
)
def test_the_folder_of_another_job_is_not_overwritten(folder, kind, work, message):
    out = folder / f"held by {kind.__name__}"
    out.mkdir()
    (out / "metrics.json").write_text("{}")
    with pytest.raises(NetGraphError, match=message):
        work(job(kind, folder, out.name))
    (out / "metrics.json").rename(out / "report.html")
    with pytest.raises(NetGraphError, match=r"report\.html: exists already"):
        work(job(kind, folder, out.name))
    assert [path.name for path in out.iterdir()] == ["report.html"]
    work(job(kind, folder, out.name, overwrite=True))
    assert (out / "report.html").read_text() != "{}"
    with pytest.raises(NetGraphError, match=r"data\.csv"):
        work(job(kind, folder, "data.csv/inside"))


def test_bad_parameters_and_bad_tables_are_named_before_a_folder_is_made(folder):
    pd.read_csv(folder / "data.csv").head(11).to_csv(folder / "few.csv", index=False)
    for changes, message in (
        ({"n_trials": 0}, "n_trials is 0"),
        ({"n_trials": 8.0}, r"n_trials is 8\.0"),
        ({"seed": -1}, "seed"),
        ({"sampler": "gradient"}, "unknown sampler 'gradient'; known: nsga2, cma, random"),
        ({"objectives": ("error", "speed")}, "unknown objective 'speed'"),
        ({"objectives": ("error",)}, "a front needs parameters or latency too"),
        ({"device": "gpu"}, "unknown device 'gpu'"),
        ({"max_seconds": float("nan")}, "max_seconds is nan"),
        ({"data": folder / "absent.csv"}, r"absent\.csv: no such file"),
        ({"data": folder / "few.csv"}, r"few\.csv: 11 rows, of which a fifth is held out"),
        ({"target": "prize"}, "did you mean 'price'"),
        ({"checkpoint": str(folder / "absent.safetensors")}, "no such file"),
    ):
        with pytest.raises(NetGraphError, match=message) as caught:
            search_table(job(SearchJob, folder, "none", **changes))
        assert "\n" not in str(caught.value)
    assert not (folder / "none").exists()


def test_a_network_that_is_no_better_than_the_mean_is_told(folder, monkeypatch):
    monkeypatch.setattr("netgraph.search.data.TabularData.baseline", lambda _: 0.0)
    with pytest.warns(UserWarning, match="the network chosen of 4 is not better than the mean by cross-validation"):
        search_table(job(SearchJob, folder, "mean", n_trials=4))


def test_the_command_fits_and_ends_in_one_line_where_something_is_wrong(folder):
    command = ["fit", str(folder / "data.csv"), "--checkpoint", str(folder / "vae.safetensors"), "--max-seconds", "1"]
    done = netgraph(*command, "--target", "price", "--out", str(folder / "two"))
    assert done.returncode == 0, done.stderr
    assert "test_r2" in done.stdout
    assert (folder / "two" / "network.py").exists()
    wrong = netgraph(*command, "--target", "prize", "--out", str(folder / "three"))
    assert wrong.returncode == 2
    assert len(wrong.stderr.strip().splitlines()) == 1
    assert "did you mean 'price'" in wrong.stderr

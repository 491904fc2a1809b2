import json
import runpy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from netgraph import NetGraphError
from netgraph.graph.io import load_graphs
from netgraph.search import FitJob, fit_table
from tests.commands import netgraph
from tests.search.small import SHORT, untrained


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a model and a table."""
    path = tmp_path_factory.mktemp("fit")
    untrained().save(path / "vae.safetensors")
    x = np.random.default_rng(0).normal(size=(120, 3)) * [1, 100, 0.01]
    frame = pd.DataFrame(x, columns=["age", "income", "rate"]).assign(price=1000 + 50 * x[:, 0])
    frame.to_csv(path / "data.csv", index=False)
    return path


def job(folder, out, **changes) -> FitJob:
    model = {"checkpoint": str(folder / "vae.safetensors"), "max_seconds": 600.0}  # steps end it, not the clock
    known = model | {"n_candidates": 24, "objectives": ("error", "parameters")}
    return FitJob(folder / "data.csv", "price", folder / out, **(known | changes))


def test_a_table_becomes_a_network_that_torch_alone_runs_and_a_report(folder, capsys, monkeypatch):
    monkeypatch.setattr("netgraph.search.estimator.SearchConfig", SHORT)
    figures = fit_table(job(folder, "one"))
    out = folder / "one"
    assert json.loads((out / "metrics.json").read_text()) == figures
    assert figures["test_r2"] > 0.8
    assert figures["test_rmse"] < figures["rmse_of_the_mean"]
    assert (figures["n_train"], figures["n_test"]) == (96, 24)
    assert "drawn: 24 networks" in capsys.readouterr().err
    (graph,) = load_graphs(out / "graph.safetensors")
    assert graph.architecture.state_size == figures["parameters"]
    frame = pd.read_csv(folder / "data.csv")
    network = runpy.run_path(str(out / "network.py"))["load"](out / "network.safetensors")
    predicted = network(torch.tensor(frame[["age", "income", "rate"]].to_numpy())).detach().numpy()
    assert np.corrcoef(predicted, frame["price"])[0, 1] > 0.9
    page = (out / "report.html").read_text()
    for said in ("A network for price", "Predicted against true", "The Pareto front", "What the search did"):
        assert said in page


def test_a_fit_is_not_written_over(folder):
    (folder / "held").mkdir()
    (folder / "held" / "metrics.json").write_text("{}")
    with pytest.raises(NetGraphError, match="holds a fit already"):
        fit_table(job(folder, "held"))
    assert (folder / "held" / "metrics.json").read_text() == "{}"


def test_too_few_rows_to_hold_some_out_are_named(folder):
    frame = pd.read_csv(folder / "data.csv").head(11)
    frame.to_csv(folder / "few.csv", index=False)
    with pytest.raises(NetGraphError, match=r"few\.csv: 11 rows, of which a fifth is held out"):
        fit_table(replace(job(folder, "few"), data=folder / "few.csv"))


def test_a_folder_that_cannot_be_made_is_named_before_the_search(folder):
    with pytest.raises(NetGraphError, match=r"data\.csv"):
        fit_table(job(folder, "data.csv/inside"))


def test_the_command_fits_and_says_in_one_line_what_is_wrong(folder):
    command = ["fit", str(folder / "data.csv")]
    options = ["--checkpoint", str(folder / "vae.safetensors"), "--n_candidates", "8", "--out", str(folder / "two")]
    done = netgraph(*command, "--target", "price", *options)
    assert done.returncode == 0, done.stderr
    assert "test_r2" in done.stdout
    assert (folder / "two" / "network.py").exists()
    wrong = netgraph(*command, "--target", "prize", *options)
    assert wrong.returncode == 2
    assert len(wrong.stderr.strip().splitlines()) == 1
    assert "did you mean 'price'" in wrong.stderr

"""The examples train, rebuild and sample what they say."""

import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from netgraph import NetGraph, NetVAE, Zoo, metrics
from netgraph.stack import first_outputs

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def trained(tiny_zoo: Zoo) -> tuple[NetVAE, list[float], list[float]]:
    """The model of the training loop, its losses, and those of the prior."""
    loop = runpy.run_path(str(EXAMPLES / "01_train_loop.py"))
    with torch.random.fork_rng():
        return loop["train"](tiny_zoo)


def r2(vae: NetVAE, networks: list[NetGraph]) -> float:
    rows = torch.randn(64, 5, generator=torch.Generator().manual_seed(0))
    rebuilt = vae.decode(vae.encode(networks)[:, vae.function], architecture=networks)
    return metrics.output_r2_median(networks, rebuilt, rows)


def deviations(networks: list[NetGraph]) -> torch.Tensor:
    rows = torch.randn(64, 5, generator=torch.Generator().manual_seed(1)).expand(len(networks), -1, -1)
    return first_outputs([g.architecture for g in networks], [g.state for g in networks], rows).std(dim=1)


def test_what_is_rebuilt_computes_what_the_networks_do(trained, tiny_zoo):
    vae, losses, _ = trained
    assert sum(losses[-8:]) < sum(losses[:8])
    assert r2(vae, [tiny_zoo[i] for i in tiny_zoo.split("train")]) > 0.8
    held_out = [g for i in tiny_zoo.split("test") if vae.coverage.covers((g := tiny_zoo[i]).architecture)]
    assert len(held_out) > 10
    assert r2(vae, held_out) > 0.7


def test_what_is_sampled_has_outputs_as_trained_networks_have(trained, tiny_zoo):
    vae, _, losses = trained
    assert sum(losses[-8:]) < 0.95 * sum(losses[:8])
    sampled, true = (
        deviations(networks).log().median() for networks in (vae.sample(64, seed=0), list(tiny_zoo.stream()))
    )
    assert abs(float(sampled - true)) < 0.3


def run_main(name: str, *arguments: str | int) -> Any:
    with torch.random.fork_rng():
        return runpy.run_path(str(EXAMPLES / name))["main"](*arguments)


def test_networks_of_one_s_own_are_written_better_by_a_model_trained_further_on_such(tmp_path, capsys):
    table = run_main("02_own_networks.py", str(tmp_path))
    assert len(Zoo(tmp_path / "zoo")) == 30
    assert len(table) == 6
    assert (table["R² rebuilt, trained further"] > table["R² rebuilt, shipped"]).sum() >= 5
    assert "Input(4)" in capsys.readouterr().out


def test_a_table_with_text_and_missing_values_becomes_a_network_that_predicts_without_netgraph(tmp_path, capsys):
    model = run_main("03_table.py", str(tmp_path))
    table = pd.read_csv(tmp_path / "flats.csv")
    assert table.isna().any().sum() == 2
    assert model.score(table.drop(columns="rent"), table["rent"]) > 0.8
    assert "R² on new rows" in capsys.readouterr().out
    command = [sys.executable, "network.py", "flats.csv"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)


def test_a_pruned_network_recovers_and_its_error_grows_in_the_end(capsys):
    units, pruned, trained = zip(*run_main("04_prune.py"), strict=True)
    assert units == tuple(range(48, 7, -4))
    assert all(after < before for before, after in zip(pruned[1:], trained[1:], strict=True))
    assert trained[-1] > 10 * trained[1]
    assert "units" in capsys.readouterr().out


def test_networks_of_the_latent_space_are_small_or_accurate(capsys):
    front = run_main("05_search_latent.py", 32)
    errors, sizes = zip(*((error, graph.state.numel()) for error, graph in front), strict=True)
    assert len(front) > 1
    assert list(sizes) == sorted(sizes)
    assert list(errors) == sorted(errors, reverse=True)
    assert max(errors) < 0.7
    assert f"{sizes[0]} parameters" in capsys.readouterr().out

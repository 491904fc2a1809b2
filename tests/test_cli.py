"""The command: the whole job, an interrupt and its resumption in real processes, wrong input in this one."""

import json
import shutil
import signal
import sqlite3
import sys
from contextlib import closing, suppress
from dataclasses import replace
from functools import wraps
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from netgraph import NetGraphError, NetVAE
from netgraph.cli import COMMANDS, main
from netgraph.graph import load_graphs
from netgraph.run import KEYS
from netgraph.training.module import VAEModule
from netgraph.zoo.engines import ENGINES
from tests.commands import netgraph, stopped
from tests.search.small import untrained
from tests.zoo.stores import random_shard, small_recipe, write_store


def interrupt(*_, **__):
    raise KeyboardInterrupt


def test_an_interrupted_run_is_completed(tiny_zoo, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setitem(ENGINES, "local", interrupt)
        assert netgraph("run", "--preset", "tiny", "--out", str(folder)).returncode == 130
    shutil.copytree(tiny_zoo.folder, folder / "zoo", dirs_exist_ok=True)
    for path in (folder / "zoo" / "manifest.json", *(folder / "zoo" / "shards").glob("00001.*")):
        path.unlink()
    events = (folder / "tensorboard" / "vae").glob
    code, _ = stopped(signal.SIGINT, lambda: list(events("events*")), "run", "--out", str(folder))
    assert code == 130
    assert (folder / "zoo" / "shards" / "00001.safetensors").read_bytes() == (
        tiny_zoo.folder / "shards" / "00001.safetensors"
    ).read_bytes()
    assert not (folder / "metrics.json").exists()
    done = netgraph("run", "--out", str(folder))
    assert done.returncode == 0, done.stderr
    metrics = json.loads((folder / "metrics.json").read_text())
    assert set(KEYS) <= set(metrics)
    assert metrics["shape_quality"] is None  # four held-out tasks
    assert metrics["more"]["n_shape"] <= 4
    assert metrics["validity"] == 1
    assert metrics["n_train"] + metrics["n_test"] <= 96
    for name in ("zoo", "checkpoints", "tensorboard", "samples", "report.html"):
        assert (folder / name).exists(), name
    report = (folder / "report.html").read_text(encoding="utf-8")
    assert "The model is of the preset tiny, a smoke test" in report
    assert "missed" not in report
    other = netgraph("run", "--preset", "quick", "--out", str(folder))
    assert other.returncode == 2
    assert "preset tiny, not quick" in other.stderr


def test_a_model_is_trained_on_a_zoo_and_evaluated_on_its_held_out_tasks(tiny_zoo, tmp_path, monkeypatch):
    zoo, trained, other = str(tiny_zoo.folder), str(tmp_path / "trained"), str(tmp_path / "other")
    checkpoint = f"{trained}/checkpoints/vae.safetensors"
    train, evaluate = ["train", zoo, "--out", trained], ["evaluate", zoo, "--out", trained]
    with monkeypatch.context() as patch:
        interrupt_a_step(patch)
        assert netgraph(*train, "--preset", "tiny").returncode == 130
    assert not Path(checkpoint).exists()
    done = netgraph(*train, "--preset", "tiny")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith(checkpoint)
    written = Path(checkpoint).read_bytes()
    done = netgraph(*evaluate, "--checkpoint", checkpoint, "--n-samples", "8")
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "trained" / "metrics.json").read_text())
    assert metrics["validity"] == 1
    report = (tmp_path / "trained" / "report.html").read_text(encoding="utf-8")
    assert "a smoke test" in report
    assert "Loss terms over steps" in report
    assert "A real data set" not in report
    assert len(load_graphs(tmp_path / "trained" / "samples" / "samples.safetensors")) == 8
    again = netgraph(*train)
    assert again.returncode == 0, again.stderr
    assert Path(checkpoint).read_bytes() == written
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "metrics.json").write_text("{}")
    for arguments, message in (
        ([*train, "--preset", "quick"], "trained/train.json: a training with preset tiny, not quick"),
        ([*train, "--seed", "1"], "trained/train.json: a training with seed 0, not 1"),
        (evaluate, "trained: holds metrics.json of another job"),
        ([*evaluate[:2], "--n-samples", "1", "--out", f"{other}2"], "n_samples is 1; at least 2"),
        (["run", "--out", trained], "trained: holds train.json of another job"),
        (["train", zoo, "--out", other], "other: holds metrics.json of another job"),
    ):
        refused = netgraph(*arguments)
        assert refused.returncode == 2
        assert message in refused.stderr
        assert len(refused.stderr.strip().splitlines()) == 1


def interrupt_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Press Ctrl-C in the middle of a training step."""
    losses = VAEModule.losses

    def interrupted(*arguments):
        signal.raise_signal(signal.SIGINT)
        return losses(*arguments)

    monkeypatch.setattr(VAEModule, "losses", interrupted)


def test_a_training_that_kept_nothing_claims_no_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    recipe = replace(small_recipe(n_tasks=2, tasks_per_shard=2), n_test_tasks=0)
    write_store(Path("zoo"), recipe, make=lambda *_: replace(random_shard(0, 2), first_task=0))
    monkeypatch.setattr("netgraph.run.train_on_zoo", lambda *_, **__: (_ for _ in ()).throw(NetGraphError("too large")))
    for preset in ("tiny", "quick"):
        assert main(["train", "zoo", "--out", "out", "--preset", preset]) == 2
        assert capsys.readouterr().err == "netgraph: too large\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["zoo", "info", "absent"], "absent: no such folder"),
        (["train", "absent"], "absent: no such folder"),
        (["train", "--preset", "tiny"], "missing argument 'ZOO'; see netgraph train --help"),
        (["train", "--zoo", "absent"], "no such option: --zoo; ZOO is given by its place; see netgraph train --help"),
        (["evaluate", "absent"], "absent: no such folder"),
        (["zoo", "build", "absent"], "unknown recipe 'absent'; known: classes, "),
        (["sample", "--checkpoint", "absent.safetensors"], "absent.safetensors: no such file"),
        (["sample", "--device", "gpu"], "unknown device 'gpu'"),
        (["sample", "--device", "cdua:1"], "unknown device 'cdua:1'; did you mean 'cuda'? known: cpu, cuda"),
        (["run", "--preset", "huge"], "'huge' is not one of 'quick', 'full', 'tiny'; see netgraph run --help"),
        (["run", "--preset", "quik"], "did you mean 'quick'? see netgraph run --help"),
        (["zoo", "build", "tinny"], "unknown recipe 'tinny'; did you mean 'tiny'?"),
        (["zoo", "build", "absent.yaml"], "absent.yaml: no such file"),
        (["zoo", "build", "--colour", "red"], "no such option: --colour"),
        (["zoo", "build", "--sed", "1"], "no such option: --sed; did you mean --seed?"),
        (["zoo", "build", "--workers", "two"], "invalid value for '--workers'"),
        (["zoo", "bild"], "no such command 'bild'; did you mean 'build'? see netgraph zoo --help"),
        (["zoo", "info"], "missing argument 'ZOO'"),
        (["zoo", "merge", "--out", "x"], "missing argument 'ZOOS'"),
        (["train", "one", "two"], "unexpected extra argument(s) (two)"),
        (["search", "absent.csv", "--target", "y"], "absent.csv: no such file"),
        (["search", "table.csv", "--target", "y", "--n-trials", "0"], "invalid value for '--n-trials'"),
        (
            ["search", "table.csv", "--target", "y", "--sampler", "luck"],
            "'luck' is not one of 'nsga2', 'random', 'cma'",
        ),
        (["search", "table.csv", "--target", "y", "--objectives", "error,speed"], "unknown objective 'speed'"),
        (["search", "absent.csv"], "missing option '--target'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_input_ends_in_one_line(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text("a,y\n" + "".join(f"{i},{i * i}\n" for i in range(12)))
    result = netgraph(*arguments)
    assert result.returncode == 2
    assert result.stderr.startswith("netgraph: ")
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_without_a_checkpoint_the_one_that_ships_is_sampled(tmp_path, capsys):
    out = tmp_path / "samples.safetensors"
    assert main(["sample", "--n", "3", "--seed", "0", "--out", str(out)]) == 0
    graphs = load_graphs(out)
    *networks, last = capsys.readouterr().out.splitlines()
    assert len(graphs) == len(networks) == 3
    assert last == f"3 networks in {out}"
    expected = NetVAE.from_pretrained().sample(3, seed=0)
    assert all(torch.equal(one.state, other.state) for one, other in zip(graphs, expected, strict=True))
    assert main(["sample", "--n", "2", "--n-inputs", "4", "--n-outputs", "2", "--out", str(out), "--overwrite"]) == 0
    assert [(one.architecture.n_inputs, one.architecture.n_outputs) for one in load_graphs(out)] == [(4, 2)] * 2
    assert main(["sample", "--n-inputs", "99", "--out", str(out), "--overwrite"]) == 2
    assert "n_inputs is 99" in capsys.readouterr().err


@pytest.mark.parametrize("last", [False, True])
def test_zoos_are_joined(last, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    recipe = replace(small_recipe(n_tasks=2, tasks_per_shard=2), n_test_tasks=0)
    for seed, name in enumerate("ab"):
        write_store(Path(name), recipe, make=lambda *_, seed=seed: replace(random_shard(10 * seed, 2), first_task=0))
    arguments = ["--out", "both", "a", "b"] if last else ["a", "b", "--out", "both"]
    assert main(["zoo", "merge", *arguments]) == 0
    assert capsys.readouterr().out == "12 networks of 4 tasks in both\n"


@pytest.mark.parametrize(
    ("arguments", "goes_on"),
    [
        (["zoo", "build"], True),
        (["run", "--out", "x"], True),
        (["train", "x"], True),
        (["evaluate", "x"], False),
        (["datasets", "install"], True),
        (["search", "data.csv", "--target", "y"], True),
        (["zoo", "merge", "a", "--out", "b"], False),
        (["zoo", "verify", "a"], False),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_interrupt_says_what_is_true(arguments, goes_on, monkeypatch, capsys):
    words = next(words for words in COMMANDS if arguments[: len(words.split())] == words.split())
    monkeypatch.setitem(COMMANDS, words, wraps(COMMANDS[words])(interrupt))
    assert main(arguments) == 130
    said = "netgraph: interrupted" + ("; the same command goes on from here" if goes_on else "")
    assert capsys.readouterr().err == said + "\n"


@pytest.fixture(scope="module")
def search(tmp_path_factory) -> tuple[list[str], Path]:
    """A search of a small model, but for its folder, and a folder."""
    folder = tmp_path_factory.mktemp("search")
    untrained().save(folder / "vae.safetensors")
    x = np.random.default_rng(0).normal(size=(100, 3))
    pd.DataFrame(x, columns=["a", "b", "c"]).assign(y=np.tanh(2 * x[:, 0])).to_csv(folder / "data.csv", index=False)
    options = ["--target", "y", "--checkpoint", str(folder / "vae.safetensors"), "--n-trials", "96"]
    return ["search", str(folder / "data.csv"), *options], folder


def recorded(database: Path) -> list[tuple[int, float]]:
    """The objectives of all trials in a study's file, as they are on disk."""
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(database)) as connection:
        values = "select t.number, v.value from trials t join trial_values v using (trial_id)"
        return connection.execute(f"{values} order by t.number, v.objective").fetchall()
    return []


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_a_search_that_was_stopped_goes_on_and_loses_nothing(search, sent, code):
    arguments, folder = search
    out = folder / sent.name
    database = out / "study.db"
    ended, said = stopped(sent, lambda: database.exists() and recorded(database), *arguments, "--out", str(out))
    assert ended == code
    assert ("the same command goes on from here" in said) == (sent == signal.SIGINT)
    kept = recorded(database)
    assert 0 < len(kept) < 2 * 96
    assert not (out / "metrics.json").exists()
    done = netgraph(*arguments, "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert "test_r2" in done.stdout
    assert recorded(database)[: len(kept)] == kept
    assert json.loads((out / "metrics.json").read_text())["trials"] == 96
    for name in ("pareto.csv", "pareto.png", "report.html", "networks/network.py", "networks/front.safetensors"):
        assert (out / name).exists(), name
    other = netgraph(*arguments, "--out", str(out), "--seed", "1")
    assert other.returncode == 2
    assert other.stderr.strip().endswith("study.db: holds a study of other seed; choose another folder")
    assert len(other.stderr.strip().splitlines()) == 1


MODULE = """
from torch import nn

def network():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))

perceptron = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
number = 3
"""


def test_modules_and_graphs_are_converted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MODULE)
    done = netgraph("convert", "mine:network", "g.safetensors", "--example", "2,3,8,8")
    assert done.returncode == 0, done.stderr
    assert "14 nodes" in done.stdout
    for to in ("module", "source", "graphml", "json", "graph"):
        assert main(["convert", "g.safetensors", f"out/{to}.{to}", "--to", to]) == 0
    assert "class Network(nn.Sequential)" in (tmp_path / "out" / "source.source").read_text()
    assert "class Network(nn.Sequential)" in (tmp_path / "out" / "module.py").read_text()
    described = json.loads((tmp_path / "out" / "json.json").read_text())
    assert len(described["vertices"]) == 14
    assert len(described["edges"][0]["weight"]) == 36
    assert len(nx.read_graphml(tmp_path / "out" / "graphml.graphml")) == 14
    imported(monkeypatch)
    again = ["convert", "mine:network", "same.safetensors", "--example", "2,3,8,8", "--weights", "out/module.module"]
    assert main(again) == 0
    assert torch.equal(load_graphs("same.safetensors")[0].state, load_graphs("g.safetensors")[0].state)
    torch.save(load_file("out/module.module"), "weights.pt")
    from_torch = ["convert", "mine:network", "too.safetensors", "--example", "2,3,8,8", "--weights", "weights.pt"]
    assert main(from_torch) == 0
    assert torch.equal(load_graphs("too.safetensors")[0].state, load_graphs("g.safetensors")[0].state)
    assert main(["convert", "mine:perceptron", "p.safetensors"]) == 0


def imported(monkeypatch) -> None:
    """Let this test's module be found, and forgotten afterwards."""
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    monkeypatch.delitem(sys.modules, "mine", raising=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mine:absent", "x.json"], "mine:absent: no 'absent'"),
        (["mine:netwrok", "x.json"], "mine:netwrok: no 'netwrok'; did you mean 'network'?"),
        (["theirs:network", "x.json"], "No module named 'theirs'"),
        (["mine:number", "x.json"], "mine:number: int, not a torch.nn.Module"),
        (["mine:network", "x.json"], "give example_input"),
        (["mine:network", "x.json", "--example", "2,three"], "'2,three': not a shape"),
        (["mine:network", "x.json", "--example=-1,3"], "--example '-1,3': "),
        (["mine:network", "x.json", "--example", "long:2000000000000000,3"], "--example 'long:2000000000000000,3': "),
        (["mine:network", "x.json", "--example", f"{10**30},3"], f"--example '{10**30},3': "),
        (["mine:network", "x.json", "--example", "2,3,8,8", "--weights", "absent"], "absent: no such file"),
        (
            ["mine.pt", "x.json"],
            "mine.pt: weights need their class: netgraph convert",
        ),
        (["mine.safetensors", "x.json"], "mine.safetensors: no such file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_converted_ends_in_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MODULE)
    imported(monkeypatch)
    assert main(["convert", *arguments]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.strip().splitlines()) == 1


def test_a_run_has_a_folder_of_its_preset(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    asked = []
    monkeypatch.setattr("netgraph.commands.open_run", lambda *arguments: asked.append(arguments))
    monkeypatch.setattr("netgraph.run.run", lambda *arguments: {})
    for arguments in ([], ["--preset", "tiny"], ["--preset", "tiny", "--out", "own"]):
        assert netgraph("run", *arguments).returncode == 0
    assert [out for _, out, *_ in asked] == ["runs/quick", "runs/tiny", "own"]

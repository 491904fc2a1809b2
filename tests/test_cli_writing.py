"""What commands write: nothing that is there without --overwrite, never what they read, and where nothing can be."""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from netgraph import from_module
from netgraph.cli import main
from netgraph.errors import StoreError
from netgraph.graph.io import load_graphs, save_graphs
from netgraph.outputs import replacing
from tests.search.small import untrained
from tests.zoo.stores import random_shard, small_recipe, write_store

MODULE = """
from torch import nn
from theirs import Part

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.part = Part()

    def forward(self, x):
        return self.part(x)

def mlp():
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh())

def block():
    return Block()
"""
PART = """
from torch import nn

class Part(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(3, 4), nn.Tanh())
"""


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Iterator[Path]:
    """The working folder, with a model, a table, and modules of the user's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    for name, text in (("mods", MODULE), ("theirs", PART)):
        (tmp_path / f"{name}.py").write_text(text)
        sys.modules.pop(name, None)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    untrained().save(tmp_path / "vae.safetensors")
    x = np.random.default_rng(0).normal(size=(60, 2))
    pd.DataFrame(x, columns=["a", "b"]).assign(y=2 * x[:, 0] + x[:, 0] ** 2).to_csv("data.csv", index=False)
    yield tmp_path
    for name in ("mods", "theirs"):  # other tests have modules of these names
        sys.modules.pop(name, None)


@pytest.fixture
def refused(capsys):
    """Runs a command that must be refused in one line, and change nothing; gives the line."""

    def refuse(*arguments: str) -> str:
        before = contents()
        capsys.readouterr()
        assert main(list(arguments)) == 2
        assert contents() == before
        (line,) = capsys.readouterr().err.splitlines()
        return line

    return refuse


def contents() -> dict[str, bytes | None]:
    """Everything in the working folder."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(Path().rglob("*"))}


@pytest.mark.parametrize("more", [[], ["--overwrite"]])
@pytest.mark.parametrize(
    "arguments",
    [
        ("mods:mlp", "mods.py"),
        ("mods:mlp", "mods.py", "--to", "source"),
        ("mods:mlp", "./sub/../mods.py"),
        ("mods:mlp", "linked.py"),
        ("mods:mlp", "mods.safetensors", "--to", "module"),
        ("mods:block", "theirs.py"),
        ("g.safetensors", "g.safetensors"),
        ("g.safetensors", "g.json"),
        ("mods:mlp", "w.safetensors", "--weights", "w.safetensors"),
    ],
    ids=" ".join,
)
def test_what_a_network_came_from_is_never_overwritten(arguments, more, folder, refused):
    (folder / "sub").mkdir()
    os.link("mods.py", "linked.py")
    graph = from_module(torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh()))
    save_graphs([graph], "g.safetensors")
    from safetensors.torch import save_file

    save_file({"0.weight": torch.ones(4, 3), "0.bias": torch.ones(4)}, "w.safetensors")
    line = refused("convert", *arguments, *more)
    if arguments == ("mods:block", "theirs.py") and not more:  # it is known to be read once it is imported
        assert "theirs.py: exists already" in line
    else:
        assert "is read by this command and never overwritten" in line


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("n.safetensors", "n.safetensors"),
        ("n.safetensors", "n.json"),
        ("n.py", "n.py"),
        ("n.onnx", "n.onnx"),
        ("n.graphml", "n.graphml"),
        ("n.json", "n.json"),
        ("sub/n.json", "sub/n.json"),
    ],
)
def test_a_file_that_exists_is_converted_to_only_with_overwrite(name, there, folder, refused):
    Path(there).parent.mkdir(exist_ok=True)
    Path(there).write_text("mine")
    assert f"{there}: exists already" in refused("convert", "mods:mlp", name)
    if not name.endswith(".onnx"):
        assert main(["convert", "--overwrite", "mods:mlp", name]) == 0
        assert Path(there).read_bytes() != b"mine"


def test_the_class_beside_weights_is_not_lost(folder, refused):
    Path("n.py").write_text("mine")
    command = ["convert", "mods:mlp", "n.safetensors", "--to", "module"]
    assert "n.py: exists already" in refused(*command)
    assert main([*command, "--overwrite"]) == 0
    assert "class Network" in Path("n.py").read_text()


def test_the_form_follows_from_the_suffix(folder):
    for name, begins in (("n.py", b'"""'), ("n.graphml", b"<"), ("n.JSON", b"{")):
        assert main(["convert", "mods:mlp", name]) == 0
        assert Path(name).read_bytes().startswith(begins), name
    assert main(["convert", "mods:mlp", "n.safetensors"]) == 0
    assert load_graphs("n.safetensors")[0].num_nodes == 11


@pytest.mark.parametrize(
    ("name", "to", "message"),
    [
        ("n.graphml", "graph", "n.graphml: its suffix is that of graphml, not of --to graph"),
        ("n.json", "graph", "that of json"),
        ("n.onnx", "json", "that of onnx"),
        ("n.py", "module", "that of source"),
        ("n.safetensors", "onnx", "that of graph"),
        ("n.xyz", None, "n.xyz: no form has this suffix; known: .safetensors, .onnx, .py, .graphml, .json"),
        ("n", None, "n: no form has this suffix"),
    ],
)
def test_a_suffix_that_contradicts_the_form_is_refused(name, to, message, folder, refused):
    assert message in refused("convert", "mods:mlp", name, *([] if to is None else ["--to", to]))


def test_samples_say_where_they_are_and_are_not_lost(folder, refused, capsys):
    command = ["sample", "--checkpoint", "vae.safetensors", "--n", "2", "--seed", "0"]
    assert main([*command, "--out", "new/s.safetensors"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "2 networks in new/s.safetensors"
    assert "s.safetensors: exists already" in refused(*command, "--out", "new/s.safetensors")
    assert main([*command, "--out", "new/s.safetensors", "--overwrite"]) == 0
    Path("other.json").write_text("{}")
    assert "other.json: exists already" in refused(*command, "--out", "other.safetensors")
    assert main([*command, "--out", "other.safetensors", "--overwrite"]) == 0
    assert len(load_graphs("other.safetensors")) == 2
    for out in ("vae.safetensors", "./vae.safetensors"):
        assert "never overwritten" in refused(*command, "--out", out, "--overwrite")
    assert "ends in .safetensors" in refused(*command, "--out", "samples.json")


def commands(out: str) -> dict[str, list[str]]:
    model = ["--checkpoint", "vae.safetensors"]
    table = ["data.csv", "--target", "y", *model, "--out", out]
    return {
        "fit": ["fit", *table, "--n-candidates", "4", "--max-seconds", "0.2"],
        "search": ["search", *table, "--n-trials", "8"],
        "sample": ["sample", *model, "--n", "1", "--out", f"{out}/s.safetensors"],
        "convert": ["convert", "mods:mlp", f"{out}/n.json"],
        "evaluate": ["evaluate", "zoo", *model, "--n-samples", "2", "--out", out],
        "run": ["run", "--preset", "tiny", "--out", out],
        "zoo": ["zoo", "build", "tiny", "--out", out],
    }


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("fit", "network.py"),
        ("fit", "report.html"),
        ("fit", "graph.json"),
        ("search", "pareto.csv"),
        ("search", "networks/network.py"),
        ("run", "report.html"),
        ("run", "samples/samples.json"),
        ("zoo", "manifest.json"),
    ],
)
def test_a_file_in_the_folder_of_a_job_is_not_lost(command, name, folder, refused):
    path = Path("out") / name
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    assert path.name in refused(*commands("out")[command])


@pytest.mark.parametrize("command", ["fit", "search", "sample", "convert", "run", "zoo"])
@pytest.mark.parametrize("out", ["data.csv", "data.csv/out", "/proc/none/out", "x" * 300])
def test_where_nothing_can_be_written_is_said_before_the_work(command, out, folder, refused, monkeypatch):
    def work(*_, **__):
        raise AssertionError("the work began")

    for name in ("fit_job.NetGraphRegressor.fit", "search_job.search_latents"):
        monkeypatch.setattr(f"netgraph.search.{name}", work)
    monkeypatch.setattr("netgraph.model.NetVAE.sample", work)
    assert refused(*commands(out)[command]).startswith("netgraph: " + out[:8])


def test_a_fit_is_replaced_on_demand_and_never_what_it_reads(folder, refused):
    fit = commands("out")["fit"]
    assert main(fit) == 0
    written = Path("out/metrics.json").read_bytes()
    assert "out: holds a fit already" in refused(*fit)
    Path("out/graph.json").write_text(json.dumps({"format": "other"}))
    assert main([*fit, "--overwrite"]) == 0
    assert Path("out/metrics.json").read_bytes() != written
    Path("data.csv").rename("pareto.csv")
    search = ["search", "pareto.csv", *commands(".")["search"][2:], "--overwrite"]
    assert "pareto.csv: is read by this command" in refused(*search)


@pytest.mark.parametrize("problem", [StoreError("no space left"), KeyboardInterrupt()], ids=["full", "interrupt"])
@pytest.mark.parametrize(
    ("command", "writer", "names"),
    [
        ("fit", "search.jobs.TableReport.write", ("graph.safetensors", "graph.json", "network.py", "report.html")),
        ("search", "search.jobs.TableReport.write", ("networks/front.json", "pareto.csv", "report.html")),
        ("sample", "files._sync_folder", ("s.safetensors", "s.json")),
        ("convert", "files._sync_folder", ("n.json",)),
        ("evaluate", "run.ModelReport.write", ("samples/samples.json", "metrics.json", "report.html")),
    ],
)
def test_a_file_is_lost_only_once_another_is_written(command, writer, names, problem, folder, monkeypatch):
    write_store(Path("zoo"), replace(small_recipe(2, 2), n_test_tasks=0), make=lambda *_: random_shard(0, 2))
    for name in names:
        (Path("out") / name).parent.mkdir(parents=True, exist_ok=True)
        (Path("out") / name).write_text("mine")

    def fail(*_, **__):
        raise problem

    monkeypatch.setattr(f"netgraph.{writer}", fail)
    monkeypatch.setattr("netgraph.run.evaluate_model", lambda *_: SimpleNamespace(samples=[], figures={}))
    before = contents()
    assert main([*commands("out")[command], "--overwrite"]) in (2, 130)
    assert {name: data for name, data in contents().items() if data is not None and not name.endswith(".db")} == {
        name: data for name, data in before.items() if data is not None
    }


def test_a_network_that_onnx_cannot_hold_costs_no_file(folder, monkeypatch):
    Path("n.onnx").write_text("mine")
    monkeypatch.setattr("torch.onnx.export", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("no such operator")))
    assert main(["convert", "mods:mlp", "n.onnx", "--overwrite"]) == 2
    assert contents()["n.onnx"] == b"mine"


@pytest.mark.parametrize("arguments", [["--out", ""], ["--out="], ["--checkpoint", ""]])
@pytest.mark.parametrize("command", ["sample --n 1", "fit data.csv --target y", "search data.csv --target y"])
def test_an_empty_name_is_refused(command, arguments, folder, refused):
    assert refused(*command.split(), *arguments).endswith(f"{arguments[0].rstrip('=')} is empty")


@pytest.mark.parametrize("command", ["run --out=", "train zoo --out=", "zoo build --out=", "zoo merge zoo --out="])
def test_an_empty_folder_name_is_refused(command, folder, refused):
    assert refused(*command.split()) == "netgraph: --out is empty"


@pytest.mark.parametrize("command", [["zoo", "info", ""], ["zoo", "merge", "zoo", "", "--out", "new"]])
def test_an_empty_argument_is_refused(command, folder, refused):
    assert refused(*command).endswith(" is empty")


@pytest.mark.parametrize("seed", ["-1", str(2**70)])
@pytest.mark.parametrize("command", ["run", "train", "evaluate"])
def test_a_seed_that_is_none_claims_no_folder(command, seed, folder, refused):
    write_store(Path("zoo"), replace(small_recipe(2, 2), n_test_tasks=0), make=lambda *_: random_shard(0, 2))
    start = ["train", "zoo", "--out", "out"] if command == "train" else commands("out")[command]
    assert f"seed is {seed}; it must be a whole number from 0" in refused(*start, "--seed", seed)


def test_an_interrupted_fit_writes_the_best_network_so_far(folder, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("netgraph.search.RandomFeatures.sample", interrupt)
    *arguments, _ = commands("out")["fit"]
    with pytest.warns(UserWarning, match="interrupted: the network is the best so far"):
        assert main([*arguments, "60"]) == 0
    for name in ("network.py", "network.safetensors", "graph.safetensors", "metrics.json", "report.html"):
        assert (folder / "out" / name).is_file(), name


def test_the_folder_of_an_evaluation_or_a_training_is_not_lost(folder, refused):
    recipe = replace(small_recipe(n_tasks=2, tasks_per_shard=2), n_test_tasks=0)
    write_store(Path("zoo"), recipe, make=lambda *_: replace(random_shard(0, 2), first_task=0))
    Path("out").mkdir()
    Path("out/report.html").write_text("mine")
    evaluate = ["evaluate", "zoo", "--out", "out", "--checkpoint"]
    assert "out/report.html: exists already" in refused(*evaluate, "vae.safetensors")
    untrained().save(folder / "out" / "samples" / "samples.safetensors")
    own = refused(*evaluate, "out/samples/samples.safetensors", "--overwrite")
    assert "out/samples/samples.safetensors: is read by this command and never overwritten" in own
    Path("out/train.json").write_text('{"mine": 1}')
    assert "train.json: not a netgraph.run record" in refused("train", "zoo", "--out", "out")


@pytest.mark.parametrize(
    "arguments",
    [
        ["fit", "data.csv", "--target", "a", "--target", "b"],
        ["fit", "data.csv", "--target=a", "--target=a"],
        ["fit", "data.csv", "--target", "y", "--max-seconds", "1", "--max_seconds=2"],
        ["search", "data.csv", "--target", "a", "--target", "b"],
        ["sample", "--n", "1", "--n", "2"],
        ["zoo", "merge", "a", "b", "--out", "c", "--out", "d"],
    ],
    ids=" ".join,
)
def test_an_option_that_is_given_twice_is_refused(arguments, folder, refused):
    assert "is given 2 times; give it once" in refused(*arguments)


def test_options_are_not_guessed_from_their_beginnings(folder, refused):
    assert "--targ" in refused("fit", "data.csv", "--targ", "a", "--target", "y")


def test_files_are_kept_where_one_cannot_be_moved_aside(tmp_path, monkeypatch):
    paths = [tmp_path / name for name in ("first", "second", "third")]
    for path in paths:
        path.write_text(path.name)
    rename = Path.rename

    def refused(path: Path, target: Path) -> Path:
        if path.name == "second":
            raise PermissionError(13, "Permission denied")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(StoreError, match="second: Permission denied"), replacing(paths):
        pytest.fail("nothing is to be written")
    assert [path.read_text() for path in paths] == ["first", "second", "third"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "second", "third"]

"""A folder of state_dicts becomes a zoo, by the command too; a file that holds code is refused."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from netgraph import NetGraphError, Zoo, canonicalize, from_module, to_module
from netgraph.cli import main
from netgraph.graph.modules.given import read_state_dict
from netgraph.zoo.import_folder import import_zoo
from netgraph.zoo.import_job import ImportJob
from tests.zoo.given import IMAGES, X, Y, convolutional, modules

CODE = """
from torch import nn

from sizes import WIDTH


class Small(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(3, WIDTH), nn.Tanh(), nn.Linear(WIDTH, 1))
"""


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """A folder of networks, the file of their architecture, and tables; the current folder is theirs."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "trained"
    (folder / "later").mkdir(parents=True)
    first, _, second, _, third = modules(5)
    save_file(first.state_dict(), folder / "a.safetensors")
    torch.save(second.state_dict(), folder / "b.pt")
    torch.save({"epoch": 3, "state_dict": third.state_dict()}, folder / "later" / "c.pth")
    (folder / "notes.txt").write_text("mine")
    Path("small.py").write_text(CODE)
    Path("sizes.py").write_text("WIDTH = 3\n")
    frame = pd.DataFrame(X.numpy(), columns=["p", "q", "r"]).assign(y=Y.numpy())
    frame.to_csv("data.csv", index=False)
    pd.DataFrame({"file": ["b.pt", "later/c", "a.safetensors"], "accuracy": [0.5, "", 0.25], "by": ["x", "y", "z"],
                  "split": ["test", "train", "train"]}).to_csv("metrics.csv", index=False)  # fmt: skip
    return [first, second, third]


def test_the_command_imports_a_folder_in_a_process_of_its_own(trained):
    command = [sys.executable, "-m", "netgraph.cli", "zoo", "import", "trained", "--module", "small.py:Small"]
    given = ["--out", "zoo", "--task", "data.csv", "--target", "y", "--table", "metrics.csv"]
    done = subprocess.run([*command, *given], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "3 networks in zoo\n"
    zoo = Zoo("zoo")
    assert zoo.table["file"].tolist() == ["a.safetensors", "b.pt", "later/c.pth"]
    assert zoo.table["by"].tolist() == ["z", "x", "y"]
    assert zoo.table["accuracy"].tolist()[:2] == [0.25, 0.5]
    assert zoo.table["accuracy"].isna().tolist() == [False, False, True]
    assert zoo.table["split"].tolist() == ["train", "test", "train"]
    for module, graph in zip(trained, zoo, strict=True):
        assert torch.equal(graph.state, canonicalize(from_module(module)).state)
    torch.testing.assert_close(zoo.tasks[0].x, X)
    again = subprocess.run([*command, *given[:2]], capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert "choose another folder" in again.stderr.splitlines()[-1]


class Evil:
    def __reduce__(self):
        return (Path.touch, (Path("ran"),))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"folder": "absent"}, "absent: no such folder"),
        ({"folder": "."}, "small.pt: holds more than tensors, which would run as code"),
        ({"module": "absent.py:Small"}, "absent.py: no such file"),
        ({"module": "small.py:Large"}, "small.py:Large: no 'Large'"),
        ({"module": "sizes.py:WIDTH"}, "sizes.py:WIDTH: int, not a torch.nn.Module"),
        ({"module": "torch.nn:Identity"}, r"a\.safetensors: does not fit the architecture"),
        ({"task": "data.csv"}, "--task is given without --target"),
        ({"task": "data.csv", "target": "z"}, "z"),
        ({"task": "data.csv", "target": "y, z"}, "data.csv: has no column 'z'"),
        ({"task": "data.csv", "target": "y,p"}, "a.safetensors: Small fails on example_input"),
        ({"table": "data.csv"}, "data.csv: has no column 'file'"),
        ({"table": "short.csv"}, "short.csv: has no row for the file 'a.safetensors'"),
        ({"table": "twice.csv"}, "twice.csv: names 'b.pt' twice"),
    ],
)
def test_whatever_is_wrong_ends_in_one_line(trained, change, message):
    torch.save({"weight": Evil()}, "small.pt")
    pd.DataFrame({"file": ["b.pt"], "acc": [1]}).to_csv("short.csv", index=False)
    pd.DataFrame({"file": ["b.pt", "b.pt"], "acc": [1, 2]}).to_csv("twice.csv", index=False)
    job = {"folder": "trained", "module": "small.py:Small", "out": "zoo"} | change
    with pytest.raises(NetGraphError, match=message) as caught:
        import_zoo(ImportJob(**job))
    assert len(str(caught.value).splitlines()) == 1
    assert not Path("ran").exists()


def test_files_that_hold_no_state_dict_are_named(tmp_path):
    for name, held, message in (
        ("number.pt", 3, "holds no state_dict"),
        ("empty.pt", {}, "holds no state_dict"),
        ("whole.pt", torch.nn.Linear(1, 1), "holds more than tensors"),
        ("text.pt", None, "not a file of torch|holds more than tensors"),
    ):
        path = tmp_path / name
        path.write_text("text") if held is None else torch.save(held, path)
        with pytest.raises(NetGraphError, match=f"{name}: ({message})") as caught:
            read_state_dict(path)
        assert len(str(caught.value).splitlines()) == 1
    (tmp_path / "none").mkdir()
    with pytest.raises(NetGraphError, match="none: holds no file that ends in"):
        import_zoo(ImportJob(str(tmp_path / "none"), "torch.nn:Identity", "zoo"))


def test_general_networks_are_imported_with_an_example(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("images").mkdir()
    given = convolutional(2)
    for i, module in enumerate(given):
        torch.save(module.state_dict(), f"images/{i}.pt")
    arguments = ["zoo", "import", "images", "--module", "tests.zoo.given:Convolutional", "--out", "zoo"]
    assert main(arguments) == 2
    assert "--example has the shapes of its inputs" in capsys.readouterr().err.splitlines()[-1]
    assert main([*arguments, "--example", "2,1,4,4"]) == 0
    for module, graph in zip(given, Zoo("zoo"), strict=True):
        assert torch.equal(to_module(graph)(IMAGES), module(IMAGES))

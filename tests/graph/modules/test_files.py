import sys

import pytest
from torch import nn

from netgraph import NetGraphError, from_module
from netgraph.graph.io import save_graphs
from netgraph.graph.modules.files import convert_file

MODULE = """
from torch import nn

class Needs(nn.Module):
    def __init__(self, width):
        super().__init__()

def fails():
    raise ValueError("no weights\\nat all")

number, made = 3, lambda: 4
"""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fails", "callers_own:fails: ValueError: no weights$"),
        ("Needs", "callers_own:Needs: .*width"),
        ("number", "callers_own:number: int, not a torch.nn.Module, nor a class or function that returns one"),
        ("made", "callers_own:made: int, not a torch.nn.Module, nor a class or function that returns one"),
        ("absent", "callers_own:absent: .*absent"),
    ],
)
def test_what_the_caller_s_own_code_raises_is_told_in_one_line(name, message, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "callers_own", raising=False)
    (tmp_path / "callers_own.py").write_text(MODULE)
    with pytest.raises(NetGraphError, match=message) as caught:
        convert_file(f"callers_own:{name}", str(tmp_path / "g.safetensors"), "graph")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_python_is_told_too(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "wrong.py").write_text("def (")
    with pytest.raises(NetGraphError, match="wrong:x: SyntaxError"):
        convert_file("wrong:x", str(tmp_path / "g.safetensors"), "graph")


@pytest.mark.parametrize("name", ["a:b.safetensors", "12:30/net.safetensors", "runs:today.x/net.safetensors"])
def test_a_path_may_have_a_colon(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    save_graphs([from_module(nn.Linear(2, 2))], path)
    for source in (name, str(path)):
        convert_file(source, "network.json", "json", overwrite=True)
    with pytest.raises(NetGraphError, match=r"x:y\.safetensors: (has no record|no such file)"):
        convert_file("x:y.safetensors", "network.json", "json", overwrite=True)
    with pytest.raises(NetGraphError, match=r"b:/net\.pt: weights need their class"):
        convert_file("b:/net.pt", "network.json", "json", overwrite=True)

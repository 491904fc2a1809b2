import sys

import pytest

from netgraph import NetGraphError
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
        ("number", "callers_own:number: .*not callable"),
        ("made", "callers_own:made: gives int, not a torch.nn.Module"),
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

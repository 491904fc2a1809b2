"""What is there after ``import netgraph`` alone."""

import pkgutil
import subprocess
import sys

import pytest

import netgraph

SCRIPT = """
import sys
import netgraph
assert not any(name.startswith("netgraph.") and name != "netgraph.errors" for name in sys.modules), "imported early"
assert "torch" not in sys.modules
for name in {names}:
    assert getattr(netgraph, name).__name__ == "netgraph." + name
"""
ROOMS = [module.name for module in pkgutil.iter_modules(netgraph.__path__) if module.ispkg]


def test_every_subpackage_is_there_when_it_is_asked_for():
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT.format(names=ROOMS)], capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    assert {*ROOMS, *netgraph.__all__} <= {*dir(netgraph)}


def test_every_public_name_is_there():
    assert all(getattr(netgraph, name) is not None for name in netgraph.__all__)
    with pytest.raises(AttributeError, match="no attribute 'absent'"):
        _ = netgraph.absent

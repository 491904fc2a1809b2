"""`netgraph datasets` in real processes: with a server on this machine, and without a network."""

import os
import subprocess
import sys

from tests.tasks.openml_server import CONSTANTS, serving

#: Runs the command with scikit-learn asking another address.
SCRIPT = """
import sys
from sklearn.datasets import _openml
for name, path in {constants}.items():
    setattr(_openml, name, {address!r} + path)
from netgraph.cli import main
sys.exit(main(sys.argv[1:]))
"""


def netgraph(*arguments, address=None, **environment):
    command = ["-m", "netgraph.cli"]
    if address:
        command = ["-c", SCRIPT.format(constants=CONSTANTS, address=address)]
    variables = os.environ | {"OMP_NUM_THREADS": "1"} | environment
    return subprocess.run(
        [sys.executable, *command, "datasets", *arguments],
        capture_output=True,
        text=True,
        env=variables,
        timeout=120,
        check=False,
    )


def test_a_data_set_is_installed_once(tmp_path):
    with serving() as server:
        first = netgraph("install", "--names", "openml:9001", "--out", str(tmp_path), address=server.address)
        again = netgraph("install", "--names", "openml:9001", NETGRAPH_DATA=str(tmp_path))
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout == "openml:9001: 39 rows, 7 columns, fetched; without note, same\n"
    assert (again.returncode, again.stdout) == (0, "openml:9001: 39 rows, 7 columns, there\n")


def test_offline_it_says_so_in_one_line_and_goes_on(tmp_path):
    nowhere = {"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    result = netgraph("install", "--out", str(tmp_path), **nowhere)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"offline: OpenML cannot be reached; 0 of 35 data sets are in {tmp_path}: none\n"


def test_list_shows_what_there_is(tmp_path):
    result = netgraph("list", "--out", str(tmp_path))
    assert result.returncode == 0
    lines = result.stdout.splitlines()
    assert len(lines) == 14 + 35
    assert lines[0].split() == ["diabetes", "in", "scikit-learn"]
    assert lines[14].split() == ["abalone", "openml:44956", "4177", "rows", "8", "columns", "rings"]


def test_an_unknown_name_ends_in_one_line(tmp_path):
    result = netgraph("install", "--names", "abalone,abalon", "--out", str(tmp_path))
    assert result.returncode == 2
    assert result.stderr.startswith("netgraph: unknown data set 'abalon'; known: abalone, ")
    assert len(result.stderr.splitlines()) == 1

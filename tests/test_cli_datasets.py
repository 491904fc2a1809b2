"""`netgraph datasets`: with a server on this machine, and without a network."""

from tests.commands import netgraph
from tests.tasks.openml_server import serving
from tests.tasks.test_openml import CLOSED, point_at


def test_a_data_set_is_installed_once(tmp_path, monkeypatch):
    install = ("datasets", "install", "--names", "openml:9001")
    with serving() as server:
        point_at(monkeypatch, server.address)
        first = netgraph(*install, "--out", str(tmp_path))
    monkeypatch.setenv("NETGRAPH_DATA", str(tmp_path))
    again = netgraph(*install)
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout == "openml:9001: 39 rows, 7 columns, fetched; without note, same\n"
    assert (again.returncode, again.stdout) == (0, "openml:9001: 39 rows, 7 columns, there\n")


def test_offline_it_says_so_in_one_line_and_goes_on(tmp_path, monkeypatch):
    point_at(monkeypatch, CLOSED)
    result = netgraph("datasets", "install", "--out", str(tmp_path))
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"offline: OpenML cannot be reached; 0 of 35 data sets are in {tmp_path}: none\n"


def test_list_shows_what_there_is(tmp_path):
    result = netgraph("datasets", "list", "--out", str(tmp_path))
    assert result.returncode == 0
    lines = result.stdout.splitlines()
    assert len(lines) == 14 + 35
    assert lines[0].split() == ["diabetes", "in", "scikit-learn"]
    assert lines[14].split() == ["abalone", "openml:44956", "4177", "rows", "8", "columns", "rings"]


def test_an_unknown_name_ends_in_one_line(tmp_path):
    result = netgraph("datasets", "install", "--names", "abalone,abalon", "--out", str(tmp_path))
    assert result.returncode == 2
    assert result.stderr.startswith("netgraph: unknown data set 'abalon'; known: abalone, ")
    assert len(result.stderr.splitlines()) == 1

"""Figures as commands print them: one a line where another program reads them, in columns on a terminal."""

import sys

import pytest

from netgraph.figures import TABLE
from netgraph.options import LEAST_WIDTH, print_figures

FIGURES = {"test_r2": 0.123456, "r2_of_ridge": float("nan"), "trials": 1000, "hypervolume": 1.0, "unknown": 2.5}


@pytest.fixture
def lines(monkeypatch, capsys):
    """Lines on a terminal of a width; on none without."""

    def printed(width: int | None = None) -> list[str]:
        if width is not None:
            monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
            monkeypatch.setenv("COLUMNS", str(width))
        print_figures(FIGURES, TABLE)
        return capsys.readouterr().out.splitlines()

    return printed


def test_a_pipe_takes_name_value_and_meaning_in_one_line(lines):
    rows = [line.split(maxsplit=2) for line in lines()]
    assert [row[:2] for row in rows] == [
        ["test_r2", "0.1235"], ["r2_of_ridge", "nan"], ["trials", "1000"], ["hypervolume", "1"], ["unknown", "2.5"]
    ]  # fmt: skip
    assert [row[2] for row in rows[:4:2]] == [TABLE["test_r2"].meaning, TABLE["trials"].meaning]
    assert rows[-1] == ["unknown", "2.5"]


@pytest.mark.parametrize("width", [53, 80, 140])
def test_a_terminal_takes_meanings_in_a_column(lines, width):
    printed = lines(width)
    assert max(map(len, printed)) <= width
    column = printed[0].index("share")
    rows = [line for line in printed if line[0] != " "]
    assert [row.split()[0] for row in rows] == [*FIGURES]
    assert all(line[:column].isspace() and line[column] != " " for line in printed if line not in rows)
    words = " ".join(line[column:] for line in printed)
    assert TABLE["hypervolume"].meaning in words
    assert all(line == line.rstrip() for line in printed)


def test_a_narrow_terminal_takes_names_and_values_alone(lines):
    column = lines()[0].index("share")
    assert [line.split() for line in lines(column + LEAST_WIDTH - 1)][:2] == [
        ["test_r2", "0.1235"],
        ["r2_of_ridge", "nan"],
    ]


def test_no_figures_are_no_lines(capsys):
    print_figures({}, TABLE)
    assert capsys.readouterr().out == ""

"""One line about any object."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from netgraph import from_module
from netgraph.graph import NetGraph
from netgraph.lines import Compact, brief, counted, short
from netgraph.stack import Stack


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (torch.zeros(3, 4), "[3, 4]"),
        (np.zeros((2, 0)), "[2, 0]"),
        (torch.tensor(2), "tensor(2)"),
        ([NetGraph()], "1 item"),
        ({}, "0 items"),
        (0.123456, "0.1235"),
        ("a\nb", repr("a\nb")),
        (None, "None"),
        ("x" * 500, "'" + "x" * 108 + "…"),
    ],
)
def test_values_are_brief(value, line):
    assert brief(value) == line


def test_numbers_agree_with_their_nouns():
    assert [counted(n, "row") for n in (0, 1, 2)] == ["0 rows", "1 row", "2 rows"]
    assert short("a\n" * 100) == f"{'a ' * 29}a…"


def test_records_of_tensors_are_one_line():
    @dataclass(frozen=True, repr=False)
    class Record(Compact):
        states: list
        loss: torch.Tensor
        name: str = "a"

    record = Record([torch.zeros(9)] * 3, torch.zeros(3))
    assert repr(record) == "Record(states=3 items, loss=[3], name='a')"


def test_executors_and_edits_are_one_line():
    graph = from_module(torch.nn.Linear(2, 1))
    assert repr(Stack([graph.architecture])) == "Stack(1 network, cpu)"
    assert repr(graph.edit()) == "Edit(edge_weight=[2], bias=[3])"

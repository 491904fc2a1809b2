from itertools import pairwise

import numpy as np
import torch
from checkpoint import table
from rebuilding import groups, is_small, quartiles
from torch import nn

from netgraph import from_module
from tests.strategies import randomize


def network(*sizes: int, activation: type[nn.Module] = nn.Tanh):
    parts = []
    for fan_in, width in pairwise(sizes[:-1]):
        parts += [nn.Linear(fan_in, width), activation()]
    return from_module(randomize(nn.Sequential(*parts, nn.Linear(sizes[-2], sizes[-1])), 0))


def test_what_counts_as_small():
    small = [(2, 4, 1), (10, 16, 16, 16, 1), (5, 4, 16, 1)]
    large = [(1, 4, 1), (11, 4, 1), (5, 3, 1), (5, 17, 1), (5, 8, 3, 8, 1), (5, 8, 8, 8, 8, 1), (5, 1)]
    assert all(is_small(network(*sizes).architecture) for sizes in small)
    assert not any(is_small(network(*sizes).architecture) for sizes in large)


def test_quartiles_hold_every_network_once():
    for values in (np.arange(40), np.array([3] * 30 + [5] * 2), np.array([7])):
        parts = [own for _, own in quartiles("inputs", values)]
        assert torch.equal(torch.stack(parts).sum(dim=0), torch.ones(len(values), dtype=torch.long))
    assert [int(own.sum()) for _, own in quartiles("inputs", np.arange(40))] == [10, 10, 10, 10]


def test_every_trait_cuts_the_networks_into_groups():
    found = [network(3, width, 1, activation=kind) for width in (4, 6) for kind in (nn.ReLU, nn.GELU)]
    names, parts = zip(*groups(found), strict=True)
    assert "activation (most frequent): GELU" in names
    assert "widest hidden layer: 4 to 4" in names
    assert all(own.any() for own in parts)


def test_a_table_in_markdown():
    assert table(["a", "b"], [["x", 0.12345], [1000, float("nan")]]) == [
        "| a | b |",
        "| --- | --- |",
        "| x | 0.1235 |",
        "| 1,000 | – |",
    ]

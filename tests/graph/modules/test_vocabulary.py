"""Codes of vertex types, which files, trained models and other people's code rely on: each is for ever."""

import hashlib

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from netgraph import from_module, to_module
from netgraph.graph.layers import LAYER_TYPES
from netgraph.graph.modules.composites import ATTENTION, EARLIER
from netgraph.graph.modules.functions import OPERATIONS
from netgraph.graph.modules.registry import (
    CODES,
    ENTRIES,
    FIRST_GENERAL_CODE,
    GENERAL_TYPES,
    NAMES,
    type_of_operation,
)
from netgraph.graph.modules.values import same
from tests.graph.zoo_of_modules.test_sequences import numbers

#: How many names there were when their digest was taken; later ones stand behind them.
PINNED, DIGEST = 261, "83a2bc7726c403f9"


def test_codes_are_those_that_they_were():
    pinned = " ".join(GENERAL_TYPES[:PINNED])
    assert hashlib.sha256(pinned.encode()).hexdigest()[:16] == DIGEST, "names are appended, never moved or renamed"
    assert FIRST_GENERAL_CODE == 64
    expected = {"Abs": 64, "Conv2d": 114, "Softmax": 269, "ZerosLike": 324, "ReLU": 5, "Linear": 4, "Concat": 17}
    assert {name: CODES[name] for name in expected} == expected


def test_no_two_types_share_a_code():
    assert len(set(GENERAL_TYPES)) == len(GENERAL_TYPES)
    assert len(set(CODES.values())) == len(CODES)
    assert all(NAMES[code] == name for name, code in CODES.items())
    assert all(NAMES[FIRST_GENERAL_CODE + i] == name for i, name in enumerate(GENERAL_TYPES))
    assert max(kind.code for kind in LAYER_TYPES.values()) < FIRST_GENERAL_CODE


def test_every_registered_type_has_a_code():
    types = {*ENTRIES, *map(type_of_operation, OPERATIONS), ATTENTION, EARLIER}
    assert types <= CODES.keys(), "append the new ones to GENERAL_TYPES"


def test_vertices_carry_the_codes():
    graph = from_module(nn.Sequential(nn.Conv1d(1, 2, 3), nn.Softmax(1)), torch.zeros(1, 1, 4))
    assert [NAMES[code] for code in graph.layer_type.tolist()] == ["Input", "Conv1d", "Conv1d", "Softmax", "Softmax"]


METHODS = {
    "waves": lambda self, x: torch.cat([self.linear(x).sin(), self.linear(x).cos()], -1),
    "in place": lambda self, x: F.elu_(self.linear(x)) + F.leaky_relu_(self.linear(x)).square_(),
    "random": lambda self, x: F.rrelu(self.linear(x), training=self.training).clip(-1, 1),
    "messages": lambda self, x: torch.zeros_like(x).index_add(0, torch.tensor([1, 0]), self.linear(x)),
    "numbers": lambda self, x: self.linear(x).abs().log1p().nan_to_num().lerp(x, 0.5) @ self.linear.weight.tril(),
}


@pytest.mark.parametrize("forward", METHODS.values(), ids=METHODS)
def test_what_torch_computes_as_function_and_method_is_read_in_either_way(forward):
    module = type("Net", (torch.nn.Module,), {"forward": forward})()
    module.linear = torch.nn.Linear(3, 3)
    (x,) = numbers((2, 3))
    assert same(to_module(from_module(module.eval(), x))(x), module(x))

"""Networks that read the sizes of their inputs: the graph holds where it is the same, and refuses the rest."""

import math
import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from netgraph import NetGraphError, from_module, to_module
from netgraph.graph.modules.values import same
from tests.graph.zoo_of_modules.exact import assert_exact, prepared
from tests.graph.zoo_of_modules.test_sequences import numbers


class ShuffleBlock(nn.Module):
    """ShuffleNet v2's block: half of the channels pass, by a size that ``int`` makes a number."""

    def __init__(self, channels: int, ratio: float = 0.5):
        super().__init__()
        self.ratio, inner = ratio, channels - int(channels * ratio)
        self.conv = nn.Conv2d(inner, inner, 3, padding=1, groups=inner, bias=False)

    def forward(self, x):
        c = int(x.size(1) * self.ratio)
        y = torch.cat([x[:, :c], F.relu(self.conv(x[:, c:]))], 1)
        n, c, h, w = y.shape
        return y.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


class ShuffleNet(nn.Module):
    """Its head makes an equation of the sizes that torch cannot solve."""

    def __init__(self, channels: int = 4):
        super().__init__()
        self.stem = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.block, self.linear = ShuffleBlock(channels), nn.Linear(channels, 2)

    def forward(self, x):
        return self.linear(F.avg_pool2d(self.block(self.stem(x)), 4).view(x.size(0), -1))


class Reads(nn.Module):
    """A forward that reads sizes."""

    def __init__(self, function):
        super().__init__()
        self.linear, self.function = nn.Linear(6, 6), function

    def forward(self, x):
        return self.function(self.linear, x)


def test_channels_are_split_by_a_share():
    (x,) = numbers((2, 4, 4, 4))
    graph = assert_exact(prepared(ShuffleBlock(4)), x)
    assert graph.program.fixed == ((None, 4, None, None),)


def test_where_torch_cannot_follow_the_sizes_they_are_the_example_s_and_a_warning_says_so():
    module, (x, wider, larger) = prepared(ShuffleNet()), numbers((2, 4, 8, 8), (5, 4, 8, 8), (2, 4, 16, 16))
    with pytest.warns(UserWarning, match=r"ShuffleNet: .*the graph holds for x \[any, 4, 8, 8\] only"):
        graph = from_module(module, x)
    rebuilt = to_module(graph)
    assert same(rebuilt(wider), module.eval()(wider))
    with pytest.raises(NetGraphError, match=r"traced for \[any, 4, 8, 8\]"):
        rebuilt(larger)


SIZES = [
    (lambda f, x: f(x)[:, : round(x.shape[1] * 0.34)], (3, 6), (None, 6)),
    (lambda f, x: f(x)[:, : math.floor(x.shape[0] / 2)], (4, 6), None),
    (lambda f, x: F.interpolate(f(x), size=int(x.size(2) * 1.5)), (2, 1, 6), (None, None, 6)),
    (lambda f, x: f(x) if x.shape[0] == 1 else -f(x), (3, 6), (3, 6)),
    (lambda f, x: f(x) if x.shape[0] > 1 else -f(x), (3, 6), (3, 6)),
    (lambda f, x: f(x) if x.shape[0] == 1 else -f(x), (1, 6), (1, 6)),
    (lambda f, x: f(x.view(x.size(0), int(x.numel() / x.size(0)))), (1, 6), (None, 6)),
    (lambda f, x: f(x) if x.shape[0] == x.shape[1] else -f(x), (2, 2, 6), (2, 2, 6)),
    (lambda f, x: f(x) if isinstance(x, torch.Tensor) else -f(x), (3, 6), (None, 6)),
    (lambda f, x: torch._assert(x.shape[-1] == 6, "six") or f(x) * x.shape[0], (3, 6), (None, 6)),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*the graph holds for")
@pytest.mark.parametrize(("function", "shape", "fixed"), SIZES)
def test_a_graph_is_the_module_for_every_size_that_it_takes(function, shape, fixed):
    module = prepared(Reads(function))
    graph = from_module(module, numbers(shape)[0])
    assert graph.program.fixed == (() if fixed is None else (fixed,))
    rebuilt = to_module(graph)
    for rows in (1, 2, 3, 5):
        (x,) = numbers((rows, *shape[1:]))
        if fixed is None or fixed[0] in (None, rows):
            assert same(rebuilt(x), module.eval()(x))
        else:
            with pytest.raises(NetGraphError, match="traced for"):
                rebuilt(x)


BY_VALUES = [
    lambda f, x: f(x) if x.sum() > 0 else -f(x),
    lambda f, x: f(x)[:, : int(x.abs().max().item()) + 1],
    lambda f, x: f(x) * float(x.detach().numpy().max()),
]


@pytest.mark.parametrize("function", BY_VALUES)
def test_a_decision_by_values_is_refused_in_one_line_and_nothing_is_printed(function, capfd, caplog):
    with warnings.catch_warnings(record=True) as told, pytest.raises(NetGraphError, match="cannot be traced") as caught:
        from_module(Reads(function), numbers((3, 6))[0])
    assert "\n" not in str(caught.value)
    assert not told
    assert not caplog.records
    assert capfd.readouterr() == ("", "")

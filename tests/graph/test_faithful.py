"""What looks like a feed-forward network and is more: read as what it is, or refused; never a wrong graph."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from netgraph import NetGraphError, from_module, to_module
from netgraph.graph.modules.values import same
from tests.graph.zoo_of_modules.exact import assert_exact
from tests.graph.zoo_of_modules.test_sequences import numbers


def pair() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))


def tied():
    module = pair()
    module[2].weight = module[0].weight
    return module


def partly_frozen():
    module = pair()
    module[0].weight.requires_grad_(False)
    return module


def idle():
    module = pair()
    module.register_buffer("table", torch.ones(2))
    return module


class Beside(nn.Module):
    """Concatenates along the second dimension."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x):
        return torch.cat(tensors=(self.first(x), self.second(x)), dim=1)


MORE = [
    (tied, (3, 4), r"2\.weight: the same as 0\.weight"),
    (partly_frozen, (3, 4), r"0\.weight: not trained while"),
    (idle, (3, 4), "table: a tensor that is not one of its layer's"),
    (Beside, (2, 5, 4), "cat: Concat must be"),
    (lambda: nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(5)), (2, 5, 4), "reads 5 values, but is fed 8"),
    (lambda: nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5)), (2, 5, 4), None),
]


@pytest.mark.parametrize(("build", "shape", "message"), MORE)
def test_with_an_example_it_is_exact_and_without_one_it_says_what_is_missing(build, shape, message):
    graph = assert_exact(build(), numbers(shape)[0])
    assert graph.program is not None
    if message is not None:
        with pytest.raises(NetGraphError, match=message) as caught:
            from_module(build())
        assert "\n" not in str(caught.value)


def test_what_is_trained_stays_so():
    rebuilt = to_module(from_module(partly_frozen(), numbers((3, 4))[0]))
    assert [name for name, value in rebuilt.named_parameters() if not value.requires_grad] == ["0.weight"]


def with_forward_hook(module):
    module[0].register_forward_hook(lambda part, inputs, output: output * 2)


def with_backward_hook(module):
    module[0].register_full_backward_hook(lambda part, before, after: before)


def with_tensor_hook(module):
    module[0].weight.register_hook(lambda gradient: gradient * 2)


def pruned(module):
    prune.l1_unstructured(module[0], "weight", 0.5)


HOOKS = [
    (with_forward_hook, "0: Linear has forward hooks"),
    (with_backward_hook, "0: Linear has backward hooks"),
    (with_tensor_hook, r"0\.weight: has hooks on its gradient"),
    (pruned, "0: Linear has forward hooks"),
]


@pytest.mark.parametrize(("change", "message"), HOOKS)
@pytest.mark.parametrize("example", [None, torch.zeros(2, 4)], ids=["without", "with example"])
def test_hooks_are_refused(change, message, example):
    module = pair()
    change(module)
    with pytest.raises(NetGraphError, match=message):
        from_module(module, example)


def test_the_example_of_a_feed_forward_network_must_fit():
    with pytest.raises(NetGraphError, match="Sequential fails on example_input"):
        from_module(pair(), torch.zeros(2, 5))
    assert from_module(pair(), {"input": torch.zeros(2, 4)}).program is None


def test_results_with_nan_are_compared():
    nan, zero = torch.tensor([float("nan")]), torch.zeros(1)
    assert same(nan, nan.clone())
    assert not same(nan, zero)
    assert same([float("nan"), {"a": zero}], [float("nan"), {"a": zero}])
    assert not same(zero, zero.double())


def sparse():
    module = nn.Linear(2, 2)
    module.register_buffer("table", torch.eye(2).to_sparse())
    return module


@pytest.mark.parametrize(
    ("module", "example", "message"),
    [
        ("network", None, "an nn.Module is converted, not str"),
        (nn.Linear, None, "an nn.Module is converted, not type"),
        (nn.Linear(2, 2), 5, "example_input is a tensor.*not int"),
        (nn.Conv1d(2, 2, 1), np.zeros((1, 2, 3)), "example_input is a tensor.*not ndarray"),
        (nn.Linear(2, 2, device="meta"), None, "weight: is on the meta device"),
        (torch.jit.script(nn.Linear(2, 2)), torch.zeros(1, 2), "TorchScript has no forward to trace"),
        (nn.Sequential(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2))), None, "0: TorchScript has no forward"),
        (sparse(), torch.zeros(1, 2), "table: is a sparse tensor"),
        (nn.Conv1d(2, 2, 1, device="meta"), torch.zeros(1, 2, 3), "weight: is on the meta device"),
    ],
)
def test_what_is_no_module_or_no_example_is_said(module, example, message):
    with pytest.raises(NetGraphError, match=message):
        from_module(module, example)


def test_a_lazy_module_must_have_run():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = nn.Sequential(nn.Conv1d(2, 2, 1), nn.LazyConv1d(2, 1))
    x = torch.zeros(1, 2, 3)
    with pytest.raises(NetGraphError, match=r"1\.weight: has no shape yet"):
        from_module(module, x)
    module(x)
    assert_exact(module, numbers((1, 2, 3))[0])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("example", [None, torch.zeros(2, 4)], ids=["without", "with example"])
def test_torchscript_is_refused_as_such(example):
    script = torch.jit.script(pair())
    for module in (torch.jit.trace(pair(), torch.zeros(2, 4)), script, nn.Sequential(script)):
        with pytest.raises(NetGraphError, match="TorchScript has no forward to trace"):
            from_module(module, example)


@pytest.mark.parametrize("example", [None, torch.zeros(2, 4)], ids=["without", "with example"])
@pytest.mark.parametrize(("wrap", "inside"), [(torch.compile, "_orig_mod"), (nn.DataParallel, "module")])
def test_what_wraps_a_network_is_refused_as_such(wrap, inside, example):
    with pytest.raises(NetGraphError, match=rf"wraps a network; give the network itself, its \.{inside}"):
        from_module(wrap(pair()), example)

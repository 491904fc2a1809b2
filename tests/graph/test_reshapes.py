"""Calls that leave [rows, features] as they are do not make a network one that is not feed-forward."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import weight_norm
from torch.nn.utils.parametrizations import weight_norm as parametrized

from netgraph import NetGraphError, canonicalize, detokenize, from_module, to_module, tokenize
from netgraph.graph.modules.values import same
from tests.graph.zoo_of_modules.exact import prepared
from tests.graph.zoo_of_modules.test_sequences import numbers

(X,) = numbers((3, 4))


def build(forward=None) -> nn.Module:
    """Make a perceptron with a forward of its own."""
    module = type("Net", (nn.Module,), {"forward": forward})()
    module.first, module.last = nn.Linear(4, 5), nn.Linear(5, 2)
    return prepared(module).eval()


PASSED = {
    "flatten": lambda self, x: self.last(F.relu(self.first(x.flatten(1)))),
    "torch.flatten": lambda self, x: self.last(torch.flatten(F.relu(self.first(x)), start_dim=1)),
    "view": lambda self, x: self.last(F.relu(self.first(x.view(x.size(0), -1)))),
    "view by shape": lambda self, x: self.last(F.relu(self.first(x)).view(x.shape[0], -1)),
    "reshape to a width": lambda self, x: self.last(F.relu(self.first(x.reshape(-1, 4)))),
    "reshape to a shape": lambda self, x: self.last(torch.reshape(self.first(x), (x.size()[0], 5)).tanh()),
    "squeeze": lambda self, x: self.last(self.first(x).squeeze(-1).contiguous()),
    "concatenation of one": lambda self, x: self.last(F.relu(self.first(torch.cat([x], 1)))),
    "unsqueeze and squeeze": lambda self, x: self.last(self.first(x).unsqueeze(-1).relu().squeeze(-1)),
    "flatten of two dimensions": lambda self, x: self.last(self.first(x).view(-1, 5, 1).flatten(1, 2)),
    "heads and back": lambda self, x: self.last(F.relu(self.first(x.view(-1, 2, 2).reshape(x.shape)))),
    "at the end": lambda self, x: self.last(self.first(x)).flatten(1),
    "defaults": lambda self, x, scale=None, *rest, **more: self.last(self.first(x) if scale is None else x),
}


@pytest.mark.parametrize("forward", PASSED.values(), ids=PASSED)
@pytest.mark.parametrize("example", [None, X], ids=["without", "with example"])
def test_calls_that_change_no_shape_are_passed_over(forward, example):
    module = build(forward)
    graph = from_module(module, example)
    assert graph.program is None
    assert same(to_module(graph)(X), module(X))
    (again,) = detokenize(tokenize([graph]))
    assert same(to_module(again)(X), module(X))


def test_a_leading_flatten_is_passed_over_for_rows_and_kept_for_images():
    module = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1), nn.Flatten(1)).eval()
    graph = from_module(module)
    assert graph.architecture.n_inputs == 4
    assert list(to_module(graph).state_dict()) == list(module.state_dict())
    assert same(to_module(graph)(X), module(X))
    (image,) = numbers((3, 1, 2, 2))
    assert same(to_module(from_module(module, image))(image), module(image))


def test_a_sequential_with_reshapes_in_it_is_of_the_vocabulary():
    module = nn.Sequential(nn.Linear(4, 6), nn.Unflatten(1, (2, 3)), nn.Tanh(), nn.Flatten(), nn.Linear(6, 1)).eval()
    graph = from_module(module)
    assert [layer.type for layer in graph.architecture.layers] == ["Input", "Linear", "Tanh", "Linear"]
    assert same(to_module(graph)(X), module(X))


NAMED = [
    (build(lambda self, x: self.last(self.first(x.view(-1, 2, 2).transpose(1, 2).reshape(-1, 4)))), "transpose"),
    (build(lambda self, x: self.last(self.first(x.view(3, 4)))), "view"),
    (build(lambda self, x: self.last(self.first(x).relu()).mean(-1)), "mean"),
    (nn.Sequential(nn.Linear(4, 1), nn.PReLU()), "1: PReLU"),
    (nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Softmax(-1)), "2: Softmax"),
    (nn.Sequential(nn.Linear(4, 3), nn.Softplus()), "1: Softplus"),
    (build(lambda self, x: F.softmax(self.last(F.relu(self.first(x))), -1)), "softmax"),
]


class Squeezed(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(4, 5), nn.Linear(5, 1)

    def forward(self, x):
        return self.last(F.relu(self.first(x))).squeeze(-1)


@pytest.mark.parametrize(("module", "reason"), [*NAMED, (Squeezed(), "squeeze")])
def test_what_is_beyond_the_vocabulary_is_the_reason_with_an_example_and_without(module, reason):
    with pytest.raises(NetGraphError, match=rf"^{reason}.*give example_input"):
        from_module(module)
    graph = from_module(module.eval(), X)
    assert same(to_module(graph)(X), module(X))
    with pytest.raises(NetGraphError, match=rf"^{reason}"):
        canonicalize(graph)


def test_memory_that_a_reshape_shares_is_not_altered():
    def forward(self, x):
        h = self.first(x)
        F.relu_(h.flatten(1))
        return self.last(h)

    module = build(forward)
    with pytest.raises(NetGraphError, match="in place, while its input is used again"):
        from_module(module)


def test_the_first_layer_that_is_not_supported_is_named_before_the_number_of_inputs():
    with pytest.raises(NetGraphError, match="0: ParametrizedLinear is not supported"):
        from_module(nn.Sequential(parametrized(nn.Linear(3, 3)), nn.ReLU()))


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_hooks_are_named_before_the_number_of_inputs():
    with pytest.raises(NetGraphError, match="0: Linear has forward hooks"):
        from_module(nn.Sequential(weight_norm(nn.Linear(3, 3)), nn.ReLU()))


def test_complex_weights_keep_their_imaginary_part():
    module = nn.Sequential(nn.Linear(4, 2, dtype=torch.complex64))
    with pytest.raises(NetGraphError, match="complex parameters are not supported"):
        from_module(module)
    x = X.to(torch.complex64)
    assert same(to_module(from_module(module, x))(x), module(x))

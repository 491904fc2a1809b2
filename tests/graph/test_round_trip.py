import pytest
import torch
from hypothesis import given
from torch import nn

from netgraph import NetGraphError, from_module, to_module
from tests.strategies import Joined, Residual, examples, modules, rows


@examples(60)
@given(modules())
def test_rebuilt_module_is_the_same_bit_for_bit(module):
    rebuilt = to_module(from_module(module))
    x = rows(module)
    assert torch.equal(rebuilt(x), module(x))
    expected = module.state_dict()
    assert set(rebuilt.state_dict()) == set(expected)
    for name, value in rebuilt.state_dict().items():
        assert value.dtype == expected[name].dtype
        assert torch.equal(value, expected[name])


def test_chains_become_nested_sequentials():
    module = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.Tanh(), nn.Linear(4, 2)))
    rebuilt = to_module(from_module(module))
    assert [type(m) for m in rebuilt.modules()] == [type(m) for m in module.modules()]


def test_a_layer_alone_keeps_its_parameter_names():
    rebuilt = to_module(from_module(nn.Linear(3, 2)))
    assert isinstance(rebuilt, nn.Linear)


def test_modes_are_restored():
    module = nn.Sequential(nn.Linear(2, 2), nn.Dropout(), nn.BatchNorm1d(2))
    module[1].eval()
    from_module(module)
    assert [part.training for part in module] == [True, False, True]


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, x):
        return self.layer(self.layer(x))


class Constant(Twice):
    def forward(self, x):
        return self.layer(x) + 1


class Branching(Twice):
    def forward(self, x):
        return self.layer(x) if x.sum() > 0 else x


class InPlace(Twice):
    def forward(self, x):
        h = self.layer(x)
        return h + torch.nn.functional.relu(h, inplace=True)


class InPlaceForLater(Twice):
    def forward(self, x):
        h = self.layer(x)
        h.tanh_()
        return h + x


class OtherInTraining(Twice):
    def forward(self, x):
        return torch.relu(self.layer(x)) if self.training else torch.tanh(self.layer(x))


BAD = [
    (InPlaceForLater(), "tanh_: in place"),
    (OtherInTraining(), "OtherInTraining: a forward that differs in training"),
    (nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Conv1d(1, 1, 1))), "1.0: Conv1d"),
    (nn.Sequential(nn.Linear(2, 2), nn.MultiheadAttention(2, 1)), "1: MultiheadAttention"),
    (nn.Sequential(nn.Linear(2, 3), nn.Linear(2, 1)), "1: Linear reads 2"),
    (nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2, track_running_stats=False)), "1: BatchNorm1d"),
    (nn.Sequential(nn.Linear(2, 2), nn.LayerNorm((3, 2))), "1: LayerNorm"),
    (nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).double()), "parameters of several types"),
    (Twice(), "layer: Linear is used twice"),
    (Constant(), "add: Add"),
    (Branching(), "Branching cannot be traced"),
    (InPlace(), "relu: in place"),
    (nn.Sequential(nn.Linear(2, 3), Joined(nn.Linear(4, 2))), "1.block: Linear reads 4"),
    (nn.Sequential(nn.Linear(2, 3), Residual(nn.Linear(3, 2))), "Add of 3 and 2"),
    (nn.Sequential(nn.Tanh()), "example_input"),
]


@pytest.mark.parametrize(("module", "message"), BAD, ids=[message for _, message in BAD])
def test_what_is_not_supported_is_named(module, message):
    with pytest.raises(NetGraphError, match=message) as caught:
        from_module(module)
    assert "\n" not in str(caught.value)


def test_with_an_example_a_network_that_differs_in_training_is_exact():
    x = torch.ones(1, 2)
    module = OtherInTraining()
    rebuilt = to_module(from_module(module, x))
    assert torch.equal(rebuilt(x), module.eval()(x))
    assert torch.equal(rebuilt.train()(x), module.train()(x))


def test_example_input_tells_the_number_of_inputs():
    assert from_module(nn.Sequential(nn.Tanh()), torch.zeros(1, 3)).architecture.n_inputs == 3

"""What cannot be converted ends in one line that names the module or the call."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from netgraph import NetGraphError, canonicalize, from_module, prune, to_module
from netgraph.graph import module_sensitivity
from netgraph.stack import Stack

IMAGE = torch.zeros(1, 3, 8, 8)


def hooked():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    module[0].register_forward_hook(lambda *_: None)
    return module


def altered():
    module = nn.Sequential(nn.Conv2d(3, 4, 3))
    module[0].register_parameter("mask", nn.Parameter(torch.ones(4)))
    return module


def overlapping():
    module = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8), nn.Conv2d(3, 4, 3))
    module[1].weight = nn.Parameter(module[0].weight.data)
    return module


class Calls(nn.Module):
    """A module whose forward is a function of the convolution's output."""

    def __init__(self, function):
        super().__init__()
        self.conv, self.function = nn.Conv2d(3, 4, 3), function
        self.steps = 0

    def forward(self, x):
        return self.function(self, self.conv(x))


def counting(self, x):
    self.steps += 1
    return x * self.steps


def random_constant(self, x):
    return x * torch.rand(4, 1, 1)


def doubled_view(self, x):
    x.view(1, -1).mul_(2)
    return x + 1


def view_of_altered(self, x):
    before = x.flatten(1)
    return F.relu_(x).flatten(1) - before


class Subclass(nn.Conv2d):
    """A subclass with a forward of its own is traced through, not taken for its parent."""

    def forward(self, x):
        return F.conv2d(x, self.weight * 2, self.bias)


BAD = [
    (hooked, "0: Conv2d has forward hooks"),
    (overlapping, "1.weight: shares memory with 0.weight"),
    (altered, "0: Conv2d was altered after it was made: mask"),
    (lambda: Calls(lambda self, x: torch.fft.fft2(x).real), "fft_fft2: .*fft_fft2 is not supported"),
    (lambda: Calls(lambda self, x: x.index_fill(1, torch.tensor([0]), 1.0)), "index_fill: Tensor.index_fill"),
    (lambda: Calls(lambda self, x: x if x.sum() > 0 else -x), "cannot be traced.*torch.export says"),
    (lambda: Calls(lambda self, x: torch.tensor(x.detach().numpy())), "Calls"),
    (lambda: Calls(doubled_view), "mul_ .*: works in place on memory that conv shares"),
    (lambda: Calls(view_of_altered), "relu_ .*: works in place on memory that flatten shares"),
    (lambda: Calls(counting), "give another output than the module"),
    (lambda: Calls(random_constant), "differs from run to run"),
    (lambda: nn.Sequential(Subclass(3, 4, 3)), "conv2d.*weights that are computed"),
    (lambda: nn.Sequential(nn.Conv2d(5, 4, 3)), "fails on example_input"),
    (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Fold((7, 7), 2)), r"1\.fold: .*fold is not supported"),
]  # fmt: skip


class Stepwise(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.ModuleDict({"cell": nn.LSTMCell(8, 4)})

    def forward(self, x):
        return self.inner["cell"](x.flatten(0, 2))[0]


BAD.append((Stepwise, r"lstm_cell.*is not supported.*inner\.cell: LSTMCell cannot be traced"))


@pytest.mark.parametrize(("build", "message"), BAD, ids=[message for _, message in BAD])
def test_what_is_not_supported_is_named(build, message):
    with pytest.raises(NetGraphError, match=message) as caught:
        from_module(build(), IMAGE)
    assert "\n" not in str(caught.value)


def test_the_example_must_fit():
    module = nn.Sequential(nn.Linear(8, 8), nn.Conv2d(3, 4, 3))
    with pytest.raises(NetGraphError, match=r"1: Conv2d is not supported.*give example_input"):
        from_module(module)
    with pytest.raises(NetGraphError, match="input: an input that is a dict"):
        from_module(module, ({"x": IMAGE},))
    with pytest.raises(NetGraphError, match=r"example_input does not fit Sequential\.forward"):
        from_module(module, (IMAGE, IMAGE))


def test_modules_are_left_as_they_are():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout())
    module[1].eval()
    modes, names = [part.training for part in module.modules()], set(vars(module))
    state = {name: value.clone() for name, value in module.state_dict().items()}
    before = torch.get_rng_state()
    from_module(module, IMAGE)
    assert [part.training for part in module.modules()] == modes
    assert set(vars(module)) == names
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())


@pytest.mark.parametrize(
    "use",
    [
        canonicalize,
        lambda graph: prune(graph, [3]),
        lambda graph: Stack([graph.architecture]),
    ],
    ids=["canonicalize", "prune", "stack"],
)
def test_what_needs_a_feed_forward_network_says_so_and_names_the_layer(use):
    graph = from_module(nn.Sequential(nn.ReLU(), nn.Conv2d(3, 4, 3)), IMAGE)
    with pytest.raises(NetGraphError, match="1: Conv2d is not in the feed-forward vocabulary"):
        use(graph)


def test_what_is_beyond_an_architecture_is_named_too():
    class Scaled(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    with pytest.raises(NetGraphError, match=r"linear \(functional\.linear\): beyond what an architecture holds"):
        canonicalize(from_module(nn.Sequential(Scaled(2, 2)), torch.zeros(1, 2)))


def test_inputs_must_be_those_of_the_network():
    module = to_module(from_module(nn.Sequential(nn.Conv2d(3, 4, 3)), IMAGE))
    with pytest.raises(NetGraphError, match=r"the network takes \(input\)"):
        module(IMAGE, IMAGE)


def test_feed_forward_sensitivity_is_the_stack_s():
    with pytest.raises(NetGraphError, match="feed-forward"):
        module_sensitivity(from_module(nn.Linear(2, 2)), torch.zeros(1, 2))

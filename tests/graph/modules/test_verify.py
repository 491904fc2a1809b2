"""Training is compared: what tracing does not see ends in one line that names the line, and nothing else is refused."""

import random
from types import MethodType

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from netgraph import NetGraphError, from_module, to_module
from netgraph.graph.modules.preserve import draws
from tests.graph.zoo_of_modules.exact import assert_same_training, prepared

EXAMPLES = [None, torch.zeros(3, 4), torch.zeros(1, 4)]
IDS = ["without example", "with example", "with one row"]


class Block(nn.Module):
    """Two layers with batch norm and dropout; what is between them is a subclass's."""

    def __init__(self):
        super().__init__()
        self.back, self.norm, self.drop, self.head = (
            nn.Linear(4, 4),
            nn.BatchNorm1d(4),
            nn.Dropout(0.3),
            nn.Linear(4, 4),
        )

    def features(self, x):
        return self.norm(self.back(x))

    def forward(self, x):
        return self.head(self.drop(self.features(x)))


class Frozen(Block):
    def forward(self, x):
        with torch.no_grad():
            h = self.features(x)
        return self.head(self.drop(h))


class Decorated(Block):
    @torch.no_grad()
    def features(self, x):
        return super().features(x)


class Switched(Block):
    def forward(self, x):
        torch.set_grad_enabled(False)
        h = self.features(x)
        torch.set_grad_enabled(True)
        return self.head(self.drop(h))


class WithoutGradientsInEvaluation(Block):
    def features(self, x):
        with torch.set_grad_enabled(self.training):
            return super().features(x)


class Inference(Block):
    def forward(self, x):
        h = self.features(x)
        with torch.inference_mode():
            positive = F.relu(h)
        return self.head(self.drop(h + positive))


class Ends(Block):
    def features(self, x):
        h = super().features(x)
        torch.set_grad_enabled(False)
        return h


class Depth(Block):
    def features(self, x):
        h = super().features(x)
        if self.training and random.random() < 1e-6:  # noqa: S311
            h = h + self.back(h)
        return h


class TorchDepth(Block):
    def features(self, x):
        h = super().features(x)
        if self.training and torch.rand([]) < 1e-6:
            return x
        return h


class NumPyDepth(Block):
    def features(self, x):
        h = super().features(x)
        return x if np.random.rand() < 1e-6 else h


class Choice(Block):
    def features(self, x):
        return random.choice([torch.tanh, torch.relu])(super().features(x))  # noqa: S311


class Half(Block):
    def features(self, x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            h = self.back(x)
        return self.norm(h.float())


class NormStays(Block):
    def train(self, mode=True):
        super().train(mode)
        self.norm.eval()
        return self


LINES = [
    (Frozen, r"Frozen\.forward \(test_verify\.py:\d+, `with torch\.no_grad\(\):`\): switches gradients"),
    (Decorated, r"Decorated\.features \(test_verify\.py:\d+, `@torch\.no_grad\(\)`\): switches gradients"),
    (Switched, r"Switched\.forward \(.*`torch\.set_grad_enabled\(False\)`\): switches gradients"),
    (WithoutGradientsInEvaluation, r"InEvaluation\.features \(.*`with torch\.set_grad_enabled.*switches gradients"),
    (Inference, r"Inference\.forward \(.*`with torch\.inference_mode\(\):`\): switches gradients"),
    (Ends, r"Ends\.features \(.*`torch\.set_grad_enabled\(False\)`\): switches gradients"),
    (Depth, r"Depth\.features \(.*`if self\.training and random\.random\(\) < 1e-6:.*: draws from Python's"),
    (TorchDepth, r"TorchDepth\.features \(.*`if self\.training and torch\.rand\(\[\]\) < 1e-6:`\): draws what tracing"),
    (NumPyDepth, r"NumPyDepth\.features \(.*`return x if np\.random\.rand\(\) < 1e-6 else h`\): draws from NumPy's"),
    (Choice, r"Choice\.features \(.*`return random\.choice.*draws from Python's"),
    (NormStays, r"NormStays\.train \(test_verify\.py:\d+, `def train\(self, mode=True\):`\): norm: keeps its mode"),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=IDS)
@pytest.mark.parametrize(("kind", "message"), LINES, ids=[kind.__name__ for kind, _ in LINES])
def test_what_tracing_does_not_see_is_refused_with_its_line(kind, message, example):
    module = kind()
    before = draws()
    with pytest.raises(NetGraphError, match=message) as caught:
        from_module(module, example)
    assert "\n" not in str(caught.value)
    assert draws() == before
    assert torch.is_grad_enabled()


class Noise(Block):
    def features(self, x):
        h = super().features(x)
        return h + torch.randn(4) if self.training else h


class RandomWeights(Block):
    def features(self, x):
        return super().features(x) * torch.rand(4)


class Generator(Block):
    """Draws from a generator of its own, which no seed reaches."""

    def __init__(self):
        super().__init__()
        self.generator = torch.Generator().manual_seed(0)

    def features(self, x):
        h = super().features(x)
        return h + torch.randn(4, generator=self.generator) if self.training else h


class NormTwice(Block):
    """Runs batch norm once more in the backward pass."""

    def features(self, x):
        return checkpoint(super().features, x, use_reentrant=False)


class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return -gradient


class Reversed(Block):
    def features(self, x):
        return Reverse.apply(super().features(x))


class Hooked(Block):
    def features(self, x):
        h = super().features(x)
        if h.requires_grad:
            h.register_hook(lambda gradient: gradient * 2)
        return h


class Average(Block):
    """Keeps a state in training alone."""

    def __init__(self):
        super().__init__()
        self.average = torch.zeros(4)

    def features(self, x):
        h = super().features(x)
        if self.training:
            self.average = 0.9 * self.average + 0.1
        return h - self.average


class Steps(Block):
    def __init__(self):
        super().__init__()
        self.register_buffer("steps", torch.zeros(()))

    def features(self, x):
        self.steps += 1
        return super().features(x)


class Freezes(Block):
    def features(self, x):
        self.back.requires_grad_(False)
        return super().features(x)


class Alias(Block):
    def features(self, x):
        h = self.back(x)
        skip = h
        h += x
        return self.norm(self.drop(h)) + skip


class ByGradMode(Block):
    def features(self, x):
        h = super().features(x)
        return h if torch.is_grad_enabled() else F.relu(h)


SEEN_BY_RUNNING = [
    (Half, "autocast"),
    (Noise, "draws what tracing does not see"),
    (RandomWeights, "draws what tracing does not see"),
    (Generator, "another output than the module"),
    (Reversed, r"Reverse\.forward \(test_verify\.py:.*: has a backward of its own"),
    (Hooked, "alters this gradient"),
    (Average, "another output than the module"),
    (Steps, "steps: forward alters this buffer"),
    (NormTwice, r"norm\.running_mean: forward alters this buffer"),
    (Freezes, r"back\.weight: forward alters this gradient"),
    (ByGradMode, "another output than the module"),
]


@pytest.mark.parametrize(("kind", "message"), SEEN_BY_RUNNING, ids=[kind.__name__ for kind, _ in SEEN_BY_RUNNING])
def test_what_differs_when_it_runs_is_refused(kind, message):
    with pytest.raises(NetGraphError, match=message) as caught:
        from_module(kind(), torch.zeros(3, 4))
    assert "\n" not in str(caught.value)
    with pytest.raises(NetGraphError):
        from_module(kind())


class NoiseOfItsShape(Block):
    def features(self, x):
        h = super().features(x)
        return h + torch.randn_like(h) if self.training else h


class Detached(Block):
    def features(self, x):
        return super().features(x).detach()


class Checkpointed(Block):
    def features(self, x):
        return self.norm(checkpoint(self.back, x, use_reentrant=False))


class Statistics(Block):
    """Computes without gradients what has none in any case."""

    def features(self, x):
        with torch.no_grad():
            scale = 1 / (1 + x.detach().abs().mean())
        return super().features(x) * scale


class CountsInPlace(Steps):
    def features(self, x):
        self.steps.add_(1)
        return self.norm(self.back(x))


class TrainsAsEver(Block):
    def train(self, mode=True):
        self.asked = mode
        return super().train(mode)


class Untrainable(Block):
    """Alters in place what its backward pass reads."""

    def features(self, x):
        h = torch.sigmoid(super().features(x))
        h += 1
        return h


def partly_frozen():
    module = Block()
    module.back.requires_grad_(False)
    return module


EXACT = [Block, NoiseOfItsShape, Detached, Checkpointed, Statistics, CountsInPlace, TrainsAsEver, Alias, partly_frozen]


@pytest.mark.parametrize("example", EXAMPLES[1:], ids=IDS[1:])
@pytest.mark.parametrize("build", EXACT)
def test_what_trains_alike_is_not_refused(build, example):
    module = prepared(build())
    rebuilt = to_module(from_module(module, example))
    assert_same_training(module, rebuilt, (torch.randn(3, 4, generator=torch.Generator().manual_seed(0)),))


def test_a_second_name_of_what_is_altered_in_place_is_not_lost():
    with pytest.raises(NetGraphError, match=r"Alias: its calls, replayed.*works in place on a value with two names"):
        from_module(Alias())


def test_what_cannot_be_trained_is_compared_in_evaluation():
    assert from_module(Untrainable(), torch.zeros(2, 4)).num_nodes


def test_networks_without_parameters_or_gradients_are_taken():
    assert from_module(nn.Sequential(nn.Softsign()), torch.zeros(2, 4)).num_nodes
    assert from_module(nn.Sequential(nn.Embedding(5, 3), nn.Flatten()), torch.zeros(2, 4).long()).num_nodes
    assert from_module(Block().requires_grad_(False)).program is None


def replaced_by_closure(module):
    module.forward = lambda x: module.head(torch.tanh(module.back(x)))


def replaced_by_method(module):
    module.forward = MethodType(lambda self, x: self.head(torch.tanh(self.back(x))), module)


@pytest.mark.parametrize("replace", [replaced_by_closure, replaced_by_method])
def test_a_forward_on_the_instance_is_the_one_that_counts(replace):
    module = Block()
    replace(module)
    with pytest.raises(NetGraphError, match="Block: forward was replaced on the instance"):
        from_module(module)
    x = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(to_module(from_module(module, x))(x), module(x))


@pytest.mark.parametrize("example", EXAMPLES, ids=IDS)
def test_a_layer_whose_forward_was_replaced_is_named(example):
    module = Block()
    forward = module.back.forward
    module.back.forward = lambda x: forward(x) * 2
    with pytest.raises(NetGraphError, match=r"back: Linear\.forward was replaced"):
        from_module(module, example)


@pytest.mark.parametrize("example", EXAMPLES, ids=IDS)
@pytest.mark.parametrize("shape", [(4, 3), (6, 4), (2, 8)])
def test_a_weight_of_another_shape_is_named_with_both(shape, example):
    module = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    module[0].weight = nn.Parameter(torch.zeros(shape))
    message = rf"0\.weight: has shape \({shape[0]}, {shape[1]}\), not \(4, 4\) as its Linear says"
    with pytest.raises(NetGraphError, match=message):
        from_module(module, example)

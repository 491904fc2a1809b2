"""The user's module is left as it is, whether it can be converted or not."""

import copy
import random
import threading
from collections import Counter, deque
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from netgraph import NetGraphError, from_module
from netgraph.graph.modules.preserve import draws, preserved


class Restless(nn.Module):
    """Alters all that a module may hold."""

    made_so_far, names = 0, []

    def __init__(self, fails):
        super().__init__()
        self.layer, self.head, self.norm = nn.Linear(4, 4), nn.Linear(4, 2), nn.BatchNorm1d(4)
        self.register_buffer("scale", torch.ones(4))
        self.fails, self.count, self.last, self.lock = fails, 0, None, threading.Lock()
        self.history, self.recent, self.seen = [], deque(maxlen=2), set()
        self.counts, self.cache, self.meter = Counter(), {"sizes": [0]}, SimpleNamespace(values=[0])
        self.generator, self.chance = torch.Generator().manual_seed(0), random.Random(0)  # noqa: S311
        self.table, self.average = np.zeros(2), torch.zeros(4)
        self.guarded = SimpleNamespace(lock=threading.Lock(), count=0)

    def forward(self, x):
        h = self.layer(x)
        with self.lock:
            self.count += 1
        self.last = self.norm.last = h
        self.history.append(h)
        self.recent.append(h)
        self.seen.add(self.count)
        self.counts["calls"] += 1
        self.cache[self.count] = h
        self.cache["sizes"][0] += 1
        self.meter.values[0] += 1
        self.guarded.count += 1
        self.chance.random()
        torch.rand(2, generator=self.generator)
        self.table += 1
        self.average.add_(1)
        self.made = torch.ones(2)
        Restless.made_so_far += 1
        self.names.append("one")
        for part in self.children():
            part.eval()
        for value in [*self.layer.parameters(), self.norm.running_mean]:
            value.data.mul_(0.5)
            value.requires_grad_(False)
        random.random()  # noqa: S311
        np.random.rand()
        torch.rand(2)
        torch.set_grad_enabled(False)
        if self.fails:
            raise ValueError("no")
        self.scale = self.scale * 1
        return self.head(h)


def snapshot(module):
    """Copy all that a module holds, and the identities of what it holds."""
    parts = {name: (dict(vars(part)), part.training) for name, part in module.named_modules()}
    plain = ("count", "history", "recent", "seen", "counts", "cache", "meter", "made")
    values = {name: copy.deepcopy(vars(module).get(name)) for name in plain}
    states = {name: value.clone() for name, value in module.state_dict().items()}
    more = module.generator.get_state(), torch.from_numpy(module.table.copy()), module.average.clone()
    flags = [value.requires_grad for value in module.parameters()]
    return parts, values, states, more, flags, module.chance.getstate(), module.guarded.count


def assert_untouched(module, before):
    parts, values, states, more, flags, chance, count = before
    after = snapshot(module)
    assert after[1] == values
    assert (after[4], after[5], after[6]) == (flags, chance, count)
    assert all(torch.equal(a, b) for a, b in zip(after[3], more, strict=True))
    assert all(torch.equal(after[2][name], value) for name, value in states.items())
    for name, (held, training) in parts.items():
        assert after[0][name][1] == training
        assert list(after[0][name][0]) == list(held)
        assert all(after[0][name][0][key] is value for key, value in held.items())


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("example", [None, torch.zeros(2, 4)], ids=["without example", "with example"])
def test_a_module_that_alters_itself_is_put_back(fails, example):
    module = Restless(fails)
    module.norm.eval()
    module.layer.weight.grad = torch.ones(4, 4)
    before, states = snapshot(module), draws()
    with pytest.raises(NetGraphError) as caught:
        from_module(module, example)
    assert "\n" not in str(caught.value)
    assert_untouched(module, before)
    assert (Restless.made_so_far, Restless.names) == (0, [])
    assert draws() == states
    assert torch.is_grad_enabled()
    assert torch.equal(module.layer.weight.grad, torch.ones(4, 4))
    assert module.head.weight.grad is None
    assert module.head.weight._post_accumulate_grad_hooks is None


class Remembers(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.calls, self.last, self.cache = nn.Linear(4, 4), 0, None, {}

    def forward(self, x):
        h = self.layer(x)
        self.last = h
        self.calls += 1
        self.cache.setdefault("first", h)
        return h if self.last is None else torch.tanh(self.last)


@pytest.mark.parametrize("example", [None, torch.zeros(2, 4)], ids=["without example", "with example"])
def test_what_forward_notes_does_not_hinder_and_is_not_there_afterwards(tmp_path, example):
    module = Remembers()
    from_module(module, example)
    assert (module.last, module.calls, module.cache) == (None, 0, {})
    torch.save(module, tmp_path / "module.pt")
    x = torch.ones(2, 4)
    module(x)
    last = module.last  # no leaf: it cannot be deep-copied
    from_module(module, example)
    assert module.last is last
    assert module.calls == 1


def test_a_norm_that_clips_its_weights_is_left_as_it_is():
    module = nn.Sequential(nn.Embedding(5, 4, max_norm=0.1), nn.Flatten())
    before = module[0].weight.detach().clone()
    from_module(module, torch.tensor([[0, 1, 2]]))
    assert torch.equal(module[0].weight, before)


def test_memory_is_shared_as_before():
    module = nn.Linear(2, 2)
    view = module.weight.data[0]
    with preserved(module):
        module.weight.data = module.weight.data * 2
    module.weight.data.fill_(3)
    assert view.tolist() == [3, 3]


@pytest.mark.parametrize("around", [torch.no_grad, torch.inference_mode])
def test_what_surrounds_a_conversion_does_not_matter(around):
    module, x = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)), torch.zeros(1, 1, 3, 3)
    with around():
        graph = from_module(module, x)
    assert graph.state.requires_grad == graph.state.is_inference() is False
    assert torch.equal(graph.state, from_module(module, x).state)


class Refuses(Remembers):
    def train(self, mode=True):
        raise ValueError("it is always in one mode")


@pytest.mark.parametrize("example", [None, torch.zeros(2, 4)], ids=["without example", "with example"])
def test_a_module_that_cannot_change_its_mode_is_refused(example):
    with pytest.raises(NetGraphError, match="Refuses cannot be traced: it is always in one mode"):
        from_module(Refuses(), example)


class Interrupted(Remembers):
    def forward(self, x):
        super().forward(x)
        raise KeyboardInterrupt


def test_interrupts_leave_no_trace_either():
    module = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        from_module(module, torch.ones(1, 4))
    assert (module.calls, module.last, module.training) == (0, None, True)

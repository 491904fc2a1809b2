from collections.abc import Callable

import pytest
import torch
from torch import nn

from netgraph import NetGraphError, NetVAE, from_module
from netgraph.model.parts import evaluating
from tests.model.small import CONFIG, untrained


@pytest.fixture
def half_trained() -> NetVAE:
    """A model of which only the prior is trained, and of that a part is frozen."""
    model = untrained(CONFIG)
    model.prior.train()
    model.prior.condition.embed.eval()
    return model


def modes(model: nn.Module) -> dict[str, bool]:
    return {name: part.training for name, part in model.named_modules()}


def graph():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return from_module(nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)))


CALLS: dict[str, Callable[[NetVAE], object]] = {
    "sample": lambda model: model.sample(2, seed=0),
    "encode": lambda model: model.encode([graph()]),
    "decode": lambda model: model.decode(torch.zeros(1, CONFIG.latent_size)),
    "refine": lambda model: model.refine([graph()], [torch.ones(3, 2)], steps=1),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_every_part_of_a_model_keeps_its_own_mode(half_trained, call):
    before = modes(half_trained)
    assert set(before.values()) == {True, False}
    call(half_trained)
    assert modes(half_trained) == before


def fail_while_evaluating(model):
    with evaluating(model):
        assert not any(part.training for part in model.modules())
        raise NetGraphError("no")


def test_a_part_keeps_its_own_mode_where_a_call_fails(half_trained):
    before = modes(half_trained)
    with pytest.raises(NetGraphError):
        fail_while_evaluating(half_trained)
    assert modes(half_trained) == before

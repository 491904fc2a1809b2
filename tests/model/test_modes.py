from collections.abc import Callable

import pytest
import torch
from torch import nn

from netgraph import NetGraphError, NetVAE
from tests.model.small import CONFIG, perceptron, untrained


@pytest.fixture
def half_trained() -> NetVAE:
    """A model of which only the prior is trained, and of that a part is frozen."""
    model = untrained(CONFIG)
    model.prior.train()
    model.prior.condition.embed.eval()
    return model


def modes(model: nn.Module) -> dict[str, bool]:
    return {name: part.training for name, part in model.named_modules()}


CALLS: dict[str, Callable[[NetVAE], object]] = {
    "sample": lambda model: model.sample(2, seed=0),
    "encode": lambda model: model.encode([perceptron(2, 3, 1)]),
    "decode": lambda model: model.decode(torch.zeros(1, CONFIG.latent_size)),
    "encode_rows": lambda model: model.encode_rows(torch.eye(3)[:, :2], torch.arange(3.0)),
    "draw_architectures": lambda model: model.draw_architectures(torch.zeros(1, 12), torch.zeros(1, 14)),
    "given": lambda model: model.decode(torch.zeros(1, 3), architecture=perceptron(3, 3, 1)),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_every_part_of_a_model_keeps_its_own_mode(half_trained, call):
    before = modes(half_trained)
    assert set(before.values()) == {True, False}
    call(half_trained)
    assert modes(half_trained) == before


def test_a_part_keeps_its_own_mode_where_a_call_fails(half_trained):
    before = modes(half_trained)
    with pytest.raises(NetGraphError):
        half_trained.decode(torch.zeros(1, 3), steps=-1)
    assert modes(half_trained) == before

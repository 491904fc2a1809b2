from dataclasses import asdict

import pytest
import torch

from netgraph import NetVAE
from netgraph.model import LossWeights, PriorConfig, VAEConfig
from netgraph.training import TrainConfig
from netgraph.training.module import VAEModule

WEIGHTS = LossWeights(jacobian=0.5)
CONFIG = VAEConfig(
    width=16, heads=2, slot_size=4, loss=WEIGHTS, prior=PriorConfig(width=16, heads=2, place_layers=1, layout_layers=1)
)
BEHAVIOR, DIVERGENCE = {"output", "hidden", "jacobian"}, {"kl", "layout_kl"}


def weights_at(progress: float, **warmup: float) -> dict[str, float]:
    with torch.random.fork_rng():
        module = VAEModule(NetVAE(CONFIG), TrainConfig(max_epochs=1, **warmup), 1000, clock=lambda: 0.0)
    module.steps_done = round(1000 * progress)
    return asdict(module.weights())


@pytest.mark.parametrize(
    ("warmup", "rising"), [("behavior_warmup", BEHAVIOR), ("kl_warmup", DIVERGENCE)], ids=["behavior", "kl"]
)
def test_the_weights_that_are_warmed_up_rise_and_no_others(warmup, rising):
    early, late = (weights_at(progress, **{warmup: 0.5}) for progress in (0.25, 0.75))
    assert late == asdict(WEIGHTS)
    for name, value in asdict(WEIGHTS).items():
        assert early[name] == pytest.approx(0.502 * value if name in rising else value)


def test_without_a_warmup_weights_are_what_they_are():
    assert weights_at(0.0) == asdict(WEIGHTS)

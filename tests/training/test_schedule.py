import math
from dataclasses import asdict, replace
from itertools import count

import pytest
import torch

from netgraph import NetGraphError, NetVAE
from netgraph.presets import PRESETS
from netgraph.training import TrainConfig, train
from netgraph.training.config import LEAST
from netgraph.training.module import VAEModule
from tests.training.small import CONFIG, examples_of


def learning_rates(clock, config: TrainConfig) -> list[float]:
    with torch.random.fork_rng():
        module = VAEModule(NetVAE.from_config(CONFIG), config, 5, clock=clock)
    module.started = module.clock()
    rates = []
    while module.progress < 1:
        rates.append(module.learning_rate())
        module.steps_done += 1
    return rates


def test_the_learning_rate_is_the_same_on_a_fast_and_on_a_slow_machine():
    config = TrainConfig(max_epochs=8, max_seconds=10.0, warmup=0.25)
    fast, slow = learning_rates(lambda: 0.0, config), learning_rates(count().__next__, config)
    assert fast == slow
    assert len(fast) == 40
    peak = max(fast)
    assert fast[:8] == sorted(fast[:8])
    assert fast[12:] == sorted(fast[12:], reverse=True)
    assert 0.8 * config.learning_rate < peak <= config.learning_rate
    assert fast[-1] < 0.01 * peak
    assert max(learning_rates(lambda: 0.0, replace(config, warmup=0.0))) == config.learning_rate


def test_a_part_has_as_many_steps_as_its_epochs_or_its_steps_whichever_are_fewer():
    config = TrainConfig(max_epochs=3, max_steps=7, prior_epochs=2, prior_steps=None)
    assert [config.total_steps(batches) for batches in (1, 2, 3)] == [3, 6, 7]
    assert config.of_prior().total_steps(5) == 10


def test_a_time_limit_cuts_a_schedule_with_one_line(tmp_path):
    config = TrainConfig(batch_size=8, max_epochs=2, max_seconds=0, prior_steps=1, log_every=1)
    with pytest.warns(
        UserWarning, match=r"^VAE: the schedule was cut after 0 of \d+ steps by the limit of 0 s$"
    ) as found:
        vae = train(examples_of(nets_per_task=5, steps=5), tmp_path, CONFIG, config)
    assert len(found) == 1
    assert (vae.card["steps"], vae.card["prior_steps"]) == (0, 1)


@pytest.mark.parametrize("name", LEAST)
@pytest.mark.parametrize("value", [-1, math.nan, math.inf])
def test_a_number_that_makes_no_sense_is_named(name, value):
    with pytest.raises(
        NetGraphError, match=f"^TrainConfig: {name} is {value}; it must be at least {LEAST[name]} and fin"
    ):
        TrainConfig(**{name: value})


def test_every_number_of_a_training_is_checked_and_presets_limit_steps():
    numbers = {name for name, value in asdict(TrainConfig()).items() if value is None or type(value) in (int, float)}
    assert numbers - {"seed"} == set(LEAST)
    for name in ("quick", "full"):
        training = PRESETS[name].training
        for part in (training, training.of_prior()):
            assert part.total_steps(330) == part.max_steps

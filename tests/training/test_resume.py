"""An interrupted training ends with the same model, bit for bit, as one that was not interrupted."""

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning import Callback
from torch import Tensor

from netgraph import NetVAE
from netgraph.training import TrainConfig, train
from netgraph.training.history import loss_curves
from netgraph.training.module import VAEModule
from netgraph.training.resume import random_state, restore, save, seeded, set_random_state
from tests.training.small import CONFIG, Interrupt, examples_of

STEPS = 5
TRAINING = TrainConfig(
    batch_size=8, max_epochs=3, max_steps=STEPS, prior_batch_size=16, prior_epochs=3, prior_steps=STEPS, log_every=1,
    checkpoint_seconds=1e6,
)  # fmt: skip
EXAMPLES = examples_of(nets_per_task=5, steps=5)


class Shake(Callback):
    """Moves weights at random, by every global generator there is."""

    def on_train_batch_end(self, trainer, pl_module, *args) -> None:
        with torch.no_grad():
            for value in pl_module.parameters():
                if value.requires_grad:
                    value.mul_(1 + 1e-2 * (random.random() + np.random.rand() + torch.rand(()).item()))  # noqa: S311


def trained(folder: Path, *interrupts: int) -> NetVAE:
    with seeded(int(torch.randint(1000, ()))):  # what the caller's generators are makes no difference
        for steps in interrupts:
            with pytest.raises(KeyboardInterrupt):
                train(EXAMPLES, folder, CONFIG, TRAINING, callbacks=[Shake(), Interrupt(steps)])
        return train(EXAMPLES, folder, CONFIG, TRAINING, callbacks=[Shake()])


class Killed(Callback):
    """An error in the middle of a step, after which nothing is written."""

    def on_before_optimizer_step(self, trainer, pl_module, *args) -> None:
        if pl_module.part == "VAE" and pl_module.steps_done == 3:
            raise RuntimeError("killed")


def state_of(vae: NetVAE) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in vae.state_dict().items()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, Tensor]:
    return state_of(trained(tmp_path_factory.mktemp("whole")))


@pytest.mark.parametrize(
    "interrupts",
    [(1,), (STEPS - 1,), (STEPS,), (STEPS + 2,), (1, 1, STEPS, 2)],
    ids=["first step", "VAE", "between", "prior", "often"],
)
def test_an_interrupted_training_gives_the_same_model(whole, interrupts, tmp_path):
    vae = trained(tmp_path, *interrupts)
    assert [vae.card[name] for name in ("steps", "prior_steps")] == [STEPS] * 2
    found = state_of(vae)
    assert found.keys() == whole.keys()
    assert [name for name, value in found.items() if not torch.equal(value, whole[name])] == []


def test_a_killed_training_goes_on_from_what_was_written_last(whole, tmp_path):
    often = replace(TRAINING, checkpoint_seconds=0)
    with pytest.raises(RuntimeError, match="killed"):
        train(EXAMPLES, tmp_path, CONFIG, often, callbacks=[Shake(), Killed()])
    assert json.loads((tmp_path / "checkpoints" / "training.json").read_text())["steps"] == 3
    found = state_of(trained(tmp_path))
    assert [name for name, value in found.items() if not torch.equal(value, whole[name])] == []


def test_a_training_leaves_the_global_generators_as_they_were(tmp_path):
    before = random.getstate(), torch.get_rng_state(), np.random.get_state()[1].copy()
    short = replace(TRAINING, max_steps=1, prior_steps=1, seed=2**62)  # as large as a recipe's may be
    train(EXAMPLES, tmp_path, CONFIG, short, callbacks=[Shake()])
    assert random.getstate() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])
    assert (np.random.get_state()[1] == before[2]).all()


def test_random_states_survive_a_file_and_go_on_as_before():
    with seeded(3):
        random.gauss(0, 1), np.random.randn(3), torch.randn(3)  # an odd number of normal draws leaves one over
        tensors, plain = random_state(torch.device("cpu"))
        first = [random.gauss(0, 1), *np.random.randn(3), *torch.randn(3).tolist()]
        set_random_state(tensors, json.loads(json.dumps(plain)), torch.device("cpu"))
        assert [random.gauss(0, 1), *np.random.randn(3), *torch.randn(3).tolist()] == first


def test_points_of_a_resumed_training_stand_at_their_steps(tmp_path):
    trained(tmp_path, 3)
    curves = loss_curves(tmp_path / "tensorboard")
    assert [step for step, _ in curves["total"]] == [0, 1, 3, 4]  # the step of the interrupt is not logged
    assert [step for step, _ in curves["architecture_flow"]] == list(range(STEPS))


def test_steps_left_out_are_counted_further(tmp_path):
    first, again = (VAEModule(NetVAE.from_config(CONFIG), TRAINING, 1) for _ in range(2))
    first.steps_done, first.skipped, first.skipped_in_a_row = 4, 3, 2
    save(tmp_path / "training.safetensors", first, first.configure_optimizers())
    restore(tmp_path / "training.safetensors", again, again.configure_optimizers())
    assert (again.steps_done, again.skipped, again.skipped_in_a_row) == (4, 3, 2)

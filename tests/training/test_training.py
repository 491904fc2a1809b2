import itertools
import math
import signal
from dataclasses import replace

import pytest
import torch
from lightning import Callback

from netgraph import NetGraph, NetGraphError, NetVAE, metrics
from netgraph.model import LossWeights
from netgraph.training import Batches, TrainConfig, train
from netgraph.training.history import loss_curves
from netgraph.training.module import MOST_SKIPPED, VAEModule
from tests.training.small import CONFIG, Interrupt, examples_of

TRAINING = TrainConfig(
    batch_size=8,
    max_epochs=12,
    prior_batch_size=16,
    prior_epochs=24,
    learning_rate=5e-3,
    prior_learning_rate=1e-2,
    log_every=1,
)


@pytest.fixture(scope="module")
def examples():
    return examples_of(nets_per_task=8, steps=30)


def test_training_lowers_the_losses_and_leaves_a_checkpoint(examples, tmp_path):
    vae = train(examples, tmp_path, CONFIG, TRAINING)
    curves = loss_curves(tmp_path / "tensorboard")
    terms = {"index", "type", "parent", "weight", "output", "kl"}
    assert set(curves) == {"total", "architecture_flow"} | terms
    for name in ("total", "index", "type", "parent", "architecture_flow"):
        values = [value for _, value in curves[name]]
        part = len(values) // 3
        assert sum(values[-part:]) < sum(values[:part]), name
    again = NetVAE.from_pretrained(tmp_path / "checkpoints" / "vae.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(again.state_dict().values(), vae.state_dict().values(), strict=True))
    assert vae.card["steps"] == 12 * -(-len(examples) // 8)
    assert vae.card["prior_steps"] == 24 * -(-len(examples) * 5 // 16)
    assert all(value.requires_grad for value in vae.parameters())
    assert again.card == vae.card
    assert len(vae.sample(3, examples[0].meta_features, seed=0)) == 3


def test_training_on_outputs_alone_lowers_their_error(tmp_path):
    networks, config = examples_of(nets_per_task=8, steps=120), replace(CONFIG, loss=LossWeights(0.0, 0.0, 1.0, 0.0))
    batches, errors = Batches(networks, config, TRAINING), []
    for rate in (0.0, 5e-3):
        training = replace(TRAINING, max_epochs=24, max_steps=None if rate else 1, learning_rate=rate, prior_steps=1)
        vae = train(networks, tmp_path / str(rate), config, training)
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(5)  # the same initial weights and rows for both
            errors.append(sum(float(vae.loss(*batch).output) for _ in range(8) for batch in batches) / 8 / len(batches))
    assert errors[1] < errors[0] - 0.02


def test_a_step_whose_gradient_is_not_finite_changes_nothing(examples, tmp_path, monkeypatch):
    whole, steps = VAEModule.losses, itertools.count()

    def broken(self, batch):
        total, terms = whole(self, batch)
        return total * (math.nan if next(steps) == 2 else 1), terms

    monkeypatch.setattr(VAEModule, "losses", broken)
    with pytest.warns(UserWarning, match="^steps left out because their gradients were not finite: 1$"):
        vae = train(examples, tmp_path, CONFIG, TRAINING)
    assert all(value.isfinite().all() for value in vae.parameters())
    curve = [value for _, value in loss_curves(tmp_path / "tensorboard")["total"]]
    assert curve[-1] < curve[0]


def test_such_a_step_leaves_weights_and_optimizer_as_they_were_and_many_end_the_training():
    module = VAEModule(NetVAE.from_config(CONFIG), TRAINING, 1)
    optimizer = module.configure_optimizers()
    learned = optimizer.param_groups[0]["params"]

    def step(value: float) -> list[torch.Tensor]:
        for parameter in learned:
            parameter.grad = torch.full_like(parameter, value)
        module.configure_gradient_clipping(optimizer)
        optimizer.step()
        return [parameter.detach().clone() for parameter in learned]

    first, second = step(1.0), step(math.nan)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert {int(state["step"]) for state in optimizer.state.values()} == {1}
    assert not torch.equal(step(1.0)[0], second[0])
    for _ in range(MOST_SKIPPED - 1):
        step(math.inf)
    with pytest.raises(NetGraphError, match=f"the gradients of {MOST_SKIPPED} steps in a row are not finite"):
        step(math.inf)
    assert module.skipped == 1 + MOST_SKIPPED


def test_an_interrupted_training_goes_on_where_it_stopped(examples, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(examples, tmp_path, CONFIG, TRAINING, callbacks=[Interrupt(7)])
    assert not (tmp_path / "checkpoints" / "vae.safetensors").exists()
    state = tmp_path / "checkpoints" / "training.json"
    assert '"steps": 7' in state.read_text()
    train(examples, tmp_path, CONFIG, TRAINING)
    steps = TRAINING.max_epochs * -(-len(examples) // TRAINING.batch_size)
    assert f'"steps": {steps}' in state.read_text()


def test_a_damaged_training_state_is_named(examples, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(examples, tmp_path, CONFIG, TRAINING, callbacks=[Interrupt(2)])
    (tmp_path / "checkpoints" / "training.safetensors").write_bytes(b"")
    with pytest.raises(NetGraphError, match="damaged"):
        train(examples, tmp_path, CONFIG, TRAINING)


def test_the_training_of_a_model_of_other_sizes_is_refused(examples, tmp_path):
    short = replace(TRAINING, max_epochs=1, prior_epochs=1)
    train(examples, tmp_path, CONFIG, short)
    with pytest.raises(NetGraphError, match="the training of a model of other sizes; choose another folder"):
        train(examples, tmp_path, replace(CONFIG, edge_rank=8), short)
    with pytest.raises(NetGraphError, match=r"prior.* the training of a model of other sizes"):
        train(examples, tmp_path, replace(CONFIG, prior_width=8), short)


def test_the_prior_is_trained_alone_and_last(examples, tmp_path):
    short = replace(TRAINING, max_epochs=1, prior_epochs=2)
    vae = train(examples, tmp_path, CONFIG, short)
    (tmp_path / "checkpoints" / "prior.json").unlink()
    again = train(examples, tmp_path, CONFIG, replace(short, prior_epochs=1))
    same = {name: torch.equal(a, vae.state_dict()[name]) for name, a in again.state_dict().items()}
    assert all(equal for name, equal in same.items() if not name.startswith("prior."))
    assert not all(same.values())


def test_a_trained_model_rebuilds_what_networks_compute(tmp_path):
    networks = examples_of(nets_per_task=8, steps=120)
    vae = train(networks, tmp_path, CONFIG, replace(TRAINING, max_epochs=20, prior_epochs=2))
    graphs = [example.graph for example in networks]
    x = torch.randn(60, CONFIG.max_inputs, generator=torch.Generator().manual_seed(0))

    def r2(found: list[NetGraph]) -> float:
        return metrics.output_r2_median(graphs, found, x)

    z = vae.encode(graphs)
    assert r2(vae.decode(z, architecture=graphs)) > 0.999
    function = vae.decode(z[:, vae.function], architecture=graphs, steps=30)
    assert r2(function) > 0.6
    assert r2(vae.decode(z[:, :4], architecture=graphs, steps=30)) < r2(function)


def test_training_needs_networks(tmp_path):
    with pytest.raises(NetGraphError, match="no networks"):
        train([], tmp_path)


class Signal(Callback):
    """Ctrl-C in the middle of a step."""

    def on_before_optimizer_step(self, *args, **kwargs) -> None:
        signal.raise_signal(signal.SIGINT)


def test_an_interrupt_in_a_step_waits_for_its_end(examples, tmp_path):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(examples, tmp_path, CONFIG, TRAINING, callbacks=[Signal()])
    assert signal.getsignal(signal.SIGINT) is before
    assert '"steps": 1' in (tmp_path / "checkpoints" / "training.json").read_text()
    train(examples, tmp_path, CONFIG, TRAINING)

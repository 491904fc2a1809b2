import itertools
import math
import signal
from dataclasses import replace

import pytest
import torch
from lightning import Callback
from netgraph.training.episodes import noisy

from netgraph import NetGraphError, NetVAE
from netgraph.model import GeneratorConfig
from netgraph.tasks import TaskRecipe, draw_task, draw_tasks
from netgraph.training import Episodes, TrainConfig, train, train_generator
from netgraph.training.history import loss_curves, write_metrics
from netgraph.training.module import MOST_SKIPPED, VAEModule
from tests.training.small import CONFIG, Interrupt, examples_of

TRAINING = TrainConfig(
    batch_size=8,
    rows=16,
    max_epochs=12,
    prior_epochs=24,
    learning_rate=5e-3,
    prior_learning_rate=1e-2,
    log_every=1,
)


@pytest.fixture(scope="module")
def examples():
    return examples_of(nets_per_task=8, steps=30)


@pytest.fixture(scope="module")
def episodes():
    tasks = draw_tasks(12, TaskRecipe(rows=48, n_features=(1, 16)), seed=3)
    widths = [draw_task("linear", columns, 48, columns) for columns in range(1, 17)]
    return Episodes([*tasks, *widths], torch.full((28, 37), torch.nan))


def test_training_lowers_every_loss_and_leaves_a_checkpoint(examples, tmp_path):
    vae = train(examples, tmp_path, CONFIG, TRAINING)
    curves = loss_curves(tmp_path / "tensorboard")
    terms = {"index", "type", "parent", "weight", "output", "hidden", "jacobian", "kl", "layout_kl", "rate"}
    assert set(curves) == {"total", "layout_flow", "place_flow"} | terms
    for name in ("total", "type", "weight", "layout_flow", "place_flow"):
        values = [value for _, value in curves[name]]
        part = len(values) // 3
        assert sum(values[-part:]) < sum(values[:part]), name
    again = NetVAE.from_pretrained(tmp_path / "checkpoints" / "vae.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(again.state_dict().values(), vae.state_dict().values(), strict=True))
    assert 2 * vae.card["steps"] == vae.card["prior_steps"] > 0
    assert again.card == vae.card
    assert len(vae.sample(3, examples[0].meta_features, seed=0)) == 3


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
    module = VAEModule(NetVAE(CONFIG), TRAINING, 1)
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


def test_a_generator_is_trained_last_and_alone(examples, episodes, tmp_path):
    sizes = GeneratorConfig(width=16, heads=2, layers=1, row_width=8, row_rounds=1)
    config = replace(CONFIG, slot_size=18, generator=sizes)
    training = replace(TRAINING, max_epochs=1, prior_epochs=1, generator_epochs=60, generator_learning_rate=1e-2)
    vae = train(examples, tmp_path, config, training, episodes=episodes)
    values = [value for _, value in loss_curves(tmp_path / "tensorboard")["fit"]]
    part = len(values) // 3
    assert sum(values[-part:]) < sum(values[:part])
    assert vae.card["generator_steps"] == 60 * vae.card["steps"]
    assert all(value.requires_grad for value in vae.parameters())
    (tmp_path / "checkpoints" / "generator.json").unlink()
    again = train(examples, tmp_path, config, replace(training, generator_epochs=1), episodes=episodes)
    same = {name: torch.equal(a, vae.state_dict()[name]) for name, a in again.state_dict().items()}
    assert all(equal for name, equal in same.items() if not name.startswith("generator."))
    assert not all(same.values())


def test_a_generator_of_other_sizes_takes_the_place_of_the_first_and_is_trained_alone(examples, episodes, tmp_path):
    sizes = GeneratorConfig(width=16, heads=2, layers=1, row_width=8, row_rounds=1)
    first = NetVAE(replace(CONFIG, slot_size=18, generator=sizes))
    first.card = {"networks": 3, "generator_steps": 70}
    vae, twin = (first.with_generator(replace(sizes, width=8)) for _ in range(2))
    assert vae.config.generator.width == 8
    assert vae.card == {"networks": 3}
    before = twin.state_dict()
    assert all(torch.equal(a, before[name]) for name, a in vae.state_dict().items())

    training = replace(TRAINING, generator_epochs=2)
    trained = train_generator(vae, examples, tmp_path / "a", training, episodes=episodes, card={"generator": "small"})
    steps = 2 * -(-len(examples) // training.batch_size)
    assert (trained.card["generator_steps"], trained.card["generator"]) == (steps, "small")
    after = trained.state_dict()
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert changed
    assert all(name.startswith("generator.") for name in changed)
    again = NetVAE.from_pretrained(tmp_path / "a" / "checkpoints" / "vae.safetensors")
    assert all(torch.equal(a, again.state_dict()[name]) for name, a in after.items())
    further = train_generator(again, examples, tmp_path / "b", training, episodes=episodes)
    assert further.card["generator_steps"] == 2 * steps


def test_a_folder_of_another_training_is_refused(examples, episodes, tmp_path):
    sizes = GeneratorConfig(width=16, heads=2, layers=1, row_width=8, row_rounds=1)
    config, training = replace(CONFIG, slot_size=18, generator=sizes), replace(TRAINING, generator_epochs=1)
    with pytest.raises(NetGraphError, match="made without a generator"):
        train_generator(NetVAE(CONFIG), examples, tmp_path, training, episodes=episodes)
    train_generator(NetVAE(config), examples, tmp_path / "alone", training, episodes=episodes)
    other = NetVAE(config).with_generator(replace(sizes, width=8))
    with pytest.raises(NetGraphError, match="of a model of other sizes; choose another folder"):
        train_generator(other, examples, tmp_path / "alone", training, episodes=episodes)
    train(examples, tmp_path / "whole", CONFIG, replace(TRAINING, max_epochs=1, prior_epochs=1))
    with pytest.raises(NetGraphError, match="holds the training of a whole model"):
        train_generator(other, examples, tmp_path / "whole", training, episodes=episodes)


def test_a_generator_without_tasks_is_refused(examples, episodes, tmp_path):
    config = replace(CONFIG, generator=GeneratorConfig())
    with pytest.raises(NetGraphError, match="needs episodes"):
        train(examples, tmp_path, config, TRAINING)
    with pytest.raises(NetGraphError, match="no task of 40 columns"):
        episodes.draw(torch.tensor([3, 40]))


def test_episodes_give_networks_of_equal_inputs_a_common_task(episodes):
    n_inputs = torch.tensor([2, 5, 2, 2, 5])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        episode = episodes.draw(n_inputs)
    assert torch.equal(episode.rows.n_features[episode.owner], n_inputs)
    assert len(episode.rows) == 3
    assert 24 <= episode.seen <= 36
    assert (episode.rows.y.mean(dim=1).abs() < 0.5).all()


def test_more_networks_may_share_a_task_and_few_rows_are_seen_as_often_as_many():
    tasks = [draw_task("linear", 2, 256, seed) for seed in range(3)]
    drawn = Episodes(tasks, torch.full((3, 37), torch.nan), shared=4)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        seen = torch.tensor([drawn.draw(torch.full((8,), 2)).seen for _ in range(400)])
        assert len(drawn.draw(torch.full((9,), 2)).rows) == 3
    assert 24 <= seen.min() < 28
    assert 180 < seen.max() <= 192
    assert 0.4 < (seen < 68).double().mean() < 0.6


def test_noise_is_added_to_the_targets_of_rows_that_are_seen_alone():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        found = noisy(torch.ones(400, 40), seen=24)
    seen, unseen = found[:, :24], found[:, 24:]
    assert (unseen == unseen[:, :1]).all()
    deviation = (unseen[:, 0] ** -2 - 1).clamp(min=0).sqrt()
    added = deviation > 1e-3
    assert 0.5 < added.float().mean() < 0.7
    assert (seen[~added] == 1).all()
    assert 0.19 < deviation[added].min() < deviation[added].max() < 1.51
    torch.testing.assert_close(
        seen[added].std(dim=1) / unseen[added, 0] / deviation[added], torch.ones(int(added.sum())), atol=0.6, rtol=0
    )


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


def test_training_needs_networks(tmp_path):
    with pytest.raises(NetGraphError, match="no networks"):
        train([], tmp_path)


def test_figures_go_to_tensorboard(tmp_path):
    write_metrics(tmp_path, {"edge_f1": 0.5})
    assert loss_curves(tmp_path) == {}
    assert any(tmp_path.glob("events*"))


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

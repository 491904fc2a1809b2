"""A model is trained on every zoo: of networks without data, further from a checkpoint, and with early stopping."""

import json
import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from netgraph import NetGraphError, NetVAE, Zoo, from_module, get_meta_features
from netgraph.cli import main
from netgraph.model.config import VAEConfig
from netgraph.run import train_model
from netgraph.training import Example, TrainConfig, config_for, train
from netgraph.training.config import LEAST
from netgraph.training.history import loss_curves
from netgraph.training.parts import parts_of
from netgraph.training.sizes import fit_to_zoo
from netgraph.training.train import train_on_zoo
from tests.training.small import CONFIG, Interrupt, examples_of
from tests.zoo.given import IMAGES, X, Y, convolutional, modules

TRAINING = TrainConfig(batch_size=8, max_epochs=2, prior_epochs=2, log_every=1)


@pytest.fixture(scope="module")
def without_data(tmp_path_factory) -> Zoo:
    """A zoo of 20 networks whose data are unknown; two are of the part val, and two of test."""
    return Zoo.from_networks(modules(20), None, tmp_path_factory.mktemp("given") / "zoo", progress=False)


@pytest.fixture(scope="module")
def trained(without_data, tmp_path_factory):
    """The folder of a model that was trained on it."""
    folder = tmp_path_factory.mktemp("trained")
    train_on_zoo(without_data, folder, CONFIG, TRAINING)
    return folder


def test_networks_without_data_are_trained_on_with_neutral_conditioning(without_data, trained):
    vae = NetVAE.from_pretrained(trained / "checkpoints" / "vae.safetensors")
    assert vae.card["networks"] == len(without_data.split("train"))
    assert vae.card["held_out"] == len(without_data.split("val"))
    assert vae.config.max_inputs == 3
    z = vae.encode([*without_data, modules(1)[0]])
    assert z.isfinite().all()
    known = get_meta_features(X, Y)
    assert len(vae.sample(2, seed=0)) == len(vae.sample(2, known, seed=0)) == 2
    assert len(vae.decode(z[:3], known)) == 3


def test_it_is_evaluated_on_networks_without_data(without_data, trained, tmp_path, capsys):
    checkpoint = str(trained / "checkpoints" / "vae.safetensors")
    command = ["evaluate", str(without_data.folder), "--checkpoint", checkpoint, "--out", str(tmp_path)]
    assert main([*command, "--n-samples", "4"]) == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert (metrics["n_test"], metrics["validity"]) == (2, 1)
    assert "sampled_steps" not in metrics["more"]


def test_the_held_out_loss_is_measured_in_every_epoch_and_changes_nothing(without_data, trained, tmp_path):
    curves = loss_curves(trained / "tensorboard", "held_out")
    assert [step for step, _ in curves["total"]] == [2, 4]
    assert set(curves) == {*loss_curves(trained / "tensorboard")}
    card = NetVAE.from_pretrained(trained / "checkpoints" / "vae.safetensors").card
    assert card["held_out_loss"] == pytest.approx(min(value for _, value in curves["total"]), rel=1e-5)
    examples = [Example(graph, [math.nan] * 37) for graph in without_data.stream(without_data.split("train"))]
    alone = train(examples, tmp_path, config_for(without_data, CONFIG), TRAINING)
    found = alone.state_dict()
    written = NetVAE.from_pretrained(trained / "checkpoints" / "vae.safetensors").state_dict()
    tensors = [name for name, value in found.items() if isinstance(value, torch.Tensor)]
    assert [name for name in tensors if not torch.equal(found[name].nan_to_num(), written[name].nan_to_num())] == []


def test_early_stopping_ends_each_part_with_the_weights_that_had_the_lowest_loss(tmp_path):
    examples = examples_of(nets_per_task=5, steps=5)
    # So large a rate that the loss soon rises.
    training = replace(TRAINING, max_epochs=40, learning_rate=0.3, warmup=0.0, patience=2, prior_epochs=1)
    vae = train(examples[:7], tmp_path, CONFIG, training, held_out=examples[7:])
    losses = [value for _, value in loss_curves(tmp_path / "tensorboard", "held_out")["total"]]
    best = min(losses)
    assert len(losses) < 40
    assert losses.index(best) == len(losses) - 3
    assert vae.card["held_out_loss"] == pytest.approx(best, rel=1e-5)
    kept = json.loads((tmp_path / "checkpoints" / "best_training.json").read_text())
    assert kept["lowest"] == pytest.approx(best, rel=1e-5)
    again = train(examples[:7], tmp_path, CONFIG, training, held_out=examples[7:])
    assert again.card["steps"] == vae.card["steps"]
    assert torch.equal(again.encode([examples[0].graph]), vae.encode([examples[0].graph]))


def test_patience_asks_for_held_out_networks(tmp_path):
    examples = examples_of(nets_per_task=5, steps=5)
    with pytest.raises(NetGraphError, match="patience asks for held-out networks"):
        train(examples, tmp_path, CONFIG, replace(TRAINING, patience=1))


def test_early_stopping_is_resumed(tmp_path):
    examples = examples_of(nets_per_task=5, steps=5)
    training = replace(TRAINING, max_epochs=6, learning_rate=0.3, warmup=0.0, patience=2, prior_epochs=1, batch_size=2)
    whole = train(examples[:7], tmp_path / "whole", CONFIG, training, held_out=examples[7:])
    for steps in (2, 4):
        with pytest.raises(KeyboardInterrupt):
            train(examples[:7], tmp_path / "parts", CONFIG, training, held_out=examples[7:],
                  callbacks=[Interrupt(steps)])  # fmt: skip
    parts = train(examples[:7], tmp_path / "parts", CONFIG, training, held_out=examples[7:])
    assert parts.card["held_out_loss"] == whole.card["held_out_loss"]
    assert torch.equal(parts.encode([examples[0].graph]), whole.encode([examples[0].graph]))


def test_held_out_networks_are_val_or_test_or_some_tasks_of_train(tiny_zoo, without_data):
    nothing, patient = frozenset[int](), replace(TRAINING, patience=3)
    assert parts_of(without_data, nothing, TRAINING)[1] == without_data.split("val")
    assert parts_of(without_data, nothing, patient)[1] == without_data.split("val")
    assert parts_of(tiny_zoo, nothing, TRAINING) == (tiny_zoo.split("train"), tiny_zoo.split("test"))
    known, apart = parts_of(tiny_zoo, nothing, patient)
    assert sorted([*known, *apart]) == tiny_zoo.split("train")
    tasks = [{tiny_zoo[i].task for i in numbers} for numbers in (known, apart)]
    assert not tasks[0] & tasks[1]
    with pytest.raises(NetGraphError, match="none of the part train is left"):
        parts_of(without_data, frozenset(range(20)), TRAINING)
    assert LEAST["patience"] == 1


def test_a_training_goes_on_from_a_checkpoint(without_data, trained, tmp_path):
    path = trained / "checkpoints" / "vae.safetensors"
    start = NetVAE.from_pretrained(path)
    vae = train_on_zoo(without_data, tmp_path / "same", VAEConfig(), replace(TRAINING, max_steps=1), start=path)
    assert vae.config == start.config
    assert torch.equal(vae.encoder.function.common, start.encoder.function.common)
    assert torch.equal(vae.encoder.scales.mean, start.encoder.scales.mean)
    moved = [(a - b).abs().max() for a, b in zip(vae.decoder.parameters(), start.decoder.parameters(), strict=True)]
    assert 0 < max(moved) < 0.1
    examples = [Example(graph, [0.0] * 37) for graph in without_data.stream(range(4))]
    for config, message in (
        (replace(start.config, width=64), "width is 16 in the model that is trained further, and 64 here"),
        (CONFIG, "max_|depths|weight_size"),
    ):
        with pytest.raises(NetGraphError, match=message):
            train(examples, tmp_path / "other", config, TRAINING, start=start)
    relu = from_module(nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1)))
    strange = Example(relu.replace(sensitivity=torch.ones(relu.num_nodes)), [0.0] * 37)
    with pytest.raises(NetGraphError, match="network 4: layers of type ReLU; the model covers Input, Linear, Tanh"):
        train([*examples, strange], tmp_path / "other", None, TRAINING, start=start)


def test_a_zoo_beyond_the_checkpoint_is_refused_with_the_reason(trained, tmp_path):
    start = NetVAE.from_pretrained(trained / "checkpoints" / "vae.safetensors")
    wide = nn.Sequential(nn.Linear(3, 40), nn.Tanh(), nn.Linear(40, 1))
    zoo = Zoo.from_networks([*modules(2), wide, *modules(1, inputs=4)], None, tmp_path / "zoo", progress=False)
    with pytest.raises(
        NetGraphError, match=r"on 2 of 4 networks: 1 of more than \d+ nodes \(max_nodes\), 1 with 4 inputs"
    ):
        fit_to_zoo(zoo, None, start, skip_too_large=False)
    assert fit_to_zoo(zoo, None, start, skip_too_large=True) == (start.config, {2, 3})


def test_networks_that_no_model_holds_are_counted_and_left_out_when_asked(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    slope = nn.Sequential(nn.Linear(3, 2), nn.LeakyReLU(0.5), nn.Linear(2, 1))
    general = [from_module(module, IMAGES) for module in convolutional(3)]
    Zoo.from_networks([*modules(9), *general, *modules(2, outputs=33), slope], None, "zoo", split="train")
    command = ["train", "zoo", "--out", "out", "--preset", "tiny"]
    assert main(command) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == (
        "netgraph: zoo: a model cannot be trained on 6 of 15 networks: 3 that are not feed-forward, "
        "2 of more than 32 outputs (max_outputs), 1 with LeakyReLU of negative_slope=0.5, which no model decodes; "
        "--skip-too-large leaves them out"
    )
    assert main([*command, "--skip-too-large"]) == 0
    assert ["left_out", "6"] in [line.split()[:2] for line in capsys.readouterr().out.splitlines()]
    vae = NetVAE.from_pretrained("out/checkpoints/vae.safetensors")
    assert (vae.card["networks"], vae.card["left_out"]) == (9, 6)
    Zoo.from_networks(general, None, "general", progress=False)
    assert main(["train", "general", "--out", "other", "--skip-too-large"]) == 2
    assert "on 3 of 3 networks: 3 that are not feed-forward; none is left" in capsys.readouterr().err


def test_the_arguments_of_a_training_are_those_of_its_folder(without_data, trained, tmp_path):
    start = str(trained / "checkpoints" / "vae.safetensors")
    figures = train_model(without_data.folder, tmp_path, "tiny", start=start, patience=1)
    assert figures["held_out"] == 2
    record = json.loads((tmp_path / "train.json").read_text())
    assert (record["start"], record["patience"], record["skip_too_large"]) == (start, 1, False)
    assert sorted(path.name for path in (tmp_path / "tensorboard").iterdir()) == ["final", "prior", "vae"]
    (events,) = (tmp_path / "tensorboard" / "final").glob("events*")
    command = f"netgraph train {without_data.folder} --start {start} --patience 1 --preset tiny --seed 0"
    assert command.encode() in events.read_bytes()
    with pytest.raises(NetGraphError, match="with patience 1, not 2"):
        train_model(without_data.folder, tmp_path, patience=2)

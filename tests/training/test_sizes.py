"""Sizes of a model are those of the zoo, and what cannot be trained is refused before any work."""

from dataclasses import replace

import pytest
import torch

from netgraph import NetGraphError, Zoo
from netgraph.cli import main
from netgraph.model import VAEConfig
from netgraph.training import Batches, Example, TrainConfig, config_for
from netgraph.training.sizes import MOST_NODES
from netgraph.training.train import train_on_zoo
from netgraph.zoo import ZooRecipe
from netgraph.zoo.architectures import draw_architecture
from netgraph.zoo.sizes import sum_up
from tests.training.small import CONFIG
from tests.zoo.stores import build_here, small_recipe, write_store

TRAINING = TrainConfig(batch_size=8, max_steps=1, prior_steps=1)


def examples_of(zoo: Zoo) -> list[Example]:
    return [Example(graph, zoo.meta_features[graph.task]) for graph in zoo.stream()]


@pytest.mark.parametrize("widths", [(1, 3), (20, 60)])
def test_there_is_room_for_every_network_and_none_to_spare(tmp_path, widths):
    zoo = write_store(tmp_path, small_recipe(6, 2), widths=widths)
    config, examples = config_for(zoo, CONFIG), examples_of(zoo)
    assert len(Batches(examples, config, TRAINING)) == -(-len(zoo) // 8)
    assert config.width == CONFIG.width
    for name in ("max_nodes", "max_fan", "max_inputs"):
        with pytest.raises(NetGraphError, match=name):
            Batches(examples, replace(config, **{name: getattr(config, name) - 1}), TRAINING)
    architectures = [example.graph.architecture for example in examples]
    assert config.max_inputs == max(one.n_inputs for one in architectures)
    assert config.depths == max(sum(layer.type == "Linear" for layer in one.layers) for one in architectures)
    assert config.weight_size == max(one.state_size for one in architectures)


def test_quick_and_full_have_the_sizes_of_their_recipes(tiny_zoo, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    for name, inputs, depths, fan in (("quick", 10, 4, 18), ("full", 16, 7, 64)):
        recipe = ZooRecipe.load(name).architectures
        sizes = sum_up([draw_architecture(recipe, inputs, generator) for _ in range(1500)])
        monkeypatch.setattr(Zoo, "sizes", sizes)
        config = config_for(tiny_zoo, VAEConfig())
        assert (config.max_inputs, config.depths) == (inputs, depths)
        assert inputs <= config.max_fan <= fan
        assert config.architecture_size >= config.depths + 2


def test_a_zoo_of_a_recipe_of_ones_own_is_trained_on(tmp_path):
    changes = {"n_tasks": 3, "n_test_tasks": 1, "nets_per_task": 6, "tasks_per_shard": 3, "training": {"steps": (3, 3)}}
    wider = {"depths": {"1": 1.0, "4": 1.0}, "widths": (2, 16), "skips": {"none": 1, "residual": 1, "Concat": 1}}
    zoo = build_here(ZooRecipe.load("tiny").changed(architectures=wider, **changes), tmp_path / "zoo")
    vae = train_on_zoo(zoo, tmp_path / "out", CONFIG, TRAINING)
    assert max(graph.num_nodes for graph in zoo) > CONFIG.max_nodes
    known = [zoo[i] for i in zoo.split("train")]
    assert len(vae.encode(known)) == len(known)
    assert vae.coverage.inputs == {graph.architecture.n_inputs for graph in known}


def test_networks_that_are_too_large_are_refused_before_one_is_read(tmp_path, monkeypatch, capsys):
    write_store(tmp_path / "wide", small_recipe(2, 2), widths=(MOST_NODES, MOST_NODES))
    monkeypatch.setattr(Zoo, "stream", lambda *_: pytest.fail("a network is read"))
    monkeypatch.chdir(tmp_path)
    assert main(["train", "wide", "--out", "out", "--preset", "full"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("netgraph: wide: a model cannot be trained on ")
    assert "of more than 1,024 nodes (max_nodes); --skip-too-large leaves them out" in said
    assert len(said.splitlines()) == 1

"""Sizes of a model are those of the zoo, and what cannot be trained is refused before any work."""

from dataclasses import replace

import pytest
import torch

from netgraph import NetGraphError, Zoo
from netgraph.cli import main
from netgraph.graph.table import LayerTable
from netgraph.model import GeneratorConfig, VAEConfig
from netgraph.training import Batches, Example, PortfolioConfig, TrainConfig, config_for
from netgraph.training.on_zoo import MOST_NODES, train_on_zoo
from netgraph.zoo import ZooRecipe
from netgraph.zoo.architectures import draw_architecture
from tests.training.small import CONFIG
from tests.zoo.stores import build_here, small_recipe, write_store

SIZES = GeneratorConfig(width=8, heads=2, layers=1, row_width=4, row_rounds=1, inducing_points=2, column_tokens=1)
TRAINING = TrainConfig(
    batch_size=8, max_steps=1, prior_steps=1, generator_steps=1, portfolio=PortfolioConfig(size=1, pool=2, tasks=1)
)


def examples_of(zoo: Zoo) -> list[Example]:
    return [Example(g, zoo.tasks[g.task].x, zoo.meta_features[g.task]) for g in zoo.stream()]


@pytest.mark.parametrize("widths", [(1, 3), (20, 60)])
def test_there_is_room_for_every_network_and_none_to_spare(tmp_path, widths):
    zoo = write_store(tmp_path, small_recipe(6, 2), widths=widths)
    config, examples = config_for(zoo, CONFIG), examples_of(zoo)
    assert len(Batches(examples, config, TRAINING)) == -(-len(zoo) // 8)
    assert config.width == CONFIG.width
    for name in ("max_nodes", "max_fan"):
        with pytest.raises(NetGraphError, match=name):
            Batches(examples, replace(config, **{name: getattr(config, name) - 1}), TRAINING)
    architectures = [example.graph.architecture for example in examples]
    assert config.slot_size == max(CONFIG.slot_size, 2 + max(one.n_inputs for one in architectures))
    assert config.place_depths == 2
    assert config.place_positions == max(layer.size for one in architectures for layer in one.layers[1:-1:3])


def test_quick_and_full_have_the_slots_of_their_recipes(tiny_zoo, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    for name, inputs, slots in (("quick", 10, (3, 8)), ("full", 16, (6, 32))):
        recipe = ZooRecipe.load(name).architectures
        table = LayerTable.pack([draw_architecture(recipe, inputs, generator) for _ in range(1500)])
        shard = type("Shard", (list,), {"table": table, "architecture_of": torch.arange(1500).numpy()})([None])
        monkeypatch.setattr(Zoo, "shard", lambda *_, shard=shard: shard)
        config = config_for(tiny_zoo, VAEConfig())
        assert (config.place_depths, config.place_positions) == slots
        assert config.slot_size == inputs + 2


def test_a_zoo_of_a_recipe_of_ones_own_is_trained_on(tmp_path):
    changes = {"n_tasks": 3, "n_test_tasks": 1, "nets_per_task": 6, "tasks_per_shard": 3, "training": {"steps": (3, 3)}}
    wider = {"depths": {"1": 1.0, "4": 1.0}, "widths": (2, 16), "skips": {"none": 1, "residual": 1, "Concat": 1}}
    zoo = build_here(ZooRecipe.load("tiny").changed(architectures=wider, **changes), tmp_path / "zoo")
    vae = train_on_zoo(zoo, tmp_path / "out", replace(CONFIG, generator=SIZES), TRAINING, n_tasks=4)
    assert max(graph.num_nodes for graph in zoo) > CONFIG.max_nodes
    known = [zoo[i] for i in zoo.split("train")]
    assert len(vae.encode(known)) == len(known)
    assert {one.n_inputs for one in vae.portfolio.architectures} == {graph.architecture.n_inputs for graph in known}


def test_networks_that_are_too_large_are_refused_before_one_is_read(tmp_path, monkeypatch, capsys):
    write_store(tmp_path / "wide", small_recipe(2, 2), widths=(MOST_NODES, MOST_NODES))
    monkeypatch.setattr(Zoo, "stream", lambda *_: pytest.fail("a network is read"))
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--zoo", "wide", "--out", "out", "--preset", "full"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("netgraph: wide: a network with ")
    assert "of at most 1,024 (fewer or narrower layers: " in said
    assert len(said.splitlines()) == 1


def test_tasks_of_too_few_or_of_different_numbers_of_rows_are_refused_for_a_hypernet_alone(tmp_path):
    few = small_recipe(2, 2)
    few = replace(few, tasks=replace(few.tasks, rows=24))
    zoo = write_store(tmp_path / "few", few)
    with pytest.raises(
        NetGraphError, match="few: tasks of 24 rows; a hypernet is trained on tasks of equally many rows, "
    ):
        config_for(zoo, VAEConfig(generator=GeneratorConfig()))
    assert config_for(zoo, VAEConfig()).max_nodes > 1
    zoo.recipes = [few, small_recipe(2, 2)]  # as of a merged zoo
    with pytest.raises(NetGraphError, match="few: tasks of 24 and 128 rows; "):
        config_for(zoo, VAEConfig(generator=GeneratorConfig()))


def test_networks_on_tasks_of_different_numbers_of_rows_share_a_batch(tmp_path):
    zoo = write_store(tmp_path, small_recipe(2, 2))
    examples = [replace(one, x=one.x[: 6 + i % 3]) for i, one in enumerate(examples_of(zoo))]
    (_, behavior), *_ = Batches(examples, config_for(zoo, CONFIG), TRAINING)
    assert behavior.x.shape[:2] == (len(examples), 12)

"""Networks of one small architecture, and a small model with a zoo that it was not trained on."""

from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest
import torch

from netgraph import NetGraph, NetVAE, canonicalize
from netgraph.graph import Architecture, make_layer
from netgraph.training import Batches, Example, TrainConfig, config_for
from netgraph.zoo import ZooRecipe, initialize
from tests.model.small import CONFIG, EVERYTHING
from tests.zoo.stores import build_here

LAYERS = [
    make_layer("Input", (), 3, "x"),
    make_layer("Linear", (0,), 4, "0"),
    make_layer("Tanh", (1,), 4, "1"),
    make_layer("Linear", (2,), 1, "2"),
]


def draw_graph(generator, layers=LAYERS):
    architecture = Architecture(tuple(layers))
    state = initialize(architecture, generator) + 0.1 * torch.randn(architecture.state_size, generator=generator)
    return canonicalize(NetGraph(architecture, state, torch.ones(architecture.num_nodes)))


@pytest.fixture(scope="session")
def graphs():
    generator = torch.Generator().manual_seed(0)
    return [draw_graph(generator) for _ in range(40)]


@pytest.fixture(scope="session")
def measured(tmp_path_factory):
    """A checkpoint of an untrained model, with the statistics of a zoo, and that zoo: 3 columns, 10 test tasks."""
    return measured_on(tmp_path_factory.mktemp("measured"), {})


@pytest.fixture(scope="session")
def classified(tmp_path_factory):
    """The same of classification tasks of 2 to 4 classes."""
    return measured_on(tmp_path_factory.mktemp("classified"), {"classes": {"number": (2, 4)}})


def measured_on(folder, modifiers):
    recipe = ZooRecipe.load("tiny").changed(
        n_tasks=14,
        n_test_tasks=10,
        nets_per_task=3,
        tasks_per_shard=14,
        tasks={"n_features": (3, 3), "modifiers": modifiers},
        architectures={
            "depths": {"1": 1, "2": 1},
            "widths": (2, 8),
            "activations": {"Tanh": 1, "ReLU": 1},
            "normalizations": {"none": 1},
            "skips": {"none": 1},
        },
        training={"steps": (30, 30), "least_r2": -1e9},
    )
    zoo = build_here(recipe, folder / "zoo")
    config = config_for(zoo, CONFIG)
    examples = [Example(graph, zoo.meta_features[graph.task]) for graph in zoo.stream()]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        vae = NetVAE.from_config(config)
    vae.fit_statistics(Batches(examples, config, TrainConfig()).networks)
    outputs = frozenset(range(1, config.max_outputs + 1))  # an untrained decoder writes what no zoo has
    vae.decoder.architecture.coverage = replace(EVERYTHING, outputs=outputs)
    vae.card = {"recipe": asdict(recipe)}
    vae.save(folder / "vae.safetensors")
    return SimpleNamespace(checkpoint=str(folder / "vae.safetensors"), zoo=str(folder / "zoo"), recipe=recipe)

"""What is measured of a model is measured on the held-out tasks of a zoo."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from netgraph import NetGraphError
from netgraph.evaluation import start_arms
from netgraph.evaluation.evaluate import evaluate_model
from netgraph.evaluation.warm_start import StartConfig
from netgraph.zoo import Zoo, ZooRecipe
from tests.model.small import untrained
from tests.zoo.stores import build_here


@pytest.fixture(scope="module")
def zoo(tmp_path_factory) -> Zoo:
    plain = {"activations": {"Tanh": 1.0}, "normalizations": {"none": 1.0}, "skips": {"none": 1.0}, "widths": (2, 8)}
    recipe = ZooRecipe.load("tiny").changed(
        n_tasks=3, n_test_tasks=2, architectures=plain, tasks={"n_features": (2, 4)}
    )
    return build_here(recipe, tmp_path_factory.mktemp("zoo"))


def test_held_out_networks_are_rebuilt_and_samples_drawn(zoo, monkeypatch):
    monkeypatch.setattr(start_arms, "StartConfig", partial(StartConfig, budgets=(0, 2), rates=(1e-2,)))
    found = evaluate_model(untrained(), zoo, n_samples=12, n_start_tasks=1)
    count = len(zoo.split("test"))
    assert found.figures["n_test"] == count
    assert found.figures["n_train"] == len(zoo.split("train"))
    assert found.figures["validity"] == 1
    assert len(found.samples) == 12
    assert found.latents.shape == (count, untrained().config.function_size)
    assert found.families == [zoo.tasks[zoo[i].task].family for i in zoo.split("test")]
    bad, middle, good = (pair[3] for pair in found.pairs)
    assert bad <= middle <= good
    again = evaluate_model(untrained(), zoo, n_samples=12, n_start_tasks=1)
    assert again.figures == found.figures
    assert torch.equal(again.latents, found.latents)


def test_a_zoo_without_held_out_networks_is_refused(tmp_path):
    recipe = replace(ZooRecipe.load("tiny"), n_tasks=2, n_test_tasks=0)
    zoo = build_here(recipe, tmp_path / "zoo")
    with pytest.raises(NetGraphError, match=r"zoo: no held-out networks; a recipe with n_test_tasks has some$"):
        evaluate_model(untrained(), zoo, 2, 1)


def test_one_held_out_network_is_too_few(tmp_path):
    networks = [torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1)) for _ in range(3)]
    rows = torch.randn(20, 2), torch.randn(20)
    zoo = Zoo.from_networks(networks, rows, tmp_path / "zoo", split=["train", "train", "test"])
    with pytest.raises(NetGraphError, match=r"zoo: 1 covered held-out network; figures of samples take at least 2$"):
        evaluate_model(untrained(), zoo, 2, 1)


def test_a_network_that_the_model_cannot_hold_is_named(tmp_path):
    recipe = ZooRecipe.load("tiny").changed(
        n_tasks=2, n_test_tasks=1, tasks={"n_features": (2, 4)}, architectures={"widths": (200, 210)}
    )
    zoo = build_here(recipe, tmp_path / "zoo")
    with pytest.raises(
        NetGraphError,
        match=r"^network 0: 2\d\d (nodes|vertices) in a hidden layer; this model was trained on 0 to 199$",
    ):
        evaluate_model(untrained(), zoo, 2, 1)

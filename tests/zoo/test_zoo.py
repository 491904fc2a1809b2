import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from netgraph import NetGraph, NetGraphError, Zoo, build_zoo, to_module
from netgraph.stack import Stack
from netgraph.zoo import FitConfig, ZooRecipe, fit_stack, verify_zoo
from netgraph.zoo.architectures import draw_architecture, initialize
from netgraph.zoo.build import make_shard

TINY = replace(ZooRecipe.load("tiny"), n_tasks=4, n_test_tasks=2, nets_per_task=4, tasks_per_shard=2, steps=40)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    return build_zoo(TINY, tmp_path_factory.mktemp("zoo"), workers=1, progress=False)


def files(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((root / "shards").glob("*.safetensors"))}


def test_every_network_is_sound_and_its_task_is_known(zoo):
    assert len(zoo) + zoo.excluded == 16
    for i in range(len(zoo)):
        graph = zoo[i]
        assert graph.validate()
        assert torch.isfinite(graph.sensitivity).all()
        assert graph.architecture.n_inputs == zoo.tasks[graph.task].n_features
        assert to_module(graph)(zoo.tasks[graph.task].x).shape == (64, 1)
    assert len(zoo.table) == len(zoo)
    assert zoo.meta_features.shape == (4, 37)


def test_no_task_is_in_both_splits(zoo):
    train, test = ({zoo[i].task for i in zoo.split(name)} for name in ("train", "test"))
    assert train == {0, 1}
    assert test == {2, 3}
    with pytest.raises(NetGraphError, match="unknown split"):
        zoo.split("dev")


def test_training_helps():
    shard = make_shard(replace(TINY, families={"linear": 1.0}, steps=200, n_tasks=2, n_test_tasks=1), 0)
    assert shard.columns["r2"].median() > 0.5


def test_the_same_recipe_gives_the_same_bytes_and_a_lost_shard_comes_back(zoo, tmp_path):
    again = build_zoo(TINY, tmp_path, workers=1, progress=False)
    assert files(tmp_path) == files(zoo.folder)
    first = tmp_path / "shards" / "00000.json"
    untouched = (tmp_path / "shards" / "00001.safetensors").stat().st_mtime_ns
    first.unlink()
    with pytest.raises(NetGraphError, match=r"00000\.json: no such file"):
        Zoo(tmp_path)[0]
    build_zoo(TINY, tmp_path, workers=1, progress=False)
    assert files(tmp_path) == files(again.folder)
    assert (tmp_path / "shards" / "00001.safetensors").stat().st_mtime_ns == untouched


def test_damage_and_other_versions_are_named(zoo, tmp_path):
    build_zoo(TINY, tmp_path, workers=1, progress=False)
    payload = tmp_path / "shards" / "00001.safetensors"
    flipped = bytearray(payload.read_bytes())
    flipped[-1] ^= 1
    payload.write_bytes(flipped)
    with pytest.raises(NetGraphError, match=r"00001\.safetensors: damaged"):
        verify_zoo(Zoo(tmp_path))
    record = tmp_path / "shards" / "00000.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"version": 99}))
    with pytest.raises(NetGraphError, match=r"00000\.json: version 99"):
        Zoo(tmp_path)[0]
    with pytest.raises(NetGraphError, match="another recipe"):
        build_zoo(replace(TINY, seed=5), tmp_path)
    with pytest.raises(NetGraphError, match="no such folder"):
        Zoo(tmp_path / "absent")
    with pytest.raises(NetGraphError, match="unknown engine"):
        build_zoo(TINY, tmp_path, engine="slurm")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("widht: [1, 2]", "unknown key 'widht'"),
        ("widths: [8, 4]", "widths"),
        ("widths: wide", "widths is 'wide'"),
        ("activations: {Softmax: 1.0}", "activations.Softmax"),
        ("skips: {Add: -1.0}", "skips.Add"),
        ("n_tasks: [", "not YAML"),
        ("- 3", "a recipe is a mapping"),
    ],
)
def test_what_is_wrong_in_a_recipe_is_named(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(NetGraphError, match=message) as caught:
        ZooRecipe.load(path)
    assert "mine.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(NetGraphError, match="no recipe 'absent'; known: full, quick, tiny"):
        ZooRecipe.load("absent")


def test_the_quick_recipe_is_the_default():
    assert ZooRecipe.load("quick") == ZooRecipe()


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 8), st.integers(0, 10_000))
def test_every_drawn_architecture_is_valid(n_inputs, seed):
    recipe = replace(ZooRecipe(), skips={"none": 1.0, "Add": 1.0, "Concat": 1.0}, bias=0.5)
    architecture = draw_architecture(recipe, n_inputs, torch.Generator().manual_seed(seed))
    architecture.validate()
    assert architecture.n_outputs == 1


def test_stacked_training_is_one_by_one_training():
    generator = torch.Generator().manual_seed(0)
    architectures = [draw_architecture(ZooRecipe(), 3, generator) for _ in range(4)]
    states = [initialize(architecture, generator) for architecture in architectures]
    stack = Stack(architectures)
    x = torch.randn(32, 3, generator=generator)
    rows = x.expand(4, -1, -1), x.sum(1)[None, :, None].expand(4, -1, -1)
    config = replace(FitConfig.uniform(4, steps=50, batch_rows=32, learning_rate=1e-2), clip=1e9)
    fitted = fit_stack(stack, stack.flatten(states), rows, rows, config, torch.Generator().manual_seed(1))
    for architecture, start, state in zip(architectures, states, fitted.states, strict=True):
        module = to_module(NetGraph(architecture, start)).train()
        _train_alone(module, x, x.sum(1)[:, None])
        assert torch.allclose(module(x), to_module(NetGraph(architecture, state.clone()))(x), atol=5e-3)


def _train_alone(module: nn.Module, x: torch.Tensor, y: torch.Tensor) -> None:
    optimizer = torch.optim.Adam(module.parameters(), 1e-2, (0.9, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 50)
    for _ in range(50):
        optimizer.zero_grad()
        (module(x) - y).square().mean().backward()
        optimizer.step()
        schedule.step()
    module.eval()


def test_local_processes_build_the_same_zoo(zoo, tmp_path):
    build_zoo(TINY, tmp_path, workers=2, progress=False)
    assert files(tmp_path) == files(zoo.folder)

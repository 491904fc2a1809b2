import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from netgraph import NetGraph, NetGraphError, Zoo, build_zoo, to_module
from netgraph.stack import Stack
from netgraph.zoo import FitConfig, verify_zoo
from netgraph.zoo.architectures import ArchitectureRecipe, draw_architecture
from netgraph.zoo.fitting import fit_stack
from netgraph.zoo.initial import initialize
from netgraph.zoo.make_shard import make_shard
from tests.zoo.stores import SMALL, build_here


@pytest.fixture
def zoo(small_zoo):
    return small_zoo


def files(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((root / "shards").glob("*.safetensors"))}


def test_every_network_is_sound_and_its_task_is_known(zoo):
    assert len(zoo) + zoo.excluded == 18
    for i in range(len(zoo)):
        graph = zoo[i]
        assert graph.validate()
        assert torch.isfinite(graph.sensitivity).all()
        assert graph.architecture.n_inputs == zoo.tasks[graph.task].n_features
        assert to_module(graph)(zoo.tasks[graph.task].x).shape == (32, 1)
    assert len(zoo.table) == len(zoo)
    assert zoo.meta_features.shape == (6, 37)


def test_no_task_is_in_both_splits(zoo):
    train, test = ({zoo[i].task for i in zoo.split(name)} for name in ("train", "test"))
    assert train == {0, 1, 2}
    assert test == {3, 4, 5}
    with pytest.raises(NetGraphError, match="unknown split"):
        zoo.split("dev")


def test_training_helps():
    linear = {"rows": 64, "families": {"linear": 1.0}}
    recipe = SMALL.changed(n_tasks=2, n_test_tasks=1, nets_per_task=4, tasks=linear, training={"steps": (200, 200)})
    shard = make_shard(recipe, 0)
    assert shard.columns["r2"].median() > 0.5


def test_the_same_recipe_gives_the_same_bytes_and_a_lost_shard_comes_back(zoo, tmp_path):
    again = build_here(SMALL, tmp_path)
    assert files(tmp_path) == files(zoo.folder)
    first = tmp_path / "shards" / "00000.json"
    untouched = (tmp_path / "shards" / "00001.safetensors").stat().st_mtime_ns
    first.unlink()
    with pytest.raises(NetGraphError, match=r"00000\.json: no such file"):
        Zoo(tmp_path)[0]
    build_here(SMALL, tmp_path)
    assert files(tmp_path) == files(again.folder)
    assert (tmp_path / "shards" / "00001.safetensors").stat().st_mtime_ns == untouched


def test_damage_and_other_versions_are_named(zoo, tmp_path):
    build_here(SMALL, tmp_path)
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
    with pytest.raises(NetGraphError, match="another recipe: seed is 0 there and 5 here; choose another folder"):
        build_zoo(replace(SMALL, seed=5), tmp_path)
    with pytest.raises(NetGraphError, match="no such folder"):
        Zoo(tmp_path / "absent")
    with pytest.raises(NetGraphError, match="unknown engine"):
        build_zoo(SMALL, tmp_path, engine="slurm")


def test_stacked_training_is_one_by_one_training():
    generator = torch.Generator().manual_seed(0)
    architectures = [draw_architecture(ArchitectureRecipe(), 3, generator) for _ in range(4)]
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


@pytest.mark.parametrize(
    ("key", "name", "message"), [("real", "nonsense", "nonsense"), ("real_test", "linnerud", "20 rows")]
)
def test_real_data_sets_are_tried_before_anything_is_trained(tmp_path, key, name, message):
    with pytest.raises(NetGraphError, match=f"^{key}: .*{message}"):
        build_zoo(SMALL.changed(**{key: [name]}), tmp_path, workers=1, progress=False)
    assert not (tmp_path / "zoo.json").exists()


def test_a_build_that_fails_at_once_claims_no_folder(tmp_path):
    with pytest.raises(NetGraphError, match="workers is 0"):
        build_zoo(SMALL.changed(seed=3), tmp_path, workers=0, progress=False)
    build_here(SMALL.changed(n_tasks=1, n_test_tasks=0), tmp_path)
    with pytest.raises(NetGraphError, match="device 'tpu'"):
        build_zoo(SMALL, tmp_path, device="tpu")


def test_real_data_sets_are_the_first_and_the_last_tasks(tmp_path):
    recipe = SMALL.changed(real=["diabetes"], real_test=["wine"], tasks={"n_features": (2, 8)})
    built = build_here(recipe, tmp_path)
    assert [built.tasks[0].family, built.tasks[5].family] == ["diabetes", "wine"]
    assert all(task.n_features <= 8 and task.rows == 32 for task in built.tasks)
    assert {built[i].task for i in built.split("test")} <= {3, 4, 5}


def test_a_state_of_the_trajectory_is_the_network_that_it_was():
    """With BatchNorm1d too, whose running statistics no step of ours keeps."""
    recipe = SMALL.changed(
        architectures={
            "normalizations": {"BatchNorm1d": 1.0},
            "activations": {"Identity": 1.0},
            "skips": {"none": 1.0},
        },
        training={"steps": (50, 50), "trajectory": (0, 50)},
    )
    shard = make_shard(recipe, 0)
    assert shard.columns["best_step"].eq(50).all()
    start = 0
    for graph, task in zip(shard.graphs, shard.task.tolist(), strict=True):
        size = graph.architecture.state_size
        kept = graph.replace(state=shard.trajectory[1, start : start + size])
        start += size
        x = shard.tasks[task].x
        torch.testing.assert_close(to_module(kept)(x), to_module(graph)(x), atol=1e-4, rtol=1e-4)

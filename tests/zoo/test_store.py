import copy
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch_geometric.loader import DataLoader

from netgraph import NetGraphError, Zoo, build_zoo
from netgraph.errors import StoreError
from netgraph.files import write_tensors
from netgraph.zoo import ZooRecipe, describe_zoo, merge_zoos, verify_zoo
from netgraph.zoo.manifest import ShardEntry, read_manifest, write_manifest
from netgraph.zoo.open_shard import OpenShard
from netgraph.zoo.store import shard_name
from tests.zoo.stores import random_shard, small_recipe, write_store

TINY = ZooRecipe.load("tiny").changed(
    n_tasks=6, n_test_tasks=3, nets_per_task=3, tasks_per_shard=2, tasks={"rows": 32}, training={"steps": (20, 20)}
)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    return build_zoo(TINY, tmp_path_factory.mktemp("zoo"), workers=1, progress=False)


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    recipe = replace(TINY, n_tasks=2, n_test_tasks=1, seed=5)
    return build_zoo(recipe, tmp_path_factory.mktemp("other"), workers=1, progress=False)


def checksums(root: Path) -> list[str]:
    return [row["sha256"] for row in json.loads((root / "manifest.json").read_text())["shards"]]


def test_opening_a_zoo_of_a_million_networks_reads_its_manifest_only(zoo, tmp_path):
    (tmp_path / "zoo.json").write_text((zoo.folder / "zoo.json").read_text())
    shard = ShardEntry("00000", "0" * 64, [25] * 40, [False] * 30 + [True] * 10, 0, 1.0)
    write_manifest(tmp_path, [replace(shard, name=shard_name(number)) for number in range(1000)])
    large = Zoo(tmp_path)
    assert len(large) == 1_000_000
    assert len(large.tasks) == 40_000
    assert len(large.split("test")) == 250_000
    with pytest.raises(StoreError, match=r"00999\.json: no such file"):
        large[999_999]


def test_random_access_and_streaming_give_the_same_networks(zoo):
    streamed = list(zoo.stream())
    assert len(streamed) == len(zoo)
    for i in torch.randperm(len(zoo), generator=torch.Generator().manual_seed(0)).tolist():
        assert torch.equal(zoo[i].state, streamed[i].state)
        assert zoo[i].architecture == streamed[i].architecture
        assert (zoo[i].task, zoo[i].r2) == (streamed[i].task, streamed[i].r2)
    assert [graph.task for graph in zoo.stream([7, 2])] == [zoo[2].task, zoo[7].task]


def test_few_shards_are_open_at_once(zoo, monkeypatch):
    monkeypatch.setattr("netgraph.zoo.zoo.OPEN_SHARDS", 2)
    again = Zoo(zoo.folder)
    list(again.stream())
    assert list(again._open) == [1, 2]


def test_a_zoo_travels_to_the_workers_of_a_loader(zoo):
    zoo[0]
    other = copy.deepcopy(zoo)
    assert torch.equal(other[3].state, zoo[3].state)
    loader = DataLoader(zoo, batch_size=4, num_workers=1, multiprocessing_context="spawn")
    assert sum(batch.num_graphs for batch in loader) == len(zoo)


def test_tasks_are_read_when_asked_for(zoo):
    assert len(zoo.tasks) == 6
    assert zoo.tasks[-1].seed == zoo.task(5).seed
    assert [task.seed for task in zoo.tasks[4:]] == [zoo.task(4).seed, zoo.task(5).seed]
    with pytest.raises(IndexError):
        zoo.tasks[6]


def test_the_table_has_a_row_for_every_network(zoo):
    table = zoo.table
    assert len(table) == len(zoo)
    assert table["task"].tolist() == [graph.task for graph in zoo.stream()]
    assert set(table["split"]) == {"train", "test"}
    assert table["architecture"].tolist() == [graph.architecture.digest for graph in zoo.stream()]
    assert table["layers"].tolist() == [repr(graph.architecture) for graph in zoo.stream()]
    assert {"validation_r2", "best_step", "steps", "seed_index", "learning_rate", "weight_decay"} <= set(table)
    assert set(table["optimizer"]) == {"adamw"}


def test_zoos_merge_and_keep_their_splits(zoo, other, tmp_path):
    before = checksums(zoo.folder)
    merged = merge_zoos([zoo.folder, other.folder], tmp_path / "both")
    assert len(merged) == len(zoo) + len(other)
    assert torch.equal(merged[len(zoo)].state, other[0].state)
    assert merged[len(zoo)].task == 6 + other[0].task
    assert merged.tasks[6].seed == other.tasks[0].seed
    expected = zoo.split("test") + [len(zoo) + i for i in other.split("test")]
    assert merged.split("test") == expected
    assert torch.equal(merged.meta_features, torch.cat([zoo.meta_features, other.meta_features]))
    assert verify_zoo(merged) == len(merged)
    assert checksums(zoo.folder) == before
    assert len(merged.recipes) == 2
    with pytest.raises(NetGraphError, match="2 recipes"):
        _ = merged.recipe


def test_zoos_that_share_a_task_do_not_merge(zoo, tmp_path):
    with pytest.raises(NetGraphError, match="both hold task"):
        merge_zoos([zoo.folder, zoo.folder], tmp_path / "twice")
    with pytest.raises(StoreError, match="not empty"):
        merge_zoos([zoo.folder], zoo.folder)


def test_a_shard_of_another_build_is_noticed(zoo, other, tmp_path):
    merged = merge_zoos([zoo.folder], tmp_path / "copy")
    for suffix in (".json", ".safetensors"):
        target = merged.folder / "shards" / f"00000{suffix}"
        target.unlink()
        target.write_bytes((other.folder / "shards" / f"00000{suffix}").read_bytes())
    with pytest.raises(StoreError, match=r"00000\.safetensors: not the shard of the manifest"):
        verify_zoo(Zoo(merged.folder))


def test_a_shard_cut_short_is_named(zoo, tmp_path):
    linked = merge_zoos([zoo.folder], tmp_path / "copy")
    path = linked.folder / "shards" / "00002.safetensors"
    payload = path.read_bytes()
    path.unlink()
    path.write_bytes(payload[:-100])
    assert linked[0].validate()
    with pytest.raises(StoreError, match=r"00002\.safetensors: damaged"):
        Zoo(linked.folder)[len(zoo) - 1]


def test_copies_are_counted(tmp_path):
    recipe = small_recipe(n_tasks=2, tasks_per_shard=2)
    shard = random_shard(0, 2, nets=4)
    seeds = torch.tensor([0, 1, 2, 0] * 2)
    zoo = write_store(tmp_path, recipe, make=lambda *_: replace(shard, columns=shard.columns | {"seed_index": seeds}))
    assert "; 4 networks are copies from other seeds" in describe_zoo(zoo)


def test_a_manifest_that_counts_otherwise_is_named(tmp_path):
    zoo = write_store(tmp_path, small_recipe(n_tasks=2, tasks_per_shard=2))
    (entry,) = read_manifest(tmp_path)
    write_manifest(tmp_path, [replace(entry, networks=[4, 2])])
    with pytest.raises(StoreError, match=r"manifest\.json: counts other networks than shard 00000 has"):
        verify_zoo(Zoo(zoo.folder))


def test_a_changed_record_is_named(tmp_path):
    zoo = write_store(tmp_path, small_recipe(n_tasks=2, tasks_per_shard=2))
    path = tmp_path / "shards" / "00000.json"
    path.write_text(path.read_text().replace('"family": "noise"', '"family": "voice"'))
    with pytest.raises(StoreError, match=r"00000\.json: damaged"):
        verify_zoo(Zoo(zoo.folder))


def test_an_incomplete_zoo_says_so(zoo, tmp_path):
    (tmp_path / "zoo.json").write_text((zoo.folder / "zoo.json").read_text())
    with pytest.raises(StoreError, match="not complete; build_zoo completes it"):
        Zoo(tmp_path)


def test_the_description_counts_everything(zoo):
    text = describe_zoo(zoo)
    assert f"{len(zoo)} (" in text
    assert "distinct" in text
    assert "copies" not in text
    assert "\n\n" not in text


@pytest.mark.parametrize("shards", [0, 1, 2])
def test_a_build_that_is_killed_goes_on_to_the_same_content(zoo, tmp_path, shards):
    code = "import sys; from tests.zoo.test_store import TINY, build_zoo; build_zoo(TINY, sys.argv[1], workers=1)"
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("shards/*.json"))) < shards or not (tmp_path / "zoo.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    build_zoo(TINY, tmp_path, workers=1, progress=False)
    assert checksums(tmp_path) == checksums(zoo.folder)


def test_an_old_shard_format_is_named(zoo, tmp_path):
    write_tensors(tmp_path / "shards" / "00000.safetensors", {"x": torch.zeros(1)}, "netgraph.Zoo.shard", 2, {})
    with pytest.raises(StoreError, match=r"00000\.json: version 2; this netgraph reads version 3"):
        OpenShard(tmp_path, "00000", "")

import copy
import json
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from torch_geometric.loader import DataLoader

from netgraph import NetGraphError, Zoo, files
from netgraph.errors import StoreError
from netgraph.files import write_own_record, write_tensors
from netgraph.zoo import describe_zoo, merge_zoos, verify_zoo
from netgraph.zoo.manifest import ShardEntry, read_manifest, write_manifest
from netgraph.zoo.open_shard import OpenShard
from netgraph.zoo.storage import encode
from tests.commands import PATIENCE
from tests.zoo.stores import SMALL, build_here, checksums, random_shard, small_recipe, write_store


@pytest.fixture
def zoo(small_zoo):
    return Zoo(small_zoo.folder)


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return build_here(replace(SMALL, n_tasks=2, n_test_tasks=1, seed=5), tmp_path_factory.mktemp("other"))


def test_opening_a_zoo_of_a_million_networks_reads_its_manifest_only(zoo, tmp_path):
    (tmp_path / "zoo.json").write_text((zoo.folder / "zoo.json").read_text())
    shard = ShardEntry("00000", "0" * 64, [25] * 40, [False] * 30 + [True] * 10, 0, 1.0)
    write_manifest(tmp_path, [replace(shard, name=f"{number:05d}") for number in range(1000)])
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
    monkeypatch.setattr("netgraph.zoo.shards.OPEN_SHARDS", 2)
    again = Zoo(zoo.folder)
    list(again.stream())
    assert list(again._shards._open) == [1, 2]


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
    assert "; 4 networks repeat an architecture of their task" in describe_zoo(zoo)


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


@pytest.mark.parametrize("name", ["manifest.json", "zoo.json"])
def test_a_changed_word_in_the_records_of_a_zoo_is_named(tmp_path, name):
    recipe = small_recipe(n_tasks=2, tasks_per_shard=2)
    write_store(tmp_path, recipe)
    values = {"digest": recipe.digest, "recipes": [asdict(recipe)]}
    write_own_record(tmp_path / "zoo.json", "netgraph.Zoo", 2, values)
    assert Zoo(tmp_path).recipe == recipe
    before, after = ("[false, true]", "[true, false]") if name == "manifest.json" else ('"seed": 0', '"seed": 1')
    text = (tmp_path / name).read_text()
    assert before in text
    (tmp_path / name).write_text(text.replace(before, after))
    with pytest.raises(StoreError, match=f"{name}: damaged, it is not the record that was written"):
        Zoo(tmp_path)


def test_a_manifest_without_a_checksum_says_what_to_do(tmp_path):
    write_store(tmp_path, small_recipe(n_tasks=2, tasks_per_shard=2))
    record = json.loads((tmp_path / "manifest.json").read_text())
    del record["record_sha256"]
    (tmp_path / "manifest.json").write_text(json.dumps(record))
    with pytest.raises(StoreError, match=r"manifest\.json: damaged.*; delete it and build again, or merge again"):
        Zoo(tmp_path)


@pytest.mark.parametrize(("dropped", "added"), [("excluded", "excludeX"), ("seconds", None), (None, "more")])
def test_a_manifest_with_other_keys_is_named(tmp_path, dropped, added):
    write_store(tmp_path, small_recipe(n_tasks=2, tasks_per_shard=2))
    (row,) = json.loads((tmp_path / "manifest.json").read_text())["shards"]
    row = {key: value for key, value in row.items() if key != dropped} | ({added: 0} if added else {})
    write_own_record(tmp_path / "manifest.json", "netgraph.Zoo.manifest", 2, {"shards": [row]})
    with pytest.raises(StoreError, match=rf"manifest\.json: damaged: shards\.0.*{added or dropped}"):
        Zoo(tmp_path)


@pytest.mark.parametrize("key", ["digest", "recipes"])
def test_a_record_of_a_zoo_that_lacks_a_key_is_named(tmp_path, key):
    write_store(tmp_path, small_recipe(n_tasks=2, tasks_per_shard=2))
    record = json.loads((tmp_path / "zoo.json").read_text())
    del record[key]
    (tmp_path / "zoo.json").write_text(json.dumps(record))
    with pytest.raises(StoreError, match=rf"zoo\.json: has no '{key}'"):
        Zoo(tmp_path)


def test_a_damaged_shard_says_what_to_do_unless_the_zoo_was_merged(tmp_path):
    zoo = write_store(tmp_path / "zoo", small_recipe(n_tasks=2, tasks_per_shard=2))
    merged = merge_zoos([zoo.folder], tmp_path / "merged")
    path = zoo.shard(0).path
    flipped = bytearray(path.read_bytes())
    flipped[-1] ^= 1
    path.write_bytes(flipped)
    message = r"00000\.safetensors: damaged, its sha256 is not the one in 00000\.json"
    with pytest.raises(StoreError, match=message + r"; delete .*00000\.\*, and build_zoo makes the shard again$"):
        verify_zoo(zoo)
    with pytest.raises(StoreError, match=message + "$"):
        verify_zoo(merged)


def test_random_access_hashes_each_shard_once(zoo, monkeypatch):
    hashed = []

    def counting(file, name, original=files.hashlib.file_digest):
        hashed.append(Path(file.name).stem)
        return original(file, name)

    monkeypatch.setattr("netgraph.zoo.shards.OPEN_SHARDS", 1)
    monkeypatch.setattr(files, "_hashed", {})
    monkeypatch.setattr(files.hashlib, "file_digest", counting)
    again = Zoo(zoo.folder)
    for _ in range(3):
        for i in range(0, len(zoo), 3):
            again[i].validate()
    assert hashed == ["00000", "00001", "00002"]
    verify_zoo(again)
    assert hashed == ["00000", "00001", "00002"] * 2


def test_an_incomplete_zoo_says_so(zoo, tmp_path):
    (tmp_path / "zoo.json").write_text((zoo.folder / "zoo.json").read_text())
    with pytest.raises(StoreError, match="not complete; build_zoo completes it"):
        Zoo(tmp_path)


def test_the_description_counts_everything(zoo, tmp_path):
    shutil.copytree(zoo.folder, tmp_path / "zoo")
    files = [path for path in (tmp_path / "zoo").rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    (tmp_path / "zoo" / "shards" / ".00000.json.x.tmp").write_bytes(bytes(10**6))
    shown = dict(
        re.split(r"\s{2,}|(?<=validation R2)\s+", line) for line in describe_zoo(Zoo(tmp_path / "zoo")).split("\n")
    )
    table, families = zoo.table, Counter(task.family for task in zoo.tasks)
    held_out = len(zoo.split("test"))
    assert shown["networks"] == f"{len(zoo)} ({len(zoo) - held_out} train, {held_out} test)"
    assert shown["architectures"] == f"{table['architecture'].nunique()} distinct"
    assert shown["parameters"] == f"{table['n_parameters'].min():,} to {table['n_parameters'].max():,}"
    assert shown["tasks"].startswith("6: ")
    assert all(f"{name} {count}" in shown["tasks"] for name, count in families.items())
    quantiles = table["validation_r2"].astype(float).quantile([0.05, 0.25, 0.5, 0.75, 0.95])
    assert shown["validation R2"] == ", ".join(f"{q:.0%} {value:.2f}" for q, value in quantiles.items())
    assert shown["left out"].startswith(f"{zoo.excluded}")
    assert shown["on disk"] == f"{size / 1e6:.1f} MB in 3 shards"
    assert shown["training"] == f"{zoo.train_seconds:.1f} s, summed over processes"


def test_the_description_opens_each_shard_once(zoo, monkeypatch):
    opened = []

    def counting(self, path, sha256, *, again=False, original=OpenShard.__init__):
        opened.append(path.stem)
        original(self, path, sha256, again=again)

    monkeypatch.setattr("netgraph.zoo.shards.OPEN_SHARDS", 1)
    monkeypatch.setattr(OpenShard, "__init__", counting)
    describe_zoo(Zoo(zoo.folder))
    assert opened == ["00000", "00001", "00002"]


def test_a_zoo_in_which_no_network_was_kept_is_described(tmp_path):
    shown = describe_zoo(write_store(tmp_path, small_recipe(n_tasks=2, tasks_per_shard=2), nets=0))
    assert "networks       0 (0 train, 0 test)" in shown
    assert shown.count("no network was kept") == 2
    assert "nan" not in shown


def test_a_part_of_a_zoo_is_neither_described_nor_verified(zoo):
    for look in (describe_zoo, verify_zoo):
        with pytest.raises(NetGraphError, match="a part of 2 networks; give the whole zoo"):
            look(zoo[:2])


BUILD = """
import sys
from pathlib import Path
from tests.zoo.stores import SMALL, build_here

build_here(SMALL, Path(sys.argv[1]))
"""


@pytest.mark.parametrize("shards", [0, 2])
def test_a_build_that_is_killed_goes_on_to_the_same_content(zoo, tmp_path, shards):
    child = subprocess.Popen([sys.executable, "-c", BUILD, str(tmp_path)], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + PATIENCE
    while len(list(tmp_path.glob("shards/*.json"))) < shards or not (tmp_path / "zoo.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.001)
    child.kill()
    child.wait()
    build_here(SMALL, tmp_path)
    assert checksums(tmp_path) == checksums(zoo.folder)


def test_an_old_shard_format_is_named(zoo, tmp_path):
    write_tensors(tmp_path / "shards" / "00000.safetensors", {"x": torch.zeros(1)}, "netgraph.Zoo.shard", 2, {})
    with pytest.raises(StoreError, match=r"00000\.json: version 2; this netgraph reads version 3"):
        OpenShard(tmp_path / "shards" / "00000.safetensors", "")


def test_a_task_of_one_output_is_stored_as_older_zoos_have_it_and_several_outputs_come_back(tmp_path):
    shard = random_shard(0, 1)
    (task,) = shard.tasks
    two = replace(task, y=task.y.repeat(1, 2), y_mean=task.y_mean.repeat(2), y_scale=task.y_scale.repeat(2))
    for number, stored in enumerate((task, two)):
        encoded = encode(replace(shard, tasks=[stored]), "recipe")
        path = tmp_path / f"{number}.safetensors"
        encoded.write(path)
        opened = OpenShard(path, encoded.record["sha256"])
        read = opened.task(0)
        assert all(torch.equal(getattr(read, name), getattr(stored, name)) for name in ("y", "y_mean", "y_scale"))
        assert read.loss == "squared_error"
        if stored is task:
            assert opened.tensor("tasks.0.y").shape == (12,)
            assert opened.record["tasks"][0]["y_mean"] == float(task.y_mean)
            del opened.record["tasks"][0]["loss"]  # which older zoos do not name
            assert opened.task(0).loss == "squared_error"

import math

import pytest
import torch

from netgraph import files
from netgraph.errors import StoreError
from netgraph.zoo import merge_zoos, verify_zoo
from netgraph.zoo.build import clear_leftovers, shard_exists
from netgraph.zoo.make_shard import encode_parts
from netgraph.zoo.open_shard import OpenShard
from netgraph.zoo.storage import read_job, shard_path, write_parts
from tests.zoo.stores import random_shard, small_recipe, write_store

SHARD = random_shard(10, 8, nets=4, widths=(4, 9), checkpoints=2)
LIMIT = 25_000


class CrashError(RuntimeError):
    """The process ends here."""


def test_a_small_shard_is_one_file():
    (part,) = encode_parts(SHARD, "recipe")
    assert part.record["parts"] == []
    assert part.record["networks"] == [4] * 8


@pytest.mark.parametrize("limit", [1, 8_000, 15_000, LIMIT])
def test_a_large_shard_is_cut_between_tasks(tmp_path, limit):
    parts = encode_parts(SHARD, "recipe", limit)
    counts = [part.record["networks"] for part in parts]
    assert len(parts) > 1
    assert all(len(part.payload) <= limit or len(count) == 1 for part, count in zip(parts, counts, strict=True))
    assert [one for count in counts for one in count] == [4] * 8
    firsts = [part.record["first_task"] for part in parts]
    assert firsts == [10 + sum(map(len, counts[:i])) for i in range(len(parts))]
    assert math.isclose(sum(part.record["seconds"] for part in parts), SHARD.seconds)
    assert [row["task"] for part in parts for row in part.record["excluded"]] == [
        i for n in counts for i in range(len(n))
    ]
    write_parts(tmp_path, 3, encode_parts(SHARD, "recipe", limit))
    assert list(read_job(tmp_path, 3)) == [shard_path(tmp_path, 3, i).stem for i in range(len(parts))]
    at, task = 0, 0
    for i, part in enumerate(parts):
        opened = OpenShard(shard_path(tmp_path, 3, i), part.record["sha256"])
        assert torch.equal(opened.tensor("meta_features"), SHARD.meta_features[task : task + len(counts[i])])
        for network in range(len(opened)):
            same(opened, network, at)
            at += 1
        for number in range(len(counts[i])):
            assert torch.equal(opened.task(number).x, SHARD.tasks[task].x)
            task += 1
    assert at == len(SHARD.graphs)


def same(opened: OpenShard, network: int, at: int) -> None:
    graph, expected = opened.graph(network), SHARD.graphs[at]
    assert graph.architecture == expected.architecture
    assert torch.equal(graph.state, expected.state)
    assert torch.equal(graph.sensitivity, expected.sensitivity)
    assert opened.columns["r2"][network] == SHARD.columns["r2"][at]
    first = sum(len(one.state) for one in SHARD.graphs[:at])
    assert torch.equal(opened.trajectory(network), SHARD.trajectory[:, first : first + len(expected.state)])


def test_a_shard_may_be_without_networks(tmp_path):
    empty = random_shard(0, 2, nets=0)
    write_parts(tmp_path, 0, encode_parts(empty, "recipe"))
    opened = OpenShard(shard_path(tmp_path, 0), encode_parts(empty, "recipe")[0].record["sha256"])
    assert len(opened) == 0
    assert opened.task(1).seed == 1


def test_a_zoo_of_parts_is_the_zoo_of_whole_shards(tmp_path):
    recipe = small_recipe(n_tasks=10, tasks_per_shard=4)
    whole = write_store(tmp_path / "whole", recipe, nets=3)
    cut = write_store(tmp_path / "cut", recipe, max_bytes=5_000, nets=3)
    assert cut.n_shards > whole.n_shards == 3
    assert verify_zoo(cut) == len(whole) == 30
    assert cut.split("test") == whole.split("test")
    assert torch.equal(cut.meta_features, whole.meta_features)
    assert cut.table.equals(whole.table)
    assert [task.seed for task in cut.tasks] == list(range(10))
    for a, b in zip(cut.stream(), whole.stream(), strict=True):
        assert torch.equal(a.state, b.state)
        assert a.task == b.task
    merged = merge_zoos([cut.folder], tmp_path / "merged")
    assert verify_zoo(merged) == 30
    assert torch.equal(merged[29].state, whole[29].state)


@pytest.mark.parametrize("over", [False, True])
def test_a_crash_in_any_write_leaves_the_job_undone_or_done(tmp_path, monkeypatch, over):
    """Where a shard is written over, it is there at every moment."""
    parts = encode_parts(SHARD, "recipe", LIMIT)
    writes = (3 if over else 2) * len(parts)
    for survives in range(writes):
        root = tmp_path / str(survives)
        if over:
            write_parts(root, 0, parts)
        done = []

        def crashing(target, payload, original=files.write_atomically, done=done, survives=survives):
            if len(done) == survives:
                raise CrashError
            done.append(target)
            original(target, payload)

        with monkeypatch.context() as patched:
            patched.setattr(files, "write_atomically", crashing)
            with pytest.raises(CrashError):
                write_parts(root, 0, parts)
        assert shard_exists(root, 0, "recipe") is over
        write_parts(root, 0, parts)
        assert shard_exists(root, 0, "recipe")
        for i, part in enumerate(parts):
            assert len(OpenShard(shard_path(root, 0, i), part.record["sha256"])) == sum(part.record["networks"])


def test_a_part_that_is_lost_or_of_another_cut_is_missed(tmp_path):
    write_parts(tmp_path, 0, encode_parts(SHARD, "recipe", LIMIT))
    last = shard_path(tmp_path, 0, 1).with_suffix(".json")
    kept = last.read_bytes()
    last.unlink()
    assert not shard_exists(tmp_path, 0, "recipe")
    last.write_bytes(kept)
    assert shard_exists(tmp_path, 0, "recipe")
    encode_parts(SHARD, "recipe", LIMIT // 2)[1].write(shard_path(tmp_path, 0, 1))
    assert not shard_exists(tmp_path, 0, "recipe")


@pytest.mark.parametrize("part", [0, 1])
def test_tensors_that_are_lost_or_cut_short_are_missed(tmp_path, part):
    write_parts(tmp_path, 0, encode_parts(SHARD, "recipe", LIMIT))
    path = shard_path(tmp_path, 0, part)
    payload = path.read_bytes()
    path.write_bytes(payload[:-1])
    assert not shard_exists(tmp_path, 0, "recipe")
    path.unlink()
    assert not shard_exists(tmp_path, 0, "recipe")
    path.write_bytes(payload)
    assert shard_exists(tmp_path, 0, "recipe")


def test_a_damaged_record_says_what_to_do(tmp_path):
    write_parts(tmp_path, 0, encode_parts(SHARD, "recipe", LIMIT))
    path = shard_path(tmp_path, 0, 1).with_suffix(".json")
    path.write_text(path.read_text().replace("noise", "voice"))
    with pytest.raises(StoreError, match=r"00000-1\.json: damaged.*; delete .*00000-1\.\*, and build_zoo makes"):
        shard_exists(tmp_path, 0, "recipe")
    for one in path.parent.glob("00000-1.*"):
        one.unlink()
    assert not shard_exists(tmp_path, 0, "recipe")


def test_leftovers_of_a_killed_write_are_removed(tmp_path):
    clear_leftovers(tmp_path)
    write_parts(tmp_path, 0, encode_parts(SHARD, "recipe"))
    (tmp_path / "shards" / ".00001.json.abc.tmp").touch()
    clear_leftovers(tmp_path)
    assert sorted(path.name for path in (tmp_path / "shards").iterdir()) == ["00000.json", "00000.safetensors"]
    (tmp_path / "shards" / ".folder.tmp").mkdir()
    with pytest.raises(StoreError, match=r"\.folder\.tmp: "):
        clear_leftovers(tmp_path)

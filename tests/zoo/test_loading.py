import subprocess
import sys
from dataclasses import fields

import pytest
import torch

from netgraph import NetGraphError, Zoo, tokenize
from netgraph.errors import OutOfRangeError
from netgraph.tokens import TokenBatch
from netgraph.zoo import describe_zoo, verify_zoo
from netgraph.zoo.manifest import read_manifest, write_manifest
from netgraph.zoo.storage import Shard
from tests.zoo.stores import random_shard, small_recipe, write_store


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    return write_store(
        tmp_path_factory.mktemp("zoo"), small_recipe(n_tasks=11, tasks_per_shard=4), nets=5, widths=(1, 7)
    )


def assert_same(a: TokenBatch, b: TokenBatch) -> None:
    assert a.names == b.names
    assert a.general == b.general == {}
    for name in (field.name for field in fields(a) if field.name not in ("names", "general")):
        one, other = getattr(a, name), getattr(b, name)
        assert one.dtype == other.dtype, name
        assert torch.equal(one, other), name


@pytest.mark.parametrize(("batch_size", "chunk"), [(1, 16), (7, 3), (20, 1), (24, 16), (1000, 16)])
def test_token_batches_are_the_tokens_of_the_stream(zoo, batch_size, chunk):
    graphs = list(zoo.stream())
    batches = list(zoo.token_batches(batch_size, chunk=chunk))
    assert sum(map(len, batches)) == len(graphs) == 55
    for start, batch in zip(range(0, len(graphs), batch_size), batches, strict=True):
        assert_same(batch, tokenize(graphs[start : start + batch_size], chunk))


@pytest.mark.parametrize("name", ["train", "test"])
def test_the_networks_of_a_split_are_tokenized(zoo, name):
    batches = list(zoo.token_batches(8, zoo.split(name)))
    assert_same(batches[-1], tokenize(list(zoo.stream(zoo.split(name)))[-len(batches[-1]) :]))
    assert sum(map(len, batches)) == len(zoo.split(name))


def test_any_networks_are_tokenized_in_rising_order(zoo):
    (batch,) = zoo.token_batches(indices=[54, 0, 21, 20, -2])
    assert_same(batch, tokenize([zoo[i] for i in (0, 20, 21, 53, 54)]))
    (part,) = zoo[30:33].token_batches()
    assert_same(part, tokenize([zoo[i] for i in (30, 31, 32)]))
    assert list(zoo.token_batches(indices=[])) == []


def test_sizes_below_one_are_refused(zoo):
    with pytest.raises(NetGraphError, match="batch_size is 0"):
        next(zoo.token_batches(0))
    with pytest.raises(NetGraphError, match="chunk is 0"):
        next(zoo.token_batches(chunk=0))
    with pytest.raises(IndexError):
        next(zoo.token_batches(indices=[55]))


def test_what_is_read_is_the_readers_own(zoo):
    before = zoo[3].state.clone()
    zoo[3].state.zero_()
    next(zoo.token_batches()).weight.zero_()
    zoo.task(0).x.zero_()
    zoo.shard(0).columns["r2"].zero_()
    again = Zoo(zoo.folder)
    assert torch.equal(again[3].state, before)
    assert again.task(0).x.std() > 0
    assert (again.shard(0).columns["r2"] > 0).all()


def test_networks_of_one_architecture_share_it(zoo):
    graphs = list(zoo.stream(range(20)))
    assert len({id(one.architecture) for one in graphs}) == len({one.architecture for one in graphs}) < 20


def test_a_shard_whose_networks_were_all_left_out_is_passed_over(tmp_path):
    def make(first: int, n_tasks: int) -> Shard:
        return random_shard(first, n_tasks, nets=0 if first in (0, 4) else 3)

    zoo = write_store(tmp_path, small_recipe(n_tasks=7, tasks_per_shard=2), make=make)
    assert (zoo.n_shards, len(zoo), zoo.excluded) == (4, 9, 7)
    assert [graph.task for graph in zoo.stream()] == zoo.table["task"].tolist() == [2] * 3 + [3] * 3 + [6] * 3
    assert zoo.split("test") == [6, 7, 8]
    assert_same(next(zoo.token_batches()), tokenize(list(zoo.stream())))
    assert zoo.meta_features.shape == (7, 37)
    assert verify_zoo(zoo) == 9
    assert "9 (6 train, 3 test)" in describe_zoo(zoo)


@pytest.mark.parametrize("chosen", [slice(10, 40), slice(-1, None), [54, 3, 21, 20, 3], []], ids=str)
def test_a_part_counts_its_own_networks(zoo, chosen):
    zoo = Zoo(zoo.folder)
    part, numbers = zoo[chosen], zoo.table.index.to_numpy()[chosen].tolist()
    assert len(part) == len(numbers)
    expected = zoo.table.iloc[numbers].reset_index(drop=True)
    assert part.table.astype(object).equals(expected.astype(object))
    for name in ("train", "test"):
        assert [numbers[i] for i in part.split(name)] == [i for i in numbers if i in set(zoo.split(name))]
    assert [graph.task for graph in part] == part.table["task"].tolist()
    for i in range(-len(part), len(part)):
        assert torch.equal(part.trajectory(i), zoo.trajectory(numbers[i]))
        assert part.trajectory_steps(i) == zoo.trajectory_steps(numbers[i])
        assert part.trajectory(i).shape[1] == len(part[i].state)
    for number in set(part.table["task"]):
        assert part.task(number).seed == zoo.task(number).seed
    assert [graph.r2 for graph in part.stream()] == [zoo[i].r2 for i in sorted(numbers)]
    assert len(part[:2].table) == len(part[:2])


def test_numbers_out_of_range_are_index_errors(zoo):
    part = zoo[10:20]
    assert torch.equal(part.trajectory(-1), zoo.trajectory(19))
    assert zoo.task(-1).seed == zoo.task(10).seed
    for read in (part.trajectory, part.trajectory_steps, part.__getitem__, lambda number: next(part.stream([number]))):
        for number in (10, -11):
            with pytest.raises(OutOfRangeError, match=rf"^no network {number} in a zoo of 10 networks$"):
                read(number)
    for number in (11, -12):
        with pytest.raises(OutOfRangeError, match=rf"^no task {number} in a zoo of 11 tasks$"):
            zoo.task(number)


def test_a_trajectory_says_its_steps(zoo, tmp_path):
    assert zoo.trajectory_steps(0) == ()
    assert zoo.trajectory(0).shape == (0, len(zoo[0].state))
    kept = write_store(tmp_path, small_recipe(n_tasks=3, tasks_per_shard=2), checkpoints=4)
    assert kept.trajectory_steps(8) == (0, 1, 2, 3)
    assert kept.trajectory(8).shape == (4, len(kept[8].state))


READ = """
import os, sys, torch
from netgraph import Zoo

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

def read(zoo, how, first, end):
    numbers = range(zoo._shards.first_network[first], zoo._shards.first_network[end])
    if how == "stream":
        return sum(float(graph.state[0]) for graph in zoo.stream(numbers))
    if how == "tokens":
        return sum(float(batch.weight.sum()) for batch in zoo.token_batches(4, numbers))
    return sum(float(zoo[i].state[0]) for i in reversed(numbers))

for how in ("stream", "tokens", "random"):
    if os.fork():
        os.wait()
        continue
    zoo = Zoo(sys.argv[1])
    read(zoo, how, 0, 8)
    before = resident()
    read(zoo, how, 8, zoo.n_shards)
    print(how, resident() - before, flush=True)
    os._exit(0)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_reading_takes_the_memory_of_a_few_shards(tmp_path):
    """72 shards of 2.6 MB, of which every sixth is the same file, each way of reading in a process of its own."""
    write_store(tmp_path, small_recipe(n_tasks=6, tasks_per_shard=1), nets=4, widths=(400, 400))
    write_manifest(tmp_path, read_manifest(tmp_path) * 12)
    wide = Zoo(tmp_path)
    total = wide.n_shards * wide.shard(0).path.stat().st_size
    done = subprocess.run([sys.executable, "-c", READ, str(tmp_path)], capture_output=True, text=True, check=True)
    growth = {how: int(size) for how, size in map(str.split, done.stdout.splitlines())}
    assert set(growth) == {"stream", "tokens", "random"}
    assert max(growth.values()) < total / 2, f"the shards have {total} bytes, reading them takes {growth}"

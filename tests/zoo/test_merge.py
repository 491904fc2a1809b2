import errno
import os
import shutil

import pytest
import torch

from netgraph import NetGraphError, files
from netgraph.cli import main
from netgraph.errors import StoreError
from netgraph.zoo import merge_zoos, verify_zoo
from netgraph.zoo.manifest import read_manifest
from tests.zoo.stores import write_zoo


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    return write_zoo(tmp_path_factory.mktemp("zoo"), ["linear", "products", "piecewise"])


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return write_zoo(tmp_path_factory.mktemp("other"), ["linear", "piecewise"], seed=1)


def checksums(zoo):
    return [entry.sha256 for entry in read_manifest(zoo.folder)]


def test_zoos_merge_and_keep_their_splits(zoo, other, tmp_path):
    before = checksums(zoo)
    merged = merge_zoos([zoo.folder, other.folder], tmp_path / "both")
    assert len(merged) == len(zoo) + len(other)
    assert torch.equal(merged[len(zoo)].state, other[0].state)
    assert merged[len(zoo)].task == 3 + other[0].task
    assert merged.tasks[3].seed == other.tasks[0].seed
    expected = zoo.split("test") + [len(zoo) + i for i in other.split("test")]
    assert merged.split("test") == expected
    assert torch.equal(merged.meta_features, torch.cat([zoo.meta_features, other.meta_features]))
    assert verify_zoo(merged) == len(merged)
    assert checksums(zoo) == before
    assert len(merged.recipes) == 2
    with pytest.raises(NetGraphError, match="2 recipes"):
        _ = merged.recipe


def test_the_command_takes_a_zoo_once(zoo, tmp_path, capsys):
    assert main(["zoo", "merge", str(zoo.folder), f"{zoo.folder}/", "--out", str(tmp_path / "twice")]) == 2
    assert capsys.readouterr().err == f"netgraph: {zoo.folder}/: is given twice\n"


def test_zoos_that_share_a_task_do_not_merge(zoo, tmp_path):
    with pytest.raises(NetGraphError, match="both hold task linear of seed 0"):
        merge_zoos([zoo.folder, zoo.folder], tmp_path / "twice")
    with pytest.raises(StoreError, match="not empty"):
        merge_zoos([zoo.folder], zoo.folder)


@pytest.mark.parametrize(
    ("trained", "tested", "shown"),
    [
        ("diabetes", "diabetes", "diabetes"),
        ("abalone", "openml:44956", "abalone"),
        ("openml:9", "openml:9", "openml:9"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_a_real_data_set_does_not_stand_on_both_sides(tmp_path, trained, tested, shown, turned):
    """Other seeds draw other rows, but they are rows of one data set."""
    train, test = tmp_path / "train", tmp_path / "test"
    write_zoo(train, ["linear", trained, "piecewise"], seed=1)
    write_zoo(test, ["linear", "piecewise", tested], seed=2)
    with pytest.raises(NetGraphError) as caught:
        merge_zoos([test, train] if turned else [train, test], tmp_path / "out")
    assert str(caught.value) == f"{train} trains on the data set {shown}, on which {test} tests"
    assert not (tmp_path / "out").exists()


def test_a_real_data_set_may_stand_on_one_side_of_two_zoos(tmp_path):
    write_zoo(tmp_path / "a", ["diabetes", "abalone"], seed=1)
    write_zoo(tmp_path / "b", ["diabetes", "openml:44956"], seed=2)
    assert len(merge_zoos([tmp_path / "a", tmp_path / "b"], tmp_path / "out").tasks) == 4


def test_nothing_does_not_merge(tmp_path):
    with pytest.raises(NetGraphError, match="no zoos to join"):
        merge_zoos([], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("below", [".", "deeper"])
def test_a_file_in_the_way_ends_in_one_line(zoo, tmp_path, below):
    (tmp_path / "out").touch()
    with pytest.raises(StoreError, match=r"out.*: Not a directory") as caught:
        merge_zoos([zoo.folder], tmp_path / "out" / below)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "out").is_file()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.unlink(), r"00001\.safetensors: missing or cut short"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), r"00001\.safetensors: missing or cut short"),
        (lambda path: path.with_suffix(".json").unlink(), r"00001\.json: no such file"),
    ],
)
def test_a_source_that_lacks_a_file_is_named_and_nothing_is_left(zoo, tmp_path, spoil, message):
    shutil.copytree(zoo.folder, tmp_path / "zoo")
    spoil(tmp_path / "zoo" / "shards" / "00001.safetensors")
    with pytest.raises(StoreError, match=message):
        merge_zoos([tmp_path / "zoo"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def refuse(*_):
    raise OSError(errno.EXDEV, "Invalid cross-device link")


def test_shards_are_copied_where_they_cannot_be_linked(zoo, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", refuse)
    merged = merge_zoos([zoo.folder], tmp_path / "out")
    assert verify_zoo(merged) == len(zoo)
    assert merged.shard(0).path.stat().st_nlink == 1


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_copy_that_stops_leaves_nothing(zoo, tmp_path, monkeypatch, there, error):
    out, done = tmp_path / "out", []

    def stopping(old, new, original=shutil.copyfile):
        original(old, new)
        done.append(new)
        if len(done) == 3:
            raise error

    if there:
        out.mkdir()
    with monkeypatch.context() as patched:
        patched.setattr(os, "link", refuse)
        patched.setattr(shutil, "copyfile", stopping)
        with pytest.raises((StoreError, KeyboardInterrupt)) as caught:
            merge_zoos([zoo.folder], out)
    if isinstance(error, OSError):
        assert str(caught.value).startswith(f"{out}/shards/00001.safetensors: ")
        assert str(caught.value).endswith(": No space left on device")
    assert out.exists() is there
    assert not there or not any(out.iterdir())
    assert verify_zoo(merge_zoos([zoo.folder], out)) == len(zoo)


@pytest.mark.parametrize("survives", [0, 1])
def test_a_write_that_fails_leaves_nothing(zoo, tmp_path, monkeypatch, survives):
    done = []

    def failing(target, payload, original=files.write_atomically):
        if len(done) == survives:
            raise StoreError(f"{target}: No space left on device")
        done.append(target)
        original(target, payload)

    with monkeypatch.context() as patched:
        patched.setattr(files, "write_atomically", failing)
        with pytest.raises(StoreError, match="No space left"):
            merge_zoos([zoo.folder], tmp_path / "out")
    assert len(done) == survives
    assert not (tmp_path / "out").exists()

import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from netgraph import Zoo
from netgraph.errors import StoreError
from netgraph.zoo import verify_zoo
from tests.zoo.stores import SMALL, build_here, checksums


@pytest.fixture
def zoo(small_zoo) -> Zoo:
    return small_zoo


def mount(*arguments: str) -> bool:
    """Mount, or change what is mounted; say whether that is allowed here."""
    tool = shutil.which("mount")
    return tool is not None and subprocess.run([tool, *arguments], capture_output=True, check=False).returncode == 0


@pytest.fixture
def disk(zoo, tmp_path) -> Iterator[tuple[Path, Callable[[str], bool]]]:
    """A file system of its own with the zoo's first shard, and what changes its mount options."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not mount("-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)):
        pytest.skip("mounting is not allowed here")
    try:
        (folder / "zoo" / "shards").mkdir(parents=True)
        for name in ("zoo.json", "shards/00000.json", "shards/00000.safetensors"):
            shutil.copy(zoo.folder / name, folder / "zoo" / name)
        yield folder / "zoo", lambda options: mount("-o", f"remount,{options}", str(folder))
    finally:
        subprocess.run(["umount", str(folder)], check=True)  # noqa: S607


def assert_one_line_and_nothing_lost(root: Path, message: str) -> None:
    before = {path.name: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    with pytest.raises(StoreError, match=message) as caught:
        build_here(SMALL, root)
    assert "\n" not in str(caught.value)
    after = {path.name: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert before.items() <= after.items()
    assert not [name for name in after if name.endswith(".tmp")]


def assert_goes_on(root: Path, zoo: Zoo) -> None:
    assert verify_zoo(build_here(SMALL, root)) == len(zoo)
    assert checksums(root) == checksums(zoo.folder)


def test_a_zoo_on_a_full_disk_goes_on_when_there_is_room(zoo, disk):
    root, remount = disk
    used = os.statvfs(root).f_blocks - os.statvfs(root).f_bfree
    assert remount(f"size={(used + 1) * os.statvfs(root).f_frsize}")
    assert_one_line_and_nothing_lost(root, r"0000[12].*: No space left on device")
    assert remount("size=16m")
    assert_goes_on(root, zoo)


def test_a_zoo_in_a_read_only_folder_goes_on_when_it_is_writable(zoo, disk):
    root, remount = disk
    assert remount("ro")
    assert_one_line_and_nothing_lost(root, "shards: cannot be written to")
    assert remount("rw")
    assert_goes_on(root, zoo)


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")
def test_a_zoo_in_a_folder_of_others_goes_on_when_it_is_writable(zoo, tmp_path):
    (tmp_path / "shards").mkdir()
    for name in ("zoo.json", "shards/00000.json", "shards/00000.safetensors"):
        shutil.copy(zoo.folder / name, tmp_path / name)
    (tmp_path / "shards").chmod(0o555)
    assert_one_line_and_nothing_lost(tmp_path, "shards: cannot be written to")
    (tmp_path / "shards").chmod(0o755)
    assert_goes_on(tmp_path, zoo)


def test_a_folder_that_cannot_be_written_to_ends_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="Not a directory"):
        build_here(SMALL, tmp_path / "file" / "zoo")
    with pytest.raises(StoreError) as caught:
        build_here(SMALL, Path("/proc/zoo"))
    assert "\n" not in str(caught.value)


@contextmanager
def limited(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_write_that_stops_halfway_ends_in_one_line_and_loses_nothing(zoo, tmp_path):
    """A limit on file size makes writes fail in the middle of a shard, as a full disk does."""
    root = tmp_path / "zoo"
    shutil.copytree(zoo.folder, root)
    (root / "shards" / "00002.json").unlink()
    (root / "shards" / "00002.safetensors").unlink()
    with limited(2000), pytest.raises(StoreError, match=r"00002\.safetensors: File too large") as caught:
        build_here(SMALL, root)
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in (root / "shards").glob("0*.json")) == ["00000.json", "00001.json"]
    assert not list((root / "shards").glob(".*"))
    assert_goes_on(root, zoo)


@pytest.mark.parametrize("size", [None, 1000])
def test_a_build_makes_a_shard_again_whose_tensors_are_lost_or_cut_short(zoo, tmp_path, size):
    root = tmp_path / "zoo"
    shutil.copytree(zoo.folder, root)
    path = root / "shards" / "00001.safetensors"
    payload = path.read_bytes()
    path.unlink()
    if size is not None:
        path.write_bytes(payload[:size])
    assert_goes_on(root, zoo)

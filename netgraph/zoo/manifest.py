"""What is in a zoo, in one small file, so that opening a zoo reads no shard."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from netgraph.errors import StoreError
from netgraph.files import read_own_record, write_own_record
from netgraph.reading import DamagedError, building, typed
from netgraph.zoo.recipe import ZooRecipe
from netgraph.zoo.store import shard_records

FORMAT, VERSION = "netgraph.Zoo.manifest", 2
#: Names of shards, and more networks than a task can have (chosen).
_NAME, _MOST = re.compile(r"[0-9]+(-[0-9]+)?"), 2**31


@dataclass(frozen=True)
class ShardEntry:
    """A shard, as the manifest knows it.

    Attributes:
        name: Of its files.
        sha256: Of its tensors.
        networks: Number of networks of each of its tasks.
        test: Whether each of its tasks is a test task.
        excluded: Number of networks that were left out.
        seconds: Time that training took.
    """

    name: str
    sha256: str
    networks: list[int]
    test: list[bool]
    excluded: int
    seconds: float


def manifest_path(root: Path) -> Path:
    """Return the path of a zoo's manifest."""
    return root / "manifest.json"


def entries_of(root: Path, recipe: ZooRecipe) -> list[ShardEntry]:
    """Collect the entries of a zoo that was just built, from the records of its shards.

    Raises:
        StoreError: When a shard is missing.
    """
    entries: list[ShardEntry] = []
    for number in range(recipe.n_shards):
        records = shard_records(root, number)
        if not records:
            raise StoreError(f"{root}: shard {number} is missing; build_zoo completes the zoo")
        for name, record in records.items():
            networks, first = record["networks"], record["first_task"]
            test = [first + i >= recipe.n_tasks - recipe.n_test_tasks for i in range(len(networks))]
            excluded = len(record["excluded"])
            entries.append(ShardEntry(name, record["sha256"], networks, test, excluded, record["seconds"]))
    return entries


def write_manifest(root: Path, entries: Sequence[ShardEntry]) -> None:
    """Write a zoo's manifest."""
    write_own_record(manifest_path(root), FORMAT, VERSION, {"shards": [asdict(entry) for entry in entries]})


def read_manifest(root: Path) -> list[ShardEntry]:
    """Read a zoo's manifest.

    Raises:
        StoreError: When the zoo is not complete, or its manifest is damaged or of another version.
    """
    path = manifest_path(root)
    if not path.exists():
        raise StoreError(f"{root}: the zoo is not complete; build_zoo completes it")
    try:
        rows = read_own_record(path, FORMAT, VERSION, ["shards"])["shards"]
    except DamagedError as error:
        raise StoreError(f"{error}; delete it and build again, or merge again into another folder") from None
    with building(path):
        if not rows:
            raise StoreError("names no shards")
        entries = typed(list[ShardEntry], rows, "shards")
        for entry in entries:
            counted = all(0 <= count < _MOST for count in (*entry.networks, entry.excluded))
            if not _NAME.fullmatch(entry.name) or not counted or len(entry.networks) != len(entry.test):
                raise StoreError(f"shard {entry.name!r} has no such name, or counts its networks or tasks wrongly")
        return entries

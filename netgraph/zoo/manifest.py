"""What is in a zoo, in one small file, so that opening a zoo reads no shard."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from netgraph.errors import StoreError
from netgraph.files import read_record, write_atomically
from netgraph.zoo.recipe import ZooRecipe
from netgraph.zoo.store import read_shard_record, shard_names

FORMAT, VERSION = "netgraph.Zoo.manifest", 2


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
    """Give the path of a zoo's manifest."""
    return root / "manifest.json"


def entries_of(root: Path, recipe: ZooRecipe) -> list[ShardEntry]:
    """Collect the entries of a zoo that was just built, from the records of its shards.

    Raises:
        StoreError: When a shard is missing.
    """
    names = [shard_names(root, number) for number in range(recipe.n_shards)]
    if not all(names):
        raise StoreError(f"{root}: shard {names.index([])} is missing; build_zoo completes the zoo")
    return [_entry(name, read_shard_record(root, name), recipe) for job in names for name in job]


def _entry(name: str, record: dict[str, Any], recipe: ZooRecipe) -> ShardEntry:
    first_test = recipe.n_tasks - recipe.n_test_tasks - record["first_task"]
    return ShardEntry(
        name=name,
        sha256=record["sha256"],
        networks=record["networks"],
        test=[i >= first_test for i in range(len(record["networks"]))],
        excluded=len(record["excluded"]),
        seconds=record["seconds"],
    )


def write_manifest(root: Path, entries: Sequence[ShardEntry]) -> None:
    """Write a zoo's manifest."""
    record = {"format": FORMAT, "version": VERSION, "shards": [asdict(entry) for entry in entries]}
    write_atomically(manifest_path(root), json.dumps(record).encode())


def read_manifest(root: Path) -> list[ShardEntry]:
    """Read a zoo's manifest.

    Raises:
        StoreError: When the zoo is not complete, or its manifest is of another version.
    """
    if not manifest_path(root).exists():
        raise StoreError(f"{root}: the zoo is not complete; build_zoo completes it")
    return [ShardEntry(**row) for row in read_record(manifest_path(root), FORMAT, VERSION)["shards"]]

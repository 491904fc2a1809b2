"""The manifest of a zoo: its shards in one small file, written last, so that opening a zoo reads no shard."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from netgraph.errors import StoreError
from netgraph.files import read_own_record, write_own_record
from netgraph.reading import DamagedError, building, typed

FORMAT, VERSION = "netgraph.Zoo.manifest", 2
_NAME = re.compile(r"[0-9]+(-[0-9]+)?")
#: More networks than a task can have (chosen).
_MOST = 2**31


@dataclass(frozen=True)
class ShardEntry:
    """A shard in the manifest.

    Attributes:
        name: Name of its files.
        sha256: Checksum of its tensors.
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


def write_manifest(root: Path, entries: Sequence[ShardEntry]) -> None:
    """Write a zoo's manifest."""
    fields = {"shards": [asdict(entry) for entry in entries]}
    write_own_record(manifest_path(root), FORMAT, VERSION, fields)


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

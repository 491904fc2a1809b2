"""The two small files of a zoo: its recipes, and the manifest of its shards, written last, which alone opens a zoo."""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from netgraph.errors import StoreError
from netgraph.files import read_own_record, write_own_record
from netgraph.outputs import check_empty
from netgraph.reading import DamagedError, building, opening, typed

FORMAT, VERSION = "netgraph.Zoo.manifest", 2
ZOO_FORMAT, ZOO_VERSION = "netgraph.Zoo", 2
#: Parts of a zoo.
PARTS = ("train", "val", "test")
#: Keys that older manifests do not have, and those of zoos that were built do not need.
_OPTIONAL: dict[str, Any] = {"sizes": None, "tasks": None, "split": None}
_NAME = re.compile(r"[0-9]+(-[0-9]+)?")
#: More networks than a task can have (chosen).
_MOST = 2**31


@dataclass(frozen=True)
class ShardSizes:
    """Sizes of a shard's networks, summed up.

    Attributes:
        general: Number of networks that are not feed-forward, which count nowhere else.
        inputs: Most inputs of a network.
        outputs: Most outputs of a network.
        nodes: Most nodes of a network.
        fan: Most inputs of a linear layer.
        state: Most state elements of a network.
        depths: Number of networks with 0, 1, 2 ... linear layers.
        types: Layer types of all networks.
        settings: Hyper-parameters that are not the defaults of their types, as TYPE.NAME.
    """

    general: int = 0
    inputs: int = 0
    outputs: int = 0
    nodes: int = 0
    fan: int = 0
    state: int = 0
    depths: tuple[int, ...] = ()
    types: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()


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
        sizes: Sizes of its networks; None in older manifests.
        tasks: Number of each of its tasks within the zoo; None where they follow those of the shards before it.
        split: Part of the zoo of each network, one of :data:`PARTS`; None where ``test`` tells.
    """

    name: str
    sha256: str
    networks: list[int]
    test: list[bool]
    excluded: int
    seconds: float
    sizes: ShardSizes | None = None
    tasks: list[int] | None = None
    split: list[str] | None = None

    @property
    def is_sound(self) -> bool:
        """Whether it counts its networks and tasks consistently."""
        counted = all(0 <= count < _MOST for count in (*self.networks, self.excluded, *(self.tasks or ())))
        lengths = {len(self.networks), len(self.test), len(self.networks if self.tasks is None else self.tasks)}
        parts = self.split is None or (len(self.split) == sum(self.networks) and {*self.split} <= {*PARTS})
        return counted and len(lengths) == 1 and parts


def read_zoo(root: str | Path) -> tuple[dict[str, Any], list[ShardEntry]]:
    """Read the record and the manifest of a zoo, which are all that opens it.

    Raises:
        StoreError: When the folder is none, holds no zoo or one that is not complete, or a file is damaged or of
            another version.
    """
    root = Path(root)
    if not root.is_dir():
        raise StoreError(f"{root}: no such folder")
    if not (root / "zoo.json").exists():
        raise DamagedError(f"{root}: holds no zoo; zoo.json: no such file")
    return read_zoo_record(root), read_manifest(root)


def zoo_digest(entries: Iterable[ShardEntry]) -> str:
    """Return the checksum of all shards of a manifest, in hexadecimal digits."""
    return hashlib.sha256("".join(entry.sha256 for entry in entries).encode()).hexdigest()


def check_given(root: str | Path) -> None:
    """Raise unless a folder is new or empty, or holds a zoo of networks that were given.

    Raises:
        StoreError: When it holds anything else, or cannot be read.
    """
    root = Path(root)
    with opening(root):
        begun = (root / "zoo.json").exists()
    if not begun:
        check_empty(root, "a zoo")
    elif read_zoo_record(root)["recipes"]:
        raise StoreError(f"{root}: holds a zoo that was built; choose another folder")


def check_recipe(root: str | Path, digest: str, recipe: dict[str, Any]) -> None:
    """Raise unless a folder holds no zoo, or one that is built by this recipe.

    Raises:
        StoreError: When it holds another; it names the first key that differs.
    """
    path = Path(root) / "zoo.json"
    with opening(path):
        begun = path.exists()
    record = read_zoo_record(Path(root)) if begun else {"digest": digest}
    if record["digest"] == digest:
        return
    if not record["recipes"]:
        raise StoreError(f"{path}: a zoo of networks that were given; choose another folder")
    import pandas as pd

    recipes = record["recipes"][0], json.loads(json.dumps(recipe))
    # Values by paths, such as training.steps.
    there, here = (pd.json_normalize(values).to_dict("records")[0] for values in recipes)
    key = next((key for key in here if there.get(key) != here[key]), "recipe")
    what = f"{key} is {there.get(key)} there and {here.get(key)} here"
    raise StoreError(f"{path}: a zoo of another recipe: {what}; choose another folder")


def manifest_path(root: Path) -> Path:
    """Return the path of a zoo's manifest."""
    return root / "manifest.json"


def write_manifest(root: Path, entries: Sequence[ShardEntry]) -> None:
    """Write a zoo's manifest."""
    rows = [{key: value for key, value in asdict(entry).items() if value is not None} for entry in entries]
    fields = {"shards": rows}
    write_own_record(manifest_path(root), FORMAT, VERSION, fields)


def read_manifest(root: Path) -> list[ShardEntry]:
    """Read a zoo's manifest.

    Raises:
        StoreError: When the zoo is not complete, or its manifest is damaged or of another version.
    """
    path = manifest_path(root)
    if not path.exists():
        raise StoreError(f"{root}: the zoo is not complete; build_zoo completes it, or Zoo.from_networks")
    try:
        rows = read_own_record(path, FORMAT, VERSION, ["shards"])["shards"]
    except DamagedError as error:
        raise StoreError(f"{error}; delete it and build again, or merge again into another folder") from None
    with building(path):
        if not rows:
            raise StoreError("names no shards")
        entries = typed(list[ShardEntry], [_OPTIONAL | row for row in typed(list[dict[str, Any]], rows)], "shards")
        for entry in entries:
            if not _NAME.fullmatch(entry.name) or not entry.is_sound:
                raise StoreError(f"shard {entry.name!r} has no such name, or counts its networks or tasks wrongly")
        return entries


def write_zoo_record(root: Path, digest: str | None, recipes: Sequence[dict[str, Any]]) -> None:
    """Write the record of a zoo: the digest of the recipe it is built from, and its recipes."""
    write_own_record(root / "zoo.json", ZOO_FORMAT, ZOO_VERSION, {"digest": digest, "recipes": recipes}, indent=1)


def read_zoo_record(root: Path) -> dict[str, Any]:
    """Read the record of a zoo.

    Raises:
        StoreError: When it is missing, damaged or of another version.
    """
    return read_own_record(root / "zoo.json", ZOO_FORMAT, ZOO_VERSION, ["digest", "recipes"], unchecked=True)

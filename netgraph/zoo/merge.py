"""Joining zoos."""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from netgraph.errors import NetGraphError, StoreError
from netgraph.files import make_folder, record_path, write_atomically
from netgraph.zoo.manifest import ShardEntry, read_manifest, write_manifest
from netgraph.zoo.store import read_shard_record, shard_name, shard_path
from netgraph.zoo.zoo import FORMAT, VERSION, Zoo


def merge_zoos(roots: Sequence[str | Path], out: str | Path) -> Zoo:
    """Join zoos into a new one; tasks keep their split and are numbered one zoo after the other.

    Shards are linked where the file system can, and copied where it cannot; the zoos themselves are not altered.

    Args:
        roots: Folders of complete zoos.
        out: The folder of the new zoo; it must not exist or be empty.

    Raises:
        NetGraphError: When two zoos hold the same task: it might stand among the training tasks of one and the test
            tasks of the other.
        StoreError: When a zoo is not complete, or ``out`` is not empty.
    """
    zoos, folder = [Zoo(root) for root in roots], Path(out)
    if folder.exists() and any(folder.iterdir()):
        raise StoreError(f"{folder}: not empty; a merged zoo needs a folder of its own")
    _check_tasks(zoos)
    make_folder(folder / "shards")
    entries: list[ShardEntry] = []
    for zoo in zoos:
        for entry in read_manifest(zoo.folder):
            name = shard_name(len(entries))
            _link(shard_path(zoo.folder, entry.name), shard_path(folder, name))
            entries.append(replace(entry, name=name))
    recipes = [asdict(recipe) for zoo in zoos for recipe in zoo.recipes]
    record = {"format": FORMAT, "version": VERSION, "digest": None, "recipes": recipes}
    write_atomically(folder / "zoo.json", json.dumps(record, indent=1).encode())
    write_manifest(folder, entries)
    return Zoo(folder)


def _check_tasks(zoos: Sequence[Zoo]) -> None:
    owner: dict[tuple[str, int], Path] = {}
    for zoo in zoos:
        records = (read_shard_record(zoo.folder, entry.name) for entry in read_manifest(zoo.folder))
        for task in {(task["family"], task["seed"]) for record in records for task in record["tasks"]}:
            if task in owner:
                raise NetGraphError(f"{owner[task]} and {zoo.folder} both hold task {task[0]} of seed {task[1]}")
            owner[task] = zoo.folder


def _link(source: Path, target: Path) -> None:
    for old, new in ((source, target), (record_path(source), record_path(target))):
        try:
            os.link(old, new)
        except OSError:  # another file system
            shutil.copyfile(old, new)

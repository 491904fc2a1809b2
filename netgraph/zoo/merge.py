"""Joining zoos."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import cache
from itertools import accumulate
from pathlib import Path

from netgraph.errors import NetGraphError, StoreError
from netgraph.files import make_folder, record_path, tensors_are_there
from netgraph.outputs import check_empty
from netgraph.tasks import family_names
from netgraph.tasks.dataset import find_entry
from netgraph.zoo.given_data import GIVEN, NONE
from netgraph.zoo.manifest import ShardEntry, manifest_path, read_manifest, write_manifest, write_zoo_record
from netgraph.zoo.storage import read_shard_record, shard_path
from netgraph.zoo.zoo import Zoo


def merge_zoos(roots: Sequence[str | Path], out: str | Path) -> Zoo:
    """Join zoos into a new one; tasks keep their split and are numbered one zoo after the other.

    Shards are linked where the file system can, and copied where it cannot; the zoos themselves are not altered. Where
    it fails or is interrupted, nothing is left in ``out``.

    Args:
        roots: Folders of complete zoos, at least one.
        out: The folder of the new zoo; it must not exist or be empty.

    Raises:
        NetGraphError: When no zoo is given, or zoos would leak: two hold the same task, or one trains on a real data
            set on which another tests, whatever rows either drew of it.
        StoreError: When a zoo is not complete, ``out`` is not an empty folder, or it cannot be written to.

    Example:
        >>> merge_zoos(["my_zoo", "another_zoo"], "both")
        Zoo(36 networks of 12 tasks, both)
    """
    zoos, folder = [Zoo(root) for root in roots], Path(out)
    if not zoos:
        raise NetGraphError("no zoos to join; give at least one folder")
    check_empty(folder, "a merged zoo")
    _check_tasks(zoos)
    recipes = [asdict(recipe) for zoo in zoos for recipe in zoo.recipes]
    with _all_or_nothing(folder):
        make_folder(folder / "shards")
        entries: list[ShardEntry] = []
        first_tasks = accumulate((len(zoo.tasks) for zoo in zoos), initial=0)
        for zoo, first in zip(zoos, first_tasks, strict=False):
            for entry in read_manifest(zoo.folder):
                tasks = None if entry.tasks is None else [first + task for task in entry.tasks]
                source, target = shard_path(zoo.folder, entry.name), shard_path(folder, len(entries))
                _link(source, target)
                _link(record_path(source), record_path(target))
                entries.append(replace(entry, name=target.stem, tasks=tasks))
        write_manifest(folder, entries)
        write_zoo_record(folder, None, recipes)
    return Zoo(folder)


@contextmanager
def _all_or_nothing(folder: Path) -> Iterator[None]:
    """Remove a zoo that was begun in an empty folder, and the folder if it was not there, unless all went well."""
    there = folder.exists()
    try:
        yield
    except BaseException:
        shutil.rmtree(folder / "shards", ignore_errors=True)
        if folder.is_dir():
            for path in (manifest_path(folder), folder / "zoo.json"):
                path.unlink(missing_ok=True)
            if not there:
                folder.rmdir()
        raise


def _check_tasks(zoos: Sequence[Zoo]) -> None:
    """Check that the shards are there and that no task of one zoo leaks into another."""
    drawn: dict[tuple[str, int], Path] = {}
    split: dict[tuple[str, bool], Path] = {}
    random = family_names()
    for zoo in zoos:
        tasks = _tasks(zoo)
        sets = {(_data_set(family, seed), test) for (family, seed), test in tasks.items() if family not in random}
        for name, test in sorted(sets):
            if (name, not test) in split:
                train, held_out = (split[name, False], zoo.folder) if test else (zoo.folder, split[name, True])
                raise NetGraphError(f"{train} trains on the data set {name}, on which {held_out} tests")
        drawn_here = sorted((family, seed) for family, seed in tasks if family != GIVEN)
        for family, seed in drawn_here:
            if (family, seed) in drawn:
                raise NetGraphError(f"{drawn[family, seed]} and {zoo.folder} both hold task {family} of seed {seed}")
        drawn |= dict.fromkeys(drawn_here, zoo.folder)
        split |= dict.fromkeys(sets, zoo.folder)


def _tasks(zoo: Zoo) -> dict[tuple[str, int], bool]:
    """Map family and seed of each task of a zoo that has data to whether all of its networks are test networks."""
    tasks: dict[tuple[str, int], bool] = {}
    for entry in read_manifest(zoo.folder):
        path = shard_path(zoo.folder, entry.name)
        record = read_shard_record(path)
        if not tensors_are_there(path, record):
            raise StoreError(f"{path}: missing or cut short")
        if record["sha256"] != entry.sha256:
            raise StoreError(f"{path}: not the shard of the manifest")
        for task, test in zip(record["tasks"], entry.test, strict=True):
            if task["family"] != NONE:
                key = task["family"], task["seed"]
                tasks[key] = test and tasks.get(key, True)
    return tasks


@cache
def _data_set(family: str, seed: int) -> str:
    """Return the same name for all names of a real data set, and one for each data set that was given."""
    if family == GIVEN:
        return f"of seed {seed}"
    entry = find_entry(family)
    return family if entry is None else entry.name


def _link(old: Path, new: Path) -> None:
    try:
        os.link(old, new)
    except OSError:  # another file system
        try:
            shutil.copyfile(old, new)
        except OSError as error:
            raise StoreError(f"{new}: copying {old}: {error.strerror}") from None

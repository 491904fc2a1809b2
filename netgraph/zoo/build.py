"""Building a zoo, shard by shard; an interrupted build is resumed."""

import os
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path

from netgraph.errors import NetGraphError, StoreError
from netgraph.files import make_folder, record_path
from netgraph.machine import check_device
from netgraph.progress import Progress
from netgraph.tasks import real_task
from netgraph.zoo.engines import ENGINES
from netgraph.zoo.make_shard import make_encoded
from netgraph.zoo.manifest import ShardEntry, check_recipe, manifest_path, write_manifest, write_zoo_record
from netgraph.zoo.recipe import ZooRecipe
from netgraph.zoo.storage import clear_leftovers, read_job, shard_path, sizes_of, write_parts
from netgraph.zoo.zoo import Zoo


def build_zoo(
    recipe: ZooRecipe | str | Path,
    root: str | Path,
    engine: str = "local",
    *,
    workers: int | None = None,
    device: str = "cpu",
    progress: bool = True,
) -> Zoo:
    """Build a zoo of trained networks, or complete one whose build was interrupted.

    Args:
        recipe: A recipe, a YAML file, or the name of a recipe that comes with netgraph.
        root: The folder to build it in.
        engine: ``local``, or ``ray`` for many machines.
        workers: Processes; one a core when None, one in all on a GPU.
        device: Where networks are trained, ``cpu`` or ``cuda``. A GPU rounds otherwise, which training amplifies: the
            content is of the same kind, and the same for each kind of device.
        progress: Whether progress is shown on standard error, as a bar or, every few seconds, in a line.

    Raises:
        NetGraphError: When the recipe, the engine or the device is unknown, or the folder holds a zoo of another
            recipe.
        StoreError: When the folder cannot be written to or the disk is full; shards that are written stay.

    Example:
        >>> build_zoo("tiny", "my_zoo")  # doctest: +SKIP
        Zoo(94 networks of 12 tasks, my_zoo)
    """
    recipe = recipe if isinstance(recipe, ZooRecipe) else ZooRecipe.load(recipe)
    root = Path(root)
    if engine not in ENGINES:
        raise NetGraphError(f"unknown engine {engine!r}; known: {', '.join(ENGINES)}")
    if device != "cpu":
        if not device.startswith("cuda") or engine != "local":
            known = "known: cpu with any engine, cuda with local"
            raise NetGraphError(f"device {device!r} with engine {engine!r}; {known}")
        check_device(device)
        workers = 1  # one process keeps a GPU busy
    _check_folder(root, recipe)
    _check_real(recipe)
    missing = [number for number in range(recipe.n_shards) if not shard_exists(root, number, recipe.digest)]
    bar = Progress("zoo", len(missing), "shard", shown=progress)
    with closing(ENGINES[engine](partial(make_encoded, recipe, device), missing, workers)) as done, bar:
        for number, parts in done:
            if not (root / "zoo.json").exists():  # a build that fails before its first shard claims no folder
                write_zoo_record(root, recipe.digest, [asdict(recipe)])
            write_parts(root, number, parts)
            bar.update()
    if missing or not manifest_path(root).exists():
        write_manifest(root, entries_of(root, recipe))
    return Zoo(root)


def shard_exists(root: Path, number: int, digest: str) -> bool:
    """Return whether the shards of a job of this recipe are there.

    Raises:
        StoreError: When a shard of another recipe or version is.
    """
    records = read_job(root, number)
    if any(record["recipe"] != digest for record in records.values()):
        raise StoreError(f"{record_path(shard_path(root, number))}: made by another recipe; choose another folder")
    return bool(records)


def entries_of(root: Path, recipe: ZooRecipe) -> list[ShardEntry]:
    """Collect the manifest's entries of a zoo that was just built, from the records of its shards.

    Raises:
        StoreError: When a shard is missing.
    """
    entries: list[ShardEntry] = []
    for number in range(recipe.n_shards):
        records = read_job(root, number)
        if not records:
            raise StoreError(f"{root}: shard {number} is missing; build_zoo completes the zoo")
        for name, record in records.items():
            networks, first = record["networks"], record["first_task"]
            test = [first + i >= recipe.n_tasks - recipe.n_test_tasks for i in range(len(networks))]
            excluded, sizes = len(record["excluded"]), sizes_of(record)
            entries.append(ShardEntry(name, record["sha256"], networks, test, excluded, record["seconds"], sizes))
    return entries


def _check_real(recipe: ZooRecipe) -> None:
    """Load every real data set before anything is trained; one on OpenML is fetched.

    Raises:
        NetGraphError: When one is unknown, cannot be fetched or has too few rows; it names the key.
    """
    for key in ("real", "real_test"):
        for name in getattr(recipe, key):
            try:
                real_task(name, recipe.tasks.rows, recipe.tasks.n_features[1], recipe.seed)
            except NetGraphError as error:
                raise NetGraphError(f"{key}: {error}") from None


def _check_folder(root: Path, recipe: ZooRecipe) -> None:
    """Check that the folder can be written to, and is empty or holds a zoo of this recipe."""
    path = root / "zoo.json"
    if manifest_path(root).exists() and not path.exists():
        raise StoreError(f"{manifest_path(root)}: not of a zoo that is built here; choose another folder")
    make_folder(root / "shards")
    if not os.access(root / "shards", os.W_OK):
        raise StoreError(f"{root / 'shards'}: cannot be written to")
    clear_leftovers(root)
    check_recipe(root, recipe.digest, asdict(recipe))

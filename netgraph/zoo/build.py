"""Building a zoo, shard by shard; an interrupted build goes on where it stopped."""

import json
import sys
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import torch

from netgraph.errors import NetGraphError, StoreError
from netgraph.files import make_folder, read_record, write_atomically
from netgraph.zoo.engines import ENGINES
from netgraph.zoo.make_shard import ShardJob
from netgraph.zoo.manifest import entries_of, manifest_path, write_manifest
from netgraph.zoo.recipe import ZooRecipe
from netgraph.zoo.store import EncodedShard, shard_exists
from netgraph.zoo.zoo import FORMAT, VERSION, Zoo


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
        device: Where networks are trained, ``cpu`` or ``cuda``; the content is the same to rounding.
        progress: Show it.

    Raises:
        NetGraphError: When the recipe, the engine or the device is unknown, or the folder holds a zoo of another
            recipe.
        StoreError: When the folder cannot be written to or the disk is full; shards that are written stay.
    """
    recipe = recipe if isinstance(recipe, ZooRecipe) else ZooRecipe.load(recipe)
    root = Path(root)
    if engine not in ENGINES:
        raise NetGraphError(f"unknown engine {engine!r}; known: {', '.join(ENGINES)}")
    if device != "cpu":
        workers = _gpu_workers(device, engine)
    _open(root, recipe)
    missing = [number for number in range(recipe.n_shards) if not shard_exists(root, number, recipe.digest)]
    with closing(ENGINES[engine](ShardJob(recipe, device), missing, workers)) as done:
        _write(done, root, len(missing), progress)
    if missing or not manifest_path(root).exists():
        write_manifest(root, entries_of(root, recipe))
    return Zoo(root)


def _gpu_workers(device: str, engine: str) -> int:
    """Check that there is such a GPU; one process keeps it busy."""
    if not device.startswith("cuda") or engine != "local":
        raise NetGraphError(f"device {device!r} with engine {engine!r}; known: cpu with any engine, cuda with local")
    if not torch.cuda.is_available():
        raise NetGraphError(f"device {device!r}: torch finds no GPU here")
    return 1


def _open(root: Path, recipe: ZooRecipe) -> None:
    """Write the zoo's record, or check that it is one of this recipe."""
    path = root / "zoo.json"
    if path.exists():
        if read_record(path, FORMAT, VERSION)["digest"] != recipe.digest:
            raise StoreError(f"{path}: a zoo of another recipe; choose another folder")
        return
    make_folder(root)
    record = {"format": FORMAT, "version": VERSION, "digest": recipe.digest, "recipes": [asdict(recipe)]}
    write_atomically(path, json.dumps(record, indent=1).encode())


def _write(done: Iterable[tuple[int, EncodedShard]], root: Path, count: int, progress: bool) -> None:
    """Write every shard as it is done."""
    from tqdm import tqdm

    hidden = not (progress and sys.stderr.isatty())
    bar = tqdm(done, total=count, desc="zoo", unit="shard", disable=hidden)
    for written, (number, shard) in enumerate(bar, 1):
        shard.write(root, number)
        if progress and hidden and (written % 10 == 0 or written == count):
            print(f"zoo: {written} of {count} shards", flush=True)

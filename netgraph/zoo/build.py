"""Building a zoo, shard by shard; an interrupted build goes on where it stopped."""

import json
import os
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path

from netgraph.errors import NetGraphError, StoreError
from netgraph.files import make_folder, read_own_record, write_own_record
from netgraph.machine import check_device
from netgraph.progress import Progress
from netgraph.tasks import real_task
from netgraph.zoo.engines import ENGINES
from netgraph.zoo.make_shard import make_encoded
from netgraph.zoo.manifest import entries_of, manifest_path, write_manifest
from netgraph.zoo.recipe import ZooRecipe
from netgraph.zoo.store import clear_leftovers, shard_exists
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
        device: Where networks are trained, ``cpu`` or ``cuda``. A GPU rounds otherwise, which training amplifies: the
            content is of the same kind, and the same for each kind of device.
        progress: Whether it is shown on standard error, as a bar or, every few seconds, in a line.

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
        for number, shard in done:
            if not (root / "zoo.json").exists():  # a build that fails before its first shard claims no folder
                fields = {"digest": recipe.digest, "recipes": [asdict(recipe)]}
                write_own_record(root / "zoo.json", FORMAT, VERSION, fields, indent=1)
            shard.write(root, number)
            bar.update()
    if missing or not manifest_path(root).exists():
        write_manifest(root, entries_of(root, recipe))
    return Zoo(root)


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
    """Check that the folder can be written to, and that what it holds, if anything, is a zoo of this recipe."""
    path = root / "zoo.json"
    if manifest_path(root).exists() and not path.exists():
        raise StoreError(f"{manifest_path(root)}: not of a zoo that is built here; choose another folder")
    make_folder(root / "shards")
    if not os.access(root / "shards", os.W_OK):
        raise StoreError(f"{root / 'shards'}: cannot be written to")
    clear_leftovers(root)
    if not path.exists():
        return
    record = read_own_record(path, FORMAT, VERSION, ["digest", "recipes"], unchecked=True)
    if record["digest"] != recipe.digest:
        import pandas as pd

        recipes = record["recipes"][0], json.loads(json.dumps(asdict(recipe)))
        there, here = (
            pd.json_normalize(one).to_dict("records")[0] for one in recipes
        )  # by paths, such as training.steps
        key = next((key for key in here if there.get(key) != here[key]), "recipe")
        what = f"{key} is {there.get(key)} there and {here.get(key)} here"
        raise StoreError(f"{path}: a zoo of another recipe: {what}; choose another folder")

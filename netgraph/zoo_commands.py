"""The commands on zoos, and on the real data sets that zoos are built of."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from netgraph.errors import NetGraphError
from netgraph.inputs import recipe_names, recipe_path
from netgraph.job import check_seed
from netgraph.machine import check_device
from netgraph.options import Device, OptionalCount, listed
from netgraph.outputs import check_empty, check_outputs
from netgraph.zoo.manifest import check_given, check_recipe, read_zoo


def zoo_build(
    recipe: Annotated[str, typer.Argument(autocompletion=recipe_names)] = "quick",
    out: str = "runs/zoo",
    seed: int | None = None,
    engine: Literal["local", "ray"] = "local",
    workers: OptionalCount = None,
    device: Device = "cpu",
) -> None:
    """Build a zoo, or complete one whose build was interrupted.

    Example:
        netgraph zoo build tiny --out my_zoo
        netgraph zoo build my_recipe.yaml --out my_zoo --seed 1

    Args:
        recipe: A YAML file, or a recipe that comes with netgraph: tiny, quick, wide, classes or full.
        out: Folder of the zoo.
        seed: Fixes everything; that of the recipe when left out.
        engine: Where processes run, on this machine or on a cluster of Ray.
        workers: Processes; one a core when left out.
        device: Where networks are trained, cpu, cuda, or one of several GPUs, such as cuda:1.
    """
    recipe_path(recipe)
    check_outputs([Path(out) / "zoo.json"], overwrite=True)
    check_seed(seed or 0)
    check_device(device)
    from netgraph.zoo import ZooRecipe

    chosen = ZooRecipe.load(recipe)
    chosen = chosen if seed is None else chosen.changed(seed=seed)
    check_recipe(out, chosen.digest, asdict(chosen))
    from netgraph.zoo import build_zoo

    zoo = build_zoo(chosen, out, engine, workers=workers, device=device)
    print(f"{len(zoo):,} networks in {out}" + (f"; {zoo.excluded:,} left out, see zoo info" if zoo.excluded else ""))


def zoo_import(
    folder: str,
    module: Annotated[str, typer.Option()],
    out: str = "runs/zoo",
    task: str | None = None,
    target: str | None = None,
    table: str | None = None,
    example: str | None = None,
    seed: int = 0,
) -> None:
    """Make a zoo of a folder of trained networks, each a state_dict in a file (.safetensors, .pt or .pth).

    Example:
        netgraph zoo import trained --module nets.py:Net --out my_zoo

    Args:
        folder: Folder of the files, and of folders of them; a file that holds code is refused.
        module: FILE.py:NAME or MODULE:NAME, a class or function without arguments that returns the architecture.
        out: Folder of the zoo; an import that was interrupted there is resumed.
        task: CSV or parquet file with the data of the networks, in the units that they read; unknown when left out.
        target: Column of these data that the networks predict, or several, separated by commas.
        table: CSV or parquet file with a column "file" and further ones, such as accuracy; "split" names train, val,
            test.
        example: Shapes of the inputs of networks that are not feed-forward, "1,3,32,32".
        seed: Of the split into train, val and test.
    """
    check_given(out)
    check_seed(seed)
    from netgraph.zoo.import_job import ImportJob

    job = ImportJob(folder, module, out, task, target, table, example, seed)
    job.check()
    from netgraph.zoo.import_folder import import_zoo

    zoo = import_zoo(job)
    print(f"{len(zoo):,} networks in {out}")


def zoo_info(zoo: str) -> None:
    """Describe a zoo.

    Example:
        netgraph zoo info my_zoo

    Args:
        zoo: Folder of the zoo.
    """
    read_zoo(zoo)
    from netgraph.zoo import Zoo, describe_zoo

    print(describe_zoo(Zoo(zoo)))


def zoo_verify(zoo: str) -> None:
    """Check every file and every network of a zoo.

    Example:
        netgraph zoo verify my_zoo

    Args:
        zoo: Folder of the zoo.
    """
    read_zoo(zoo)
    from netgraph.zoo import Zoo, verify_zoo

    print(f"{verify_zoo(Zoo(zoo))} networks, all sound")


def zoo_merge(zoos: list[str], out: Annotated[str, typer.Option()]) -> None:
    """Join zoos into a new one; the zoos themselves are not altered.

    Example:
        netgraph zoo merge my_zoo another_zoo --out both

    Args:
        zoos: Their folders.
        out: Folder of the new zoo.
    """
    for number, zoo in enumerate(zoos):
        read_zoo(zoo)
        if Path(zoo).resolve() in [Path(earlier).resolve() for earlier in zoos[:number]]:
            raise NetGraphError(f"{zoo}: is given twice")
    check_empty(Path(out), "a merged zoo")
    from netgraph.zoo import merge_zoos

    merged = merge_zoos(zoos, out)
    print(f"{len(merged)} networks of {len(merged.tasks)} tasks in {out}")


def datasets_install(names: str | None = None, out: str | None = None) -> None:
    """Fetch real data sets from OpenML, check and cache them; without a network list the cached ones.

    Example:
        netgraph datasets install --names abalone,openml:44957

    Args:
        names: Names of the list, or openml:<data id>, separated by commas; the whole list when left out.
        out: Folder of the cache; the environment variable NETGRAPH_DATA, or ~/.cache/netgraph, when left out.
    """
    from netgraph.tasks import install_real

    install_real(None if names is None else list(listed(names)), out)


def datasets_list(out: str | None = None) -> None:
    """Show the real data sets: those inside scikit-learn, and the list of those on OpenML.

    Example:
        netgraph datasets list

    Args:
        out: Folder of the cache; the environment variable NETGRAPH_DATA, or ~/.cache/netgraph, when left out.
    """
    from netgraph.tasks import describe_real

    print(describe_real(out))

"""The commands; each imports its modules when it is called, so that help is there at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from netgraph.errors import NetGraphError


def run(preset: str | None = None, out: str = "runs/quick", seed: int | None = None, device: str = "cpu") -> None:
    """Do the whole job: zoo, training, evaluation, samples, a real data set, report.

    Args:
        preset: quick, full, or tiny (a smoke test); that of the folder, or quick, when left out.
        out: Folder that takes everything; a run that was interrupted there is resumed.
        seed: Fixes everything; that of the folder, or 0, when left out.
        device: Where the model is trained, cpu or cuda.
    """
    from netgraph.run import run as run_all

    print_figures(run_all(preset, out, seed, device))
    print(f"look at {out}/report.html")


def train(
    zoo: str,
    out: str = "runs/train",
    preset: str | None = None,
    seed: int | None = None,
    device: str = "cpu",
    devices: int = 1,
    start: str | None = None,
    patience: int | None = None,
    skip_too_large: bool = False,
) -> None:
    """Train a model on a zoo, or resume a training that was interrupted.

    Args:
        zoo: Folder of the zoo.
        out: Folder that takes checkpoints (vae.safetensors) and tensorboard.
        preset: Sizes of the model and of its training, quick, full or tiny; those of the folder, or quick, if left out.
        seed: Fixes everything; that of the folder, or 0, when left out.
        device: Where the model is trained, cpu or cuda.
        devices: Number of GPUs, or of processes on the CPU; each takes its share of the batches.
        start: Safetensors file of a model that is trained further and keeps its sizes, or "shipped".
        patience: Epochs without a lower loss on held-out networks that end the training early; none when left out.
        skip_too_large: Leave out networks that a model cannot be trained on, such as too large ones.
    """
    from netgraph.run import train_model

    figures = train_model(zoo, out, preset, seed, device, devices, start, patience, skip_too_large)
    if figures:
        print_figures(figures)
        print(f"{out}/checkpoints/vae.safetensors")


def evaluate(
    zoo: str,
    out: str = "runs/evaluate",
    checkpoint: str | None = None,
    n_samples: int = 1000,
    seed: int = 0,
    device: str = "cpu",
    overwrite: bool = False,
) -> None:
    """Evaluate a model on the held-out tasks of a zoo.

    Args:
        zoo: Folder of the zoo.
        out: Folder that takes metrics.json, report.html and samples.
        checkpoint: Safetensors file of a trained model; the one that ships when left out.
        n_samples: Networks sampled from the prior.
        seed: Fixes everything.
        device: Where the model runs, cpu or cuda.
        overwrite: Replace existing files, but never the files that are read.
    """
    from netgraph.run import evaluate_checkpoint

    print_figures(evaluate_checkpoint(zoo, out, checkpoint, n_samples, seed, device, overwrite))
    print(f"look at {out}/report.html")


def zoo_build(
    recipe: str = "quick",
    out: str = "runs/zoo",
    seed: int | None = None,
    engine: str = "local",
    workers: int | None = None,
    device: str = "cpu",
) -> None:
    """Build a zoo, or complete one whose build was interrupted.

    Args:
        recipe: Name of a recipe that comes with netgraph, or a YAML file.
        out: Folder of the zoo.
        seed: Fixes everything; that of the recipe when left out.
        engine: local or ray.
        workers: Processes; one a core when left out.
        device: Where networks are trained, cpu or cuda.
    """
    from netgraph.zoo import ZooRecipe, build_zoo

    chosen = ZooRecipe.load(recipe)
    chosen = chosen if seed is None else chosen.changed(seed=seed)
    zoo = build_zoo(chosen, out, engine, workers=workers, device=device)
    print(f"{len(zoo):,} networks in {out}" + (f"; {zoo.excluded:,} left out, see zoo info" if zoo.excluded else ""))


def zoo_import(
    folder: str,
    module: str,
    out: str = "runs/zoo",
    task: str | None = None,
    target: str | None = None,
    table: str | None = None,
    example: str | None = None,
    seed: int = 0,
) -> None:
    """Make a zoo of a folder of trained networks, each a state_dict in a file (.safetensors, .pt or .pth).

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
    from netgraph.zoo.import_folder import ImportJob, import_zoo

    zoo = import_zoo(ImportJob(folder, module, out, task, target, table, example, seed))
    print(f"{len(zoo):,} networks in {out}")


def zoo_info(out: str) -> None:
    """Describe a zoo.

    Args:
        out: Folder of the zoo.
    """
    from netgraph.zoo import Zoo, describe_zoo

    print(describe_zoo(Zoo(out)))


def zoo_verify(out: str) -> None:
    """Check every file and every network of a zoo.

    Args:
        out: Folder of the zoo.
    """
    from netgraph.zoo import Zoo, verify_zoo

    print(f"{verify_zoo(Zoo(out))} networks, all sound")


def zoo_merge(zoos: list[str], out: str) -> None:
    """Join zoos into a new one; the zoos themselves are not altered.

    Args:
        zoos: Their folders.
        out: Folder of the new zoo.
    """
    from netgraph.zoo import merge_zoos

    merged = merge_zoos(zoos, out)
    print(f"{len(merged)} networks of {len(merged.tasks)} tasks in {out}")


def datasets_install(names: str | None = None, out: str | None = None) -> None:
    """Fetch real data sets from OpenML, check and cache them; without a network list the cached ones.

    Args:
        names: Names of the list, or openml:<data id>, separated by commas; the whole list when left out.
        out: Folder of the cache; the environment variable NETGRAPH_DATA, or ~/.cache/netgraph, when left out.
    """
    from netgraph.tasks import install_real

    install_real(None if names is None else list(listed(names)), out)


def datasets_list(out: str | None = None) -> None:
    """Show the real data sets: those inside scikit-learn, and the list of those on OpenML.

    Args:
        out: Folder of the cache; the environment variable NETGRAPH_DATA, or ~/.cache/netgraph, when left out.
    """
    from netgraph.tasks import describe_real

    print(describe_real(out))


def sample(
    checkpoint: str | None = None,
    out: str = "samples.safetensors",
    n: int = 10,
    seed: int | None = None,
    device: str = "cpu",
    overwrite: bool = False,
) -> None:
    """Sample networks.

    Args:
        checkpoint: Safetensors file of a trained model; the one that ships when left out.
        out: File that takes the networks.
        n: How many.
        seed: Of the noise.
        device: Where the model runs, cpu or cuda.
        overwrite: Replace existing files, but never the files that are read.
    """
    from netgraph.graph.io import save_graphs
    from netgraph.machine import check_device
    from netgraph.model import NetVAE
    from netgraph.outputs import check_outputs, replacing, with_record

    vae, written = NetVAE.from_pretrained(checkpoint).to(check_device(device)), with_record(Path(out))
    if written[0].suffix != ".safetensors":
        raise NetGraphError(f"{out}: samples go to a file that ends in .safetensors")
    check_outputs(written, () if checkpoint is None else with_record(Path(checkpoint)), overwrite=overwrite)
    graphs = vae.sample(n, seed=seed)
    with replacing(written):
        save_graphs(graphs, out)
    for graph in graphs:
        print(graph.architecture)
    print(f"{n} networks in {out}")


def listed(names: str) -> tuple[str, ...]:
    """Return names that are separated by commas."""
    return tuple(name.strip() for name in names.split(","))


def print_figures(figures: Mapping[str, float]) -> None:
    """Print a figure a line, whole numbers in full."""
    for name, value in figures.items():
        print(f"{name:32s} {value:.0f}" if float(value).is_integer() else f"{name:32s} {value:.4g}")


def convert(
    source: str,
    out: str,
    to: Literal["graph", "module", "onnx", "source", "graphml", "json"] | None = None,
    example: str | None = None,
    weights: str | None = None,
    overwrite: bool = False,
) -> None:
    """Convert a module to a graph, and a graph to a module's weights and source, ONNX, Python, GraphML or JSON.

    Args:
        source: A graph (FILE.safetensors, its record FILE.json beside it), or MODULE:NAME, a torch module or a
            function that returns one.
        out: File that takes the result; --to module writes FILE.safetensors and the class, FILE.py.
        to: Kind of the result; as of the suffix of OUT when left out.
        example: Shapes of the inputs of MODULE:NAME, "2,3,32,32"; "long:2,8" for integers; several joined by ";".
        weights: A state_dict (FILE.safetensors) that is loaded into MODULE:NAME first.
        overwrite: Replace existing files, but never the files that are read.
    """
    from netgraph.graph.modules.files import convert_file

    print(convert_file(source, out, to, example, weights, overwrite))

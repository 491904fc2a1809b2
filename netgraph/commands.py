"""The commands: each checks its arguments before it imports torch, which takes seconds; its docstring is its help."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from netgraph.errors import NetGraphError
from netgraph.figures import MODEL
from netgraph.inputs import check_checkpoint, check_file, check_source, example_shapes
from netgraph.job import Preset, check_evaluation, open_run, open_training
from netgraph.machine import check_device
from netgraph.options import Count, Device, OptionalCount, Overwrite, print_figures
from netgraph.outputs import check_outputs, conversion_outputs, replacing, with_record


def run(preset: Preset | None = None, out: str | None = None, seed: int | None = None, device: Device = "cpu") -> None:
    """Do the whole job: zoo, training, evaluation, samples, a real data set, report.

    Example:
        netgraph run --preset quick
        netgraph run --out runs/quick

    Args:
        preset: Sizes; tiny is a smoke test; those of the folder, or quick, when left out.
        out: Folder that takes everything, runs/PRESET when left out; a run that was interrupted there is resumed.
        seed: Fixes everything; that of the folder, or 0, when left out.
        device: Where the model is trained, cpu, cuda, or one of several GPUs, such as cuda:1.
    """
    out = out or f"runs/{preset or 'quick'}"
    open_run(preset, out, seed, device)
    from netgraph.run import run as run_all

    print_figures(run_all(preset, out, seed, device), MODEL)
    print(f"look at {out}/report.html")


def train(
    zoo: str,
    out: str = "runs/train",
    preset: Preset | None = None,
    seed: int | None = None,
    device: Device = "cpu",
    devices: Count = 1,
    start: str | None = None,
    patience: OptionalCount = None,
    skip_too_large: Annotated[bool, typer.Option("--skip-too-large")] = False,
) -> None:
    """Train a model on a zoo, or resume a training that was interrupted.

    Example:
        netgraph train my_zoo --out my_model
        netgraph train my_zoo --start shipped --patience 5

    Args:
        zoo: Folder of the zoo.
        out: Folder that takes checkpoints (vae.safetensors) and tensorboard.
        preset: Sizes of the model and of its training; those of the folder, or quick, when left out.
        seed: Fixes everything; that of the folder, or 0, when left out.
        device: Where the model is trained, cpu, cuda, or one of several GPUs, such as cuda:1.
        devices: Number of GPUs, or of processes on the CPU; each takes its share of the batches.
        start: Safetensors file of a model that is trained further and keeps its sizes, or "shipped".
        patience: Epochs without a lower loss on held-out networks that end the training early; none when left out.
        skip_too_large: Leave out networks that a model cannot be trained on, such as too large ones.
    """
    open_training(zoo, out, preset, seed, device, start, patience, skip_too_large)
    from netgraph.run import train_model

    figures = train_model(zoo, out, preset, seed, device, devices, start, patience, skip_too_large)
    if figures:
        print_figures(figures, MODEL)
        print(f"{out}/checkpoints/vae.safetensors")


def evaluate(
    zoo: str,
    out: str = "runs/evaluate",
    checkpoint: str | None = None,
    n_samples: int = 1000,
    seed: int = 0,
    device: Device = "cpu",
    overwrite: Overwrite = False,
) -> None:
    """Evaluate a model on the held-out tasks of a zoo.

    Example:
        netgraph evaluate my_zoo --checkpoint my_model/checkpoints/vae.safetensors

    Args:
        zoo: Folder of the zoo.
        out: Folder that takes metrics.json, report.html and samples.
        checkpoint: Safetensors file of a trained model; the one that ships, "shipped", when left out.
        n_samples: Networks sampled from the prior.
        seed: Fixes everything.
        device: Where the model runs, cpu, cuda, or one of several GPUs, such as cuda:1.
        overwrite: Replace existing files, but never the files that are read.
    """
    check_evaluation(zoo, out, checkpoint, n_samples, seed, device, overwrite)
    from netgraph.run import evaluate_checkpoint

    print_figures(evaluate_checkpoint(zoo, out, checkpoint, n_samples, seed, device, overwrite), MODEL)
    print(f"look at {out}/report.html")


def sample(
    checkpoint: str | None = None,
    out: str = "samples.safetensors",
    n: Count = 10,
    n_inputs: OptionalCount = None,
    n_outputs: OptionalCount = None,
    seed: int | None = None,
    device: Device = "cpu",
    overwrite: Overwrite = False,
) -> None:
    """Sample networks; in Python, netgraph.graph.load_graphs reads the file, and netgraph.to_module returns a module.

    Example:
        netgraph sample --n 5 --seed 0 --out samples.safetensors
        netgraph sample --n-inputs 4 --n-outputs 1

    Args:
        checkpoint: Safetensors file of a trained model; the one that ships, "shipped", when left out.
        out: File that takes the networks.
        n: How many.
        n_inputs: Inputs of each network; as the model draws them when left out.
        n_outputs: Outputs of each network; as the model draws them when left out.
        seed: Of the noise.
        device: Where the model runs, cpu, cuda, or one of several GPUs, such as cuda:1.
        overwrite: Replace existing files, but never the files that are read.
    """
    written, read = with_record(Path(out)), check_checkpoint(checkpoint)
    if written[0].suffix != ".safetensors":
        raise NetGraphError(f"{out}: samples go to a file that ends in .safetensors")
    check_outputs(written, read, overwrite=overwrite)
    check_device(device)
    from netgraph.graph.io import save_graphs
    from netgraph.model import NetVAE

    vae = NetVAE.from_pretrained(checkpoint).to(device)
    graphs = vae.sample(n, seed=seed, n_inputs=n_inputs, n_outputs=n_outputs)
    with replacing(written):
        save_graphs(graphs, out)
    for graph in graphs:
        print(graph.architecture)
    print(f"{n} networks in {out}")


def convert(
    source: str,
    out: str,
    to: Literal["graph", "module", "onnx", "source", "graphml", "json"] | None = None,
    example: str | None = None,
    weights: str | None = None,
    overwrite: Overwrite = False,
) -> None:
    """Convert a module to a graph, and a graph to a module's weights and source, ONNX, Python, GraphML or JSON.

    Example:
        netgraph convert nets.py:network graph.safetensors --example 1,3,32,32
        netgraph convert graph.safetensors network.py
        netgraph convert nets.py:network network.onnx --weights trained.pt

    Args:
        source: A graph (FILE.safetensors, its record FILE.json beside it), or FILE.py:NAME or MODULE:NAME, a torch
            module, or a class or function without arguments that returns one.
        out: File that takes the result; --to module writes the weights, FILE.safetensors, and the class, FILE.py.
        to: Kind of the result; as of the suffix of OUT when left out.
        example: Shapes of the inputs of the module, "2,3,32,32"; "long:2,8" for integers; several joined by ";".
        weights: A state_dict (.safetensors, .pt or .pth) that is loaded into the module first.
        overwrite: Replace existing files, but never the files that are read.
    """
    read, (_, written) = check_source(source), conversion_outputs(out, to)
    check_outputs(written, [*read, *([check_file(weights)] if weights else [])], overwrite=overwrite)
    if example is not None:
        example_shapes(example)
    from netgraph.graph.modules.files import convert_file

    print(convert_file(source, out, to, example, weights, overwrite))

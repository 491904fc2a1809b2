"""The whole job: zoo, training, evaluation on held-out tasks, samples, a real data set, report; and its parts.

Every phase leaves its result in the run's folder, so that an interrupted run resumes with the first phase that is not
done; the time that an interrupted phase took is counted.
"""

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from netgraph.evaluation.evaluate import Evaluated, evaluate_model
from netgraph.evaluation.model_report import ModelReport
from netgraph.evaluation.rebuilding import Rebuilding
from netgraph.files import record_path, write_atomically
from netgraph.graph.io import save_graphs
from netgraph.job import TRAINING, Job, check_evaluation, is_first, model_path, open_run, open_training, samples_path
from netgraph.machine import provenance, threads
from netgraph.model import NetVAE
from netgraph.on_real_data import RealResult, try_real
from netgraph.outputs import replacing
from netgraph.presets import PRESETS, preset_of
from netgraph.training.final import write_final
from netgraph.training.fit import check_devices
from netgraph.training.history import loss_curves
from netgraph.training.train import train_on_zoo
from netgraph.zoo import Zoo, ZooRecipe, build_zoo

KEYS = (
    "edge_accuracy", "edge_f1", "cosine_similarity", "parameter_cosine_similarity", "output_r2_median", "validity",
    "uniqueness", "novelty", "sample_quality", "shape_quality", "sample_behaviour_distance",
    "random_behaviour_distance", "floor_behaviour_distance", "zoo_models_per_second", "train_seconds", "total_seconds",
    "n_train", "n_test",
)  # fmt: skip
#: Most samples whose weights are shown after a training (chosen: seconds).
MOST_SAMPLED = 64


def run(
    preset: str | None = None, out: str | Path = "runs/quick", seed: int | None = None, device: str = "cpu"
) -> dict[str, float]:
    """Do the whole job, or resume one that was interrupted; arguments as of :func:`netgraph.commands.run`.

    Returns:
        The figures in ``metrics.json``, which the folder takes beside ``zoo/``, ``checkpoints/``, ``tensorboard/``,
        ``samples/`` and ``report.html``.

    Raises:
        NetGraphError: When the preset is unknown, or the folder holds a run of another preset or seed, or another job.
    """
    folder, job = Path(out), open_run(preset, out, seed, device)
    size, seed = preset_of(job.of["preset"]), job.of["seed"]
    with job.phase("zoo"):
        recipe = replace(ZooRecipe.load(size.recipe), seed=seed)
        zoo = build_zoo(recipe, folder / "zoo")
    with job.phase("train"):
        vae = _trained(zoo, job, folder, device)
    with job.phase("evaluate"), threads(1):
        evaluated = evaluate_model(vae, zoo, size.n_samples, size.n_start_tasks, seed)
        save_graphs(evaluated.samples, samples_path(folder))
        real = try_real(vae, max_seconds=size.search_seconds, n_splits=size.n_splits)
        save_graphs([real.graph], folder / "samples" / "diabetes.safetensors")
    workers = min(os.cpu_count() or 1, recipe.n_shards)
    figures = evaluated.figures | {
        "zoo_models_per_second": len(zoo) * workers / max(zoo.train_seconds, 1e-9),
        "train_seconds": job.seconds["train"],
        "total_seconds": sum(job.seconds.values()),
    }
    vae.card |= {"figures": figures}
    vae.save(model_path(folder))
    command = job.command()
    write_final(folder / "tensorboard" / "final", vae, zoo, shlex.join(command), figures, evaluated.samples)
    _leave(folder, command, ["--checkpoint", str(model_path(folder))], vae, evaluated, figures, real)
    return figures


def train_model(
    zoo: str | Path,
    out: str | Path,
    preset: str | None = None,
    seed: int | None = None,
    device: str = "cpu",
    devices: int = 1,
    start: str | None = None,
    patience: int | None = None,
    skip_too_large: bool = False,
) -> dict[str, float]:
    """Train a model on a zoo, or resume a training that was interrupted; see :func:`netgraph.commands.train`.

    Returns:
        Networks, those left out and held out, and steps, seconds and lowest held-out loss of each part of the training;
        nothing in the other processes of a training on several devices.

    Raises:
        NetGraphError: When the preset is unknown, no model can be trained on the zoo (that is said before any work), or
            the folder holds a training of another preset, seed or zoo, or another job.
    """
    job = open_training(zoo, out, preset, seed, device, start, patience, skip_too_large)
    check_devices(device, devices)
    opened = Zoo(zoo)
    with job.phase("train"):
        vae = _trained(opened, job, Path(out), device, devices)
    if not is_first():
        return {}
    samples = vae.sample(min(MOST_SAMPLED, preset_of(job.of["preset"]).n_samples), seed=job.of["seed"])
    command = shlex.join(job.command(str(zoo)))
    write_final(Path(out) / "tensorboard" / "final", vae, opened, command, {}, samples)
    shown = ("networks", "left_out", "held_out", "steps", "seconds", "loss")
    return {name: float(value) for name, value in vae.card.items() if name.endswith(shown)}


def evaluate_checkpoint(
    zoo: str | Path,
    out: str | Path,
    checkpoint: str | Path | None = None,
    n_samples: int = 1000,
    seed: int = 0,
    device: str = "cpu",
    overwrite: bool = False,
) -> dict[str, float]:
    """Evaluate a model on the held-out tasks of a zoo; arguments as of :func:`netgraph.commands.evaluate`.

    Returns:
        The figures in ``metrics.json``.

    Raises:
        NetGraphError: When the folder holds another job's figures, a file would be lost, the zoo has no held-out
            networks, there are too few samples, or the model cannot hold a network of the zoo.
    """
    folder, written = Path(out), check_evaluation(zoo, out, checkpoint, n_samples, seed, device, overwrite)
    opened, vae = Zoo(zoo), NetVAE.from_pretrained(checkpoint).to(device)
    with threads(1):
        evaluated = evaluate_model(vae, opened, n_samples, PRESETS["quick"].n_start_tasks, seed)
    with replacing(written):
        save_graphs(evaluated.samples, samples_path(folder))
        model = [] if checkpoint is None else ["--checkpoint", str(checkpoint)]
        command = ["netgraph", "evaluate", str(zoo), *model, "--n-samples", str(n_samples), "--seed", str(seed)]
        _leave(folder, [*command, "--out", str(folder)], model, vae, evaluated, evaluated.figures)
    return evaluated.figures


def _trained(zoo: Zoo, job: Job, folder: Path, device: str, devices: int = 1) -> NetVAE:
    """Train a model and write it with a card of where it comes from; read it where that is done."""
    path, size, seed = model_path(folder), preset_of(job.of["preset"]), job.of["seed"]
    if record_path(path).exists():
        return NetVAE.from_pretrained(path)
    recipes = [asdict(recipe) for recipe in zoo.recipes]
    card = {"recipe": recipes[0] if len(recipes) == 1 else recipes, "preset": job.of["preset"], "seed": seed}
    further = TRAINING | job.of
    training = replace(size.training, seed=seed, patience=further["patience"])
    keywords = {"start": further["start"], "devices": devices, "skip_too_large": further["skip_too_large"]}
    card |= provenance()
    return train_on_zoo(zoo, folder, size.vae, training, device, card, callbacks=[Rebuilding()], **keywords)


def _leave(
    folder: Path,
    command: Sequence[str],
    model: Sequence[str],
    vae: NetVAE,
    evaluated: Evaluated,
    figures: Mapping[str, float],
    real: RealResult | None = None,
) -> None:
    """Write the report and the figures."""
    commands = {shlex.join(["netgraph", "sample", *model]): "Samples networks from this model."}
    curves = loss_curves(folder / "tensorboard")
    if curves:
        commands[f"tensorboard --logdir {shlex.quote(str(folder / 'tensorboard'))}"] = "Shows its training."
    preset = str(vae.card.get("preset"))
    targets = PRESETS.get(preset, PRESETS["quick"]).targets
    ModelReport(
        title=f"{' '.join(command[:2])}: {folder}",
        evaluated=evaluated,
        figures=figures,
        targets=targets,
        curves=curves,
        held_out=loss_curves(folder / "tensorboard", "held_out"),
        real={method: (score, real.spread[method]) for method, score in real.scores.items()} if real else {},
        files=f"The samples are in {samples_path(folder)}, all figures in {folder / 'metrics.json'}.",
        commands=commands,
        command=shlex.join(command),
        details=provenance(),
        note="" if targets else f"The model is of the preset {preset}, a smoke test: its figures mean nothing.",
    ).write(folder / "report.html")
    listed: dict[str, Any] = {key: figures[key] for key in KEYS if key in figures}
    listed.setdefault("shape_quality", None)  # not measured: too few networks for a two-sample test
    listed["more"] = {key: value for key, value in figures.items() if key not in KEYS}
    if real:
        listed |= {"diabetes_test_r2": real.scores, "diabetes_test_r2_deviation": real.spread}
    write_atomically(folder / "metrics.json", json.dumps(listed, indent=1).encode())

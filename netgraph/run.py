"""The whole job: zoo, training, evaluation on held-out tasks, samples, a real data set, report; and its parts.

Every phase leaves its result in the run's folder, so that an interrupted run resumes with the first phase that is not
done; the time that an interrupted phase took is counted.
"""

import json
import os
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_only

from netgraph.errors import NetGraphError, StoreError
from netgraph.evaluation.evaluate import Evaluated, evaluate_model
from netgraph.evaluation.model_report import ModelReport
from netgraph.files import make_folder, read_own_record, read_record, record_path, write_atomically, write_own_record
from netgraph.graph.io import save_graphs
from netgraph.machine import check_device, provenance, threads
from netgraph.model import NetVAE
from netgraph.model.arguments import is_whole
from netgraph.on_real_data import RealResult, try_real
from netgraph.outputs import check_outputs, replacing, with_record
from netgraph.presets import PRESETS, preset_of
from netgraph.reading import building, field_of
from netgraph.training.fit import check_devices
from netgraph.training.history import loss_curves, write_metrics
from netgraph.training.train import train_on_zoo
from netgraph.zoo import Zoo, ZooRecipe, build_zoo

FORMAT, VERSION = "netgraph.run", 1
#: What is recorded, by the name of the record.
JOBS = {"run": "run", "train": "training"}
KEYS = (
    "edge_accuracy", "edge_f1", "cosine_similarity", "parameter_cosine_similarity", "output_r2_median", "validity",
    "uniqueness", "novelty", "sample_quality", "shape_quality", "sample_behaviour_distance",
    "random_behaviour_distance", "floor_behaviour_distance", "zoo_models_per_second", "train_seconds", "total_seconds",
    "n_train", "n_test",
)  # fmt: skip
#: Arguments of a training that records of earlier ones do not have, and their defaults.
TRAINING: dict[str, Any] = {"start": None, "patience": None, "skip_too_large": False}
#: Types of the arguments of a job; all others are names.
_TYPES: dict[str, Any] = {"seed": int, "start": str | None, "patience": int | None, "skip_too_large": bool}
#: The largest seed of a recipe.
MOST_SEED = 2**62
#: Fewest samples between which distances can be measured.
LEAST_SAMPLES = 2
TARGETS = {
    "edge_f1": 0.97, "cosine_similarity": 0.85, "output_r2_median": 0.7, "validity": 1.0, "uniqueness": 0.95,
}  # fmt: skip


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
    folder, device = Path(out), check_device(device)
    _claim(folder, "run.json", "train.json", "metrics.json")
    if not (folder / "run.json").exists():
        check_outputs([folder / "report.html", *with_record(_samples(folder)), *with_record(_checkpoint(folder))])
    job = _Job.open(folder / "run.json", {"preset": "quick", "seed": 0}, {"preset": preset, "seed": seed})
    size, seed = preset_of(job.of["preset"]), job.of["seed"]
    with job.phase("zoo"):
        recipe = replace(ZooRecipe.load(size.recipe), seed=seed)
        zoo = build_zoo(recipe, folder / "zoo")
    with job.phase("train"):
        vae = _trained(zoo, job, folder, device)
    with job.phase("evaluate"), threads(1):
        evaluated = evaluate_model(vae, zoo, size.n_samples, size.n_start_tasks, seed)
        save_graphs(evaluated.samples, _samples(folder))
        real = try_real(vae, max_seconds=size.search_seconds, n_splits=size.n_splits)
        save_graphs([real.graph], folder / "samples" / "diabetes.safetensors")
    workers = min(os.cpu_count() or 1, recipe.n_shards)
    figures = evaluated.figures | {
        "zoo_models_per_second": len(zoo) * workers / max(zoo.train_seconds, 1e-9),
        "train_seconds": job.seconds["train"],
        "total_seconds": sum(job.seconds.values()),
    }
    vae.card |= {"figures": figures}
    vae.save(_checkpoint(folder))
    write_metrics(folder / "tensorboard", figures)
    command = ["netgraph", "run", "--preset", job.of["preset"], "--seed", str(seed), "--out", str(folder)]
    _leave(folder, command, ["--checkpoint", str(_checkpoint(folder))], evaluated, figures, real)
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
    folder, opened = Path(out), Zoo(zoo)
    check_devices(device, devices)
    if _is_first() and (folder / "train.json").exists() and not (folder / "checkpoints").exists():
        read_record(folder / "train.json", FORMAT, VERSION)  # nobody else's file is removed
        (folder / "train.json").unlink()  # of a training that kept nothing, nothing is to be gone on with
    _claim(folder, "train.json", "run.json", "metrics.json", "checkpoints")
    asked = {"preset": preset, "seed": seed, "zoo": opened.digest, "start": start, "patience": patience}
    asked["skip_too_large"] = skip_too_large or None
    job = _Job.open(folder / "train.json", TRAINING | {"preset": "quick", "seed": 0, "zoo": None}, asked)
    with job.phase("train"):
        card = _trained(opened, job, folder, device, devices).card
    shown = ("networks", "left_out", "held_out", "steps", "seconds", "loss")
    return {name: float(card[name]) for name in card if name.endswith(shown)} if _is_first() else {}


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
    folder, opened = Path(out), Zoo(zoo)
    _check_seed(seed)
    if n_samples < LEAST_SAMPLES:
        raise NetGraphError(f"n_samples is {n_samples}; at least {LEAST_SAMPLES}")
    _claim(folder, None, "run.json", *([] if overwrite else ["metrics.json"]))
    written = [folder / "metrics.json", folder / "report.html", *with_record(_samples(folder))]
    read = () if checkpoint is None else with_record(Path(checkpoint))
    check_outputs(written, read, overwrite=overwrite)
    vae = NetVAE.from_pretrained(checkpoint).to(check_device(device))
    with threads(1):
        evaluated = evaluate_model(vae, opened, n_samples, PRESETS["quick"].n_start_tasks, seed)
    with replacing(written):
        save_graphs(evaluated.samples, _samples(folder))
        model = [] if checkpoint is None else ["--checkpoint", str(checkpoint)]
        command = ["netgraph", "evaluate", str(zoo), *model, "--n-samples", str(n_samples), "--seed", str(seed)]
        _leave(folder, [*command, "--out", str(folder)], model, evaluated, evaluated.figures)
    return evaluated.figures


def _check_seed(seed: Any) -> None:
    """Raise unless a seed is one of recipes, trainings and evaluations alike; no folder is claimed for another."""
    if not is_whole(seed) or seed > MOST_SEED:
        raise NetGraphError(f"seed is {seed!r}; it must be a whole number from 0 to {MOST_SEED}")


def _claim(folder: Path, own: str | None, *others: str) -> None:
    """Raise if the folder already holds the output of another job."""
    if own is not None and (folder / own).exists():
        return
    for name in others:
        if (folder / name).exists():
            raise NetGraphError(f"{folder}: holds {name} of another job; choose another folder")


def _trained(zoo: Zoo, job: "_Job", folder: Path, device: str, devices: int = 1) -> NetVAE:
    """Train a model and write it with a card of where it comes from; read it where that is done."""
    path, size, seed = _checkpoint(folder), preset_of(job.of["preset"]), job.of["seed"]
    if record_path(path).exists():
        return NetVAE.from_pretrained(path)
    recipes = [asdict(recipe) for recipe in zoo.recipes]
    card = {"recipe": recipes[0] if len(recipes) == 1 else recipes, "preset": job.of["preset"], "seed": seed}
    further = TRAINING | job.of
    training = replace(size.training, seed=seed, patience=further["patience"])
    keywords = {"start": further["start"], "devices": devices, "skip_too_large": further["skip_too_large"]}
    return train_on_zoo(zoo, folder, size.vae, training, device, card | provenance(), **keywords)


def _samples(folder: Path) -> Path:
    return folder / "samples" / "samples.safetensors"


def _checkpoint(folder: Path) -> Path:
    return folder / "checkpoints" / "vae.safetensors"


def _leave(
    folder: Path,
    command: Sequence[str],
    model: Sequence[str],
    evaluated: Evaluated,
    figures: Mapping[str, float],
    real: RealResult | None = None,
) -> None:
    """Write the report and the figures."""
    commands = {shlex.join(["netgraph", "sample", *model]): "Samples networks from this model."}
    curves = loss_curves(folder / "tensorboard")
    if curves:
        commands[f"tensorboard --logdir {shlex.quote(str(folder / 'tensorboard'))}"] = "Shows its training."
    ModelReport(
        f"{' '.join(command[:2])}: {folder}",
        evaluated,
        figures,
        TARGETS,
        curves,
        {method: (score, real.spread[method]) for method, score in real.scores.items()} if real else {},
        f"The samples are in {_samples(folder)}, all figures in {folder / 'metrics.json'}.",
        commands,
        shlex.join(command),
        provenance(),
    ).write(folder / "report.html")
    listed: dict[str, Any] = {key: figures[key] for key in KEYS if key in figures}
    listed.setdefault("shape_quality", None)  # not measured: too few networks for a two-sample test
    listed["more"] = {key: value for key, value in figures.items() if key not in KEYS}
    if real:
        listed |= {"diabetes_test_r2": real.scores, "diabetes_test_r2_deviation": real.spread}
    write_atomically(folder / "metrics.json", json.dumps(listed, indent=1).encode())


@dataclass
class _Job:
    """Record of a folder: the arguments of its job, and the time that each phase took so far."""

    path: Path
    of: dict[str, Any]
    seconds: dict[str, float]

    @classmethod
    def open(cls, path: Path, defaults: Mapping[str, Any], asked: Mapping[str, Any]) -> "_Job":
        """Read the record, or begin one; an argument of None is that of the record, or the default."""
        of = {key: default if asked[key] is None else asked[key] for key, default in defaults.items()}
        preset_of(of["preset"])
        _check_seed(of["seed"])
        if not path.exists():
            make_folder(path.parent)
            job = cls(path, of, {})
            job.write()
            return job
        keys = [*(key for key in defaults if key not in TRAINING), "seconds"]
        record = TRAINING | read_own_record(path, FORMAT, VERSION, keys, unchecked=True)
        with building(path):
            for key in defaults:
                field_of(record, key, _TYPES.get(key, str))
            preset_of(record["preset"])
            seconds = field_of(record, "seconds", dict[str, float])
        for key, value in asked.items():
            if value is not None and value != record[key]:
                other = "on another zoo" if key == "zoo" else f"with {key} {record[key]}, not {value}"
                raise StoreError(f"{path}: a {JOBS[path.stem]} {other}; choose another folder")
        return cls(path, {key: record[key] for key in defaults}, seconds)

    def write(self) -> None:
        """Write the record, in the first of several processes."""
        if _is_first():
            write_own_record(self.path, FORMAT, VERSION, self.of | {"seconds": self.seconds})

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase; an evaluation is done anew and counts once."""
        before = 0.0 if name == "evaluate" else self.seconds.get(name, 0.0)
        started = time.monotonic()
        _print(f"{name} ...")
        try:
            yield
        finally:
            self.seconds[name] = before + time.monotonic() - started
            self.write()
        _print(f"{name}: {self.seconds[name]:.0f} s")


def _is_first() -> bool:
    """Return whether this is the process that writes: the only one, or the first of a training on several devices."""
    return int(rank_zero_only.rank or 0) == 0


def _print(line: str) -> None:
    if _is_first():
        print(line, flush=True)

"""Jobs in folders: the record from which one is resumed, and the checks before its work begins.

All of it is checked without torch, whose import takes seconds.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from netgraph.errors import NetGraphError, StoreError, unknown
from netgraph.files import make_folder, read_own_record, read_record, write_own_record
from netgraph.inputs import check_checkpoint
from netgraph.machine import check_device
from netgraph.outputs import check_outputs, with_record
from netgraph.reading import building, field_of, is_whole
from netgraph.zoo.manifest import read_zoo, zoo_digest

FORMAT, VERSION = "netgraph.run", 1
#: Names of :data:`netgraph.presets.PRESETS`.
Preset = Literal["quick", "full", "tiny"]
#: What is recorded, by the name of the record.
JOBS = {"run": "run", "train": "training"}
#: Arguments of a training that records of earlier ones do not have, and their defaults.
TRAINING: dict[str, Any] = {"start": None, "patience": None, "skip_too_large": False}
#: Types of the arguments of a job; all others are names.
_TYPES: dict[str, Any] = {"seed": int, "start": str | None, "patience": int | None, "skip_too_large": bool}
#: The largest seed of a recipe.
MOST_SEED = 2**62
#: Fewest samples between which distances can be measured.
LEAST_SAMPLES = 2


@dataclass
class Job:
    """Record of a folder: the arguments of its job, and the time that each phase took so far."""

    path: Path
    of: dict[str, Any]
    seconds: dict[str, float]

    @classmethod
    def open(cls, path: Path, defaults: Mapping[str, Any], asked: Mapping[str, Any], *, resumed: bool = True) -> "Job":
        """Read the record, or begin one, which the first phase writes.

        Args:
            path: File of the record.
            defaults: Arguments where there is no record.
            asked: Arguments that are given; one of None is that of the record, or the default.
            resumed: Whether a record that is there counts.

        Raises:
            NetGraphError: When an argument is none, or another than that of the record.
        """
        of = {key: default if asked[key] is None else asked[key] for key, default in defaults.items()}
        _check_preset(of["preset"])
        check_seed(of["seed"])
        if not resumed or not path.exists():
            return cls(path, of, {})
        keys = [*(key for key in defaults if key not in TRAINING), "seconds"]
        record = TRAINING | read_own_record(path, FORMAT, VERSION, keys, unchecked=True)
        with building(path):
            for key in defaults:
                field_of(record, key, _TYPES.get(key, str))
            _check_preset(record["preset"])
            seconds = field_of(record, "seconds", dict[str, float])
        for key, value in asked.items():
            if value is not None and value != record[key]:
                other = "on another zoo" if key == "zoo" else f"with {key} {record[key]}, not {value}"
                raise StoreError(f"{path}: a {JOBS[path.stem]} {other}; choose another folder")
        return cls(path, {key: record[key] for key in defaults}, seconds)

    def command(self, *arguments: str) -> list[str]:
        """Return the words of the command that does the job, with its positional arguments."""
        words = ["netgraph", self.path.stem, *arguments]
        for name, value in self.of.items():
            if name != "zoo" and value is not None and value is not False:
                words += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
        return [*words, "--out", str(self.path.parent)]

    def write(self) -> None:
        """Write the record, in the first of several processes."""
        if is_first():
            make_folder(self.path.parent)
            write_own_record(self.path, FORMAT, VERSION, self.of | {"seconds": self.seconds})

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase; an evaluation is done anew and counts once."""
        before = 0.0 if name == "evaluate" else self.seconds.get(name, 0.0)
        started = time.monotonic()
        self.write()
        _print(f"{name} ...")
        try:
            yield
        finally:
            self.seconds[name] = before + time.monotonic() - started
            self.write()
        _print(f"{name}: {self.seconds[name]:.0f} s")


def open_run(preset: str | None, out: str | Path, seed: int | None, device: str) -> Job:
    """Return the job of :func:`netgraph.run.run` in its folder, where it can run.

    Raises:
        NetGraphError: When an argument is none, the folder holds a run of another preset or seed, or another job, or a
            file would be lost.
    """
    folder = Path(out)
    claim(folder, "run.json", "train.json", "metrics.json")
    if not (folder / "run.json").exists():
        check_outputs([folder / "report.html", *with_record(samples_path(folder)), *with_record(model_path(folder))])
    job = Job.open(folder / "run.json", {"preset": "quick", "seed": 0}, {"preset": preset, "seed": seed})
    check_device(device)
    return job


def open_training(
    zoo: str | Path,
    out: str | Path,
    preset: str | None,
    seed: int | None,
    device: str,
    start: str | None,
    patience: int | None,
    skip_too_large: bool,
) -> Job:
    """Return the job of :func:`netgraph.run.train_model` in its folder, where it can run.

    Raises:
        NetGraphError: When an argument is none, or the folder holds a training of other arguments, or another job.
    """
    folder, (_, entries) = Path(out), read_zoo(zoo)
    check_checkpoint(start)
    record, kept = folder / "train.json", (folder / "checkpoints").exists()
    if record.exists() and not kept:
        read_record(record, FORMAT, VERSION)  # of a training that kept nothing, which is begun anew
    claim(folder, "train.json" if kept else None, "run.json", "metrics.json", "checkpoints")
    asked = {"preset": preset, "seed": seed, "zoo": zoo_digest(entries), "start": start, "patience": patience}
    asked["skip_too_large"] = skip_too_large or None
    job = Job.open(record, TRAINING | {"preset": "quick", "seed": 0, "zoo": None}, asked, resumed=kept)
    check_outputs([record], overwrite=True)
    check_device(device)
    return job


def check_evaluation(
    zoo: str | Path,
    out: str | Path,
    checkpoint: str | Path | None,
    n_samples: int,
    seed: int,
    device: str,
    overwrite: bool,
) -> list[Path]:
    """Return the files that :func:`netgraph.run.evaluate_checkpoint` writes, where it can run.

    Raises:
        NetGraphError: When an argument is none, the folder holds another job's figures, or a file would be lost.
    """
    folder = Path(out)
    read_zoo(zoo)
    check_seed(seed)
    if n_samples < LEAST_SAMPLES:
        raise NetGraphError(f"n_samples is {n_samples}; at least {LEAST_SAMPLES}")
    claim(folder, None, "run.json", *([] if overwrite else ["metrics.json"]))
    written = [folder / "metrics.json", folder / "report.html", *with_record(samples_path(folder))]
    check_outputs(written, check_checkpoint(checkpoint), overwrite=overwrite)
    check_device(device)
    return written


def check_seed(seed: Any) -> None:
    """Raise unless a seed is one of recipes, trainings and evaluations alike; no folder is claimed for another."""
    if not is_whole(seed) or seed > MOST_SEED:
        raise NetGraphError(f"seed is {seed!r}; it must be a whole number from 0 to {MOST_SEED}")


def claim(folder: Path, own: str | None, *others: str) -> None:
    """Raise if the folder already holds the output of another job."""
    if own is not None and (folder / own).exists():
        return
    for name in others:
        if (folder / name).exists():
            raise NetGraphError(f"{folder}: holds {name} of another job; choose another folder")


def samples_path(folder: Path) -> Path:
    """Return the path of the samples of a run or an evaluation."""
    return folder / "samples" / "samples.safetensors"


def model_path(folder: Path) -> Path:
    """Return the path of the model that a run or a training ends with."""
    return folder / "checkpoints" / "vae.safetensors"


def is_first() -> bool:
    """Return whether this is the process that writes: the only one, or the first of a training on several devices."""
    from lightning.pytorch.utilities import rank_zero_only

    return int(rank_zero_only.rank or 0) == 0


def _check_preset(name: str) -> None:
    if name not in get_args(Preset):
        raise unknown("preset", name, get_args(Preset))


def _print(line: str) -> None:
    if is_first():
        print(line, flush=True)

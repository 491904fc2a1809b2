"""Shards of a zoo on disk: safetensors, and a JSON record; a shard exists once its record does."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from netgraph.errors import StoreError
from netgraph.files import EncodedTensors, check_record, encode_tensors, read_record, record_path, tensors_are_there
from netgraph.graph.io import to_tensors
from netgraph.graph.modules.program import Program
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.records import GENERAL
from netgraph.reading import DamagedError, building, field_of
from netgraph.tasks import Task
from netgraph.zoo.manifest import ShardSizes
from netgraph.zoo.sizes import sum_up

FORMAT, VERSION = "netgraph.Zoo.shard", 3
#: Keys of the record of a shard.
_KEYS: dict[str, Any] = {
    "recipe": str, "first_task": int, "networks": list[int], "excluded": list[dict[str, Any]], "seconds": float,
    "tasks": list[dict[str, Any]], "columns": list[str], "trajectory_steps": list[int],
    "architectures": dict[str, Any], "sha256": str,
}  # fmt: skip
#: Keys of some records: the checksums of the other shards of a job, in its first one; the programs of networks that
#: are not feed-forward, each once; columns of texts; and sizes, which older ones do not have.
_OPTIONAL: dict[str, Any] = {
    "parts": list[str], "programs": list[dict[str, Any]], "texts": dict[str, list[str]], "sizes": ShardSizes,
}  # fmt: skip
TASK_TENSORS = ("x", "y", "x_mean", "x_scale")
TASK_KEYS: dict[str, Any] = {
    "family": str, "seed": int, "y_mean": float | list[float], "y_scale": float | list[float], "loss": str,
    "description": dict[str, Any],
}  # fmt: skip


@dataclass(frozen=True)
class Shard:
    """Networks trained side by side, with their tasks.

    Attributes:
        graphs: The networks, sensitivity measured, feed-forward ones canonical.
        task: Task of each network, counted within the shard, [n].
        columns: Figures of each network by name, each [n], such as ``r2``, see :class:`~netgraph.zoo.Fitted`.
        tasks: The tasks.
        meta_features: Meta-features of each task, [tasks, 37].
        first_task: Number of the first task within the zoo.
        excluded: ``task``, ``architecture`` and ``reason`` of each network that is left out.
        seconds: Time that training took.
        trajectory: Concatenated states after ``trajectory_steps``, [checkpoints, sum P], units in the order of the
            final network's, unscaled; None if not kept.
        trajectory_steps: Steps after which states are kept.
        texts: Columns of texts, each [n].
    """

    graphs: list[NetGraph]
    task: Tensor
    columns: dict[str, Tensor]
    tasks: list[Task]
    meta_features: Tensor
    first_task: int
    excluded: list[dict[str, Any]]
    seconds: float
    trajectory: Tensor | None = None
    trajectory_steps: tuple[int, ...] = ()
    texts: dict[str, list[str]] = field(default_factory=dict)


def encode(shard: Shard, digest: str) -> EncodedTensors:
    """Encode a shard of the recipe with this digest as one file of tensors and its record."""
    tensors, architectures = to_tensors([graph for graph in shard.graphs if graph.program is None])
    general, programs = _encode_general(shard.graphs, tensors["architecture"])
    tensors |= general | {"task": shard.task, "meta_features": shard.meta_features}
    tensors |= {f"columns.{name}": values for name, values in shard.columns.items()}
    if shard.trajectory is not None:
        tensors["trajectory"] = shard.trajectory
    tasks = []
    for i, task in enumerate(shard.tasks):
        # One output has no axis on disk, and its scales are numbers.
        scales = {key: getattr(task, key).squeeze(0).tolist() for key in ("y_mean", "y_scale")}
        fields = vars(task) | {"y": task.y.squeeze(1)} | scales
        tensors |= {f"tasks.{i}.{key}": fields[key] for key in TASK_TENSORS}
        tasks.append({key: fields[key] for key in TASK_KEYS})
    record = {
        "recipe": digest,
        "first_task": shard.first_task,
        "networks": shard.task.bincount(minlength=len(tasks)).tolist(),
        "excluded": shard.excluded,
        "seconds": shard.seconds,
        "tasks": tasks,
        "columns": list(shard.columns),
        "trajectory_steps": list(shard.trajectory_steps),
        "architectures": architectures,
        "sizes": asdict(sum_up(graph.program or graph.architecture for graph in shard.graphs)),
    }
    record |= {key: value for key, value in (("programs", programs), ("texts", shard.texts)) if value}
    return encode_tensors(tensors, FORMAT, VERSION, record)


def _encode_general(graphs: Sequence[NetGraph], rows: Tensor) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """Encode the networks that are not feed-forward.

    Args:
        graphs: All networks of a shard.
        rows: Number of the architecture of each feed-forward one.

    Returns:
        Tensors: the numbers of the architectures, -1 for a network that has none, the number of the program of each of
        these, and their states; and the programs, each once. Nothing where all networks are feed-forward.
    """
    general = [graph for graph in graphs if graph.program is not None]
    if not general:
        return {}, []
    numbers = iter(rows.tolist())
    position: dict[Program | None, int] = {}
    program = [position.setdefault(graph.program, len(position)) for graph in general]
    tensors = {
        "architecture": torch.tensor([next(numbers) if g.program is None else -1 for g in graphs], dtype=torch.int32),
        "program": torch.tensor(program, dtype=torch.int32),
    }
    for i, graph in enumerate(general):
        tensors |= {f"{i}.{key}": graph[key].detach().clone() for key in GENERAL}
    return tensors, [asdict(one) for one in position if one is not None]


def shard_path(root: Path, number: int | str, part: int = 0) -> Path:
    """Return the path of a shard's tensors, by its name, or by the number of its job and its part of the networks."""
    name = number if isinstance(number, str) else f"{number:05d}" + (f"-{part}" if part else "")
    return root / "shards" / f"{name}.safetensors"


def write_parts(root: Path, number: int, parts: Sequence[EncodedTensors]) -> None:
    """Write the shards of a job, the first one last: it names the others, and ends the job.

    Raises:
        StoreError: When the folder cannot be written to or the disk is full; files that are written stay.
    """
    for part in reversed(range(len(parts))):
        parts[part].write(shard_path(root, number, part))


def read_shard_record(path: Path) -> dict[str, Any]:
    """Read the record of a shard, by the path of its tensors.

    Raises:
        StoreError: When it is missing, damaged or of another version.
    """
    record = read_record(record_path(path), FORMAT, VERSION)
    check_shard_record(path, record)
    return record


def check_shard_record(path: Path, record: dict[str, Any]) -> None:
    """Check the record of a shard, by the path of its tensors.

    Raises:
        StoreError: When a key is missing, or of another type, or the record is not the one that was written.
    """
    with building(record_path(path)):
        for key, kind in _KEYS.items() | {key: _OPTIONAL[key] for key in _OPTIONAL.keys() & record.keys()}.items():
            field_of(record, key, kind)
        if len(record["networks"]) != len(record["tasks"]) or min(record["networks"], default=0) < 0:
            raise StoreError("networks does not count those of each of the tasks")
    check_record(record_path(path), record)


def sizes_of(record: dict[str, Any]) -> ShardSizes | None:
    """Return the sizes of the networks of a checked record; None in older ones."""
    return field_of(record, "sizes", ShardSizes) if "sizes" in record else None


def remedy(path: Path) -> str:
    """Return the remedy for a damaged shard of a zoo that was built."""
    return f"delete {path.with_suffix('.*')}, and build_zoo makes the shard again"


def clear_leftovers(root: Path) -> None:
    """Remove the temporary files of a build that was killed; no other may be writing to the folder.

    Raises:
        StoreError: When that is not allowed.
    """
    for path in (root / "shards").glob(".*.tmp"):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from None


def read_job(root: Path, number: int) -> dict[str, dict[str, Any]]:
    """Read the records of a job's shards, by name; none unless all are there, their tensors of the right length.

    Raises:
        StoreError: When a record is damaged or of another version.
    """
    records: dict[str, dict[str, Any]] = {}
    checksums: list[str | None] = [None]
    for part, sha256 in enumerate(checksums):  # the first record names those of the other parts
        path = shard_path(root, number, part)
        if not record_path(path).exists():
            return {}
        try:
            record = records[path.stem] = read_shard_record(path)
        except DamagedError as error:
            raise StoreError(f"{error}; {remedy(path)}") from None
        if not tensors_are_there(path, record) or sha256 not in (None, record["sha256"]):
            return {}
        if part == 0:
            checksums += record["parts"]
    return records

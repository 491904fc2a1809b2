"""A shard of a zoo on disk: tensors as safetensors, and a JSON record; the shard exists once its record is in place."""

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from netgraph.errors import StoreError
from netgraph.files import EncodedTensors, check_record, encode_tensors, read_record, record_path, tensors_are_there
from netgraph.graph.io import to_tensors
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.table import starts
from netgraph.reading import DamagedError, building, field_of
from netgraph.tasks import Task

FORMAT, VERSION = "netgraph.Zoo.shard", 3
#: Most bytes of a shard's tensors, unless the networks of one task alone take more.
MAX_BYTES = 64 * 2**20
#: What stands in the record of a shard.
_KEYS: dict[str, Any] = {
    "recipe": str, "first_task": int, "networks": list[int], "excluded": list[dict[str, Any]], "seconds": float,
    "tasks": list[dict[str, Any]], "columns": list[str], "trajectory_steps": list[int], "parts": list[str],
    "architectures": dict[str, Any], "sha256": str,
}  # fmt: skip
TASK_TENSORS = ("x", "y", "x_mean", "x_scale")
TASK_FIELDS = {"family": str, "seed": int, "y_mean": float, "y_scale": float}


@dataclass(frozen=True)
class Shard:
    """Networks trained side by side, with their tasks.

    Attributes:
        graphs: The networks, canonical, sensitivity measured, those of one task after those of another.
        task: Task of each network, counted within the shard, [n].
        columns: Figures of each network by name, each [n]; ``r2`` is R^2 on its task's validation rows.
        tasks: The tasks.
        meta_features: Meta-features of each task, [tasks, 37].
        first_task: Number of the first task within the zoo.
        excluded: Networks that are left out: ``task``, ``architecture`` and ``reason`` of each.
        seconds: Time that training took.
        trajectory: States of all networks, one after the other, after some steps, [checkpoints, sum P]; None if not
            kept. The units stand in the order of the final network's, unscaled.
        trajectory_steps: Those steps.
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
    trajectory_steps: tuple[int, ...] = field(default=())


def shard_path(root: Path, name: str) -> Path:
    """Return the path of a shard's tensors."""
    return root / "shards" / f"{name}.safetensors"


def shard_name(number: int, part: int = 0) -> str:
    """Return the name of a shard: the number of the job that made it, and which part of its networks it holds."""
    return f"{number:05d}-{part}" if part else f"{number:05d}"


@dataclass(frozen=True)
class EncodedShard:
    """The shards of one job as they go to disk: what a worker gives and the process that builds the zoo writes.

    Attributes:
        parts: One, or several where one would be too large.
    """

    parts: tuple[EncodedTensors, ...]

    def write(self, root: Path, number: int) -> None:
        """Write the shards, the first one last: it names the others, and the job is done once it is there.

        Raises:
            StoreError: When the folder cannot be written to or the disk is full; what is there already stays.
        """
        for part in reversed(range(len(self.parts))):
            self.parts[part].write(shard_path(root, shard_name(number, part)))


def encode_shard(shard: Shard, digest: str, max_bytes: int = MAX_BYTES) -> EncodedShard:
    """Encode a shard.

    Args:
        shard: The networks of a job.
        digest: That of the recipe.
        max_bytes: Most bytes of a file of tensors. A shard with more is cut between tasks; only the networks of one
            task may take more.
    """
    first, *others = _cut(shard, digest, max_bytes)
    record = first.record | {"parts": [part.record["sha256"] for part in others]}
    return EncodedShard((EncodedTensors(first.payload, record), *others))


def _cut(shard: Shard, digest: str, max_bytes: int) -> list[EncodedTensors]:
    """Encode a shard, or its halves when it has more than one task and is too large."""
    middle, end = len(shard.tasks) // 2, len(shard.tasks)
    if end == 1 or _least_bytes(shard) <= max_bytes:
        encoded = _encode(shard, digest)
        if end == 1 or len(encoded.payload) <= max_bytes:
            return [encoded]
    halves = _of_tasks(shard, 0, middle), _of_tasks(shard, middle, end)
    return [part for half in halves for part in _cut(half, digest, max_bytes)]


def _least_bytes(shard: Shard) -> int:
    """Count the bytes of the large tensors, known before anything is copied."""
    graphs = sum(graph.state.nbytes + graph.sensitivity.nbytes for graph in shard.graphs)
    tasks = sum(task.x.nbytes + task.y.nbytes for task in shard.tasks)
    return graphs + tasks + (0 if shard.trajectory is None else shard.trajectory.nbytes)


def _of_tasks(shard: Shard, first: int, end: int) -> Shard:
    """Return the tasks ``first`` to ``end`` with their networks."""
    networks = slice(*torch.searchsorted(shard.task, torch.tensor([first, end])).tolist())
    states = starts(np.array([len(graph.state) for graph in shard.graphs]))[[networks.start, networks.stop]]
    excluded = [row | {"task": row["task"] - first} for row in shard.excluded if first <= row["task"] < end]
    return replace(
        shard,
        graphs=shard.graphs[networks],
        task=shard.task[networks] - first,
        columns={name: values[networks] for name, values in shard.columns.items()},
        tasks=shard.tasks[first:end],
        meta_features=shard.meta_features[first:end],
        first_task=shard.first_task + first,
        excluded=excluded,
        seconds=shard.seconds * (end - first) / len(shard.tasks),
        trajectory=None if shard.trajectory is None else shard.trajectory[:, slice(*states.tolist())],
    )


def _encode(shard: Shard, digest: str) -> EncodedTensors:
    tensors, architectures = to_tensors(shard.graphs)
    tensors |= {"task": shard.task, "meta_features": shard.meta_features}
    tensors |= {f"columns.{name}": values for name, values in shard.columns.items()}
    if shard.trajectory is not None:
        tensors["trajectory"] = shard.trajectory
    for i, task in enumerate(shard.tasks):
        tensors |= {f"tasks.{i}.{name}": getattr(task, name) for name in TASK_TENSORS}
    counts = Counter(shard.task.tolist())
    record = {
        "recipe": digest,
        "first_task": shard.first_task,
        "networks": [counts[i] for i in range(len(shard.tasks))],
        "excluded": shard.excluded,
        "seconds": shard.seconds,
        "tasks": [
            {name: getattr(task, name) for name in TASK_FIELDS} | {"description": dict(task.description)}
            for task in shard.tasks
        ],
        "columns": list(shard.columns),
        "trajectory_steps": list(shard.trajectory_steps),
        "architectures": architectures,
    }
    return encode_tensors(tensors, FORMAT, VERSION, record)


def read_shard_record(root: Path, name: str) -> dict[str, Any]:
    """Read the record of a shard.

    Raises:
        StoreError: When it is missing, damaged or of another version.
    """
    path = record_path(shard_path(root, name))
    record = read_record(path, FORMAT, VERSION)
    check_shard_record(path, record)
    return record


def check_shard_record(path: Path, record: dict[str, Any]) -> None:
    """Check that the record of a shard is the one that was written, and holds what is read of it.

    Raises:
        DamagedError: When it does not; it names the key.
    """
    with building(path):
        for key, kind in _KEYS.items():
            if key != "parts" or key in record:  # the first shard of a job has it
                field_of(record, key, kind)
        if len(record["networks"]) != len(record["tasks"]) or min(record["networks"], default=0) < 0:
            raise StoreError("networks does not count those of each of the tasks")
    check_record(path, record)


def remedy(root: Path, name: str) -> str:
    """Return what to do about a damaged shard of a zoo that was built."""
    return f"delete {shard_path(root, name).with_suffix('.*')}, and build_zoo makes the shard again"


def shard_records(root: Path, number: int) -> dict[str, dict[str, Any]]:
    """Read the records of a job's shards, by name; none unless all are in place, their tensors at their length.

    Raises:
        StoreError: When a record is damaged or of another version.
    """
    records: dict[str, dict[str, Any]] = {}
    checksums: list[str | None] = [None]
    for part, sha256 in enumerate(checksums):  # the first record names those of the other parts
        name = shard_name(number, part)
        path = shard_path(root, name)
        if not record_path(path).exists():
            return {}
        try:
            records[name] = read_shard_record(root, name)
        except DamagedError as error:
            raise StoreError(f"{error}; {remedy(root, name)}") from None
        if not tensors_are_there(path, records[name]) or sha256 not in (None, records[name]["sha256"]):
            return {}
        if part == 0:
            checksums += records[name]["parts"]
    return records


def shard_exists(root: Path, number: int, digest: str) -> bool:
    """Return whether the shards of a job of this recipe are in place.

    Raises:
        StoreError: When a shard of another recipe or version is.
    """
    name, records = shard_name(number), shard_records(root, number)
    if records and records[name]["recipe"] != digest:
        path = record_path(shard_path(root, name))
        raise StoreError(f"{path}: made by another recipe; choose another folder")
    return bool(records)


def clear_leftovers(root: Path) -> None:
    """Remove what a build that was killed was writing to the shards' folder; no other may be writing to it.

    Raises:
        StoreError: When that is not allowed.
    """
    for path in (root / "shards").glob(".*.tmp"):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from None

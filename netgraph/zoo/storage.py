"""Shards of a zoo on disk: safetensors, and a JSON record; a shard exists once its record does."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from netgraph.errors import StoreError
from netgraph.files import (
    EncodedTensors,
    check_record,
    check_tensors,
    encode_tensors,
    read_record,
    record_path,
    tensors_are_there,
)
from netgraph.graph.architecture import Architecture, Ints
from netgraph.graph.io import to_tensors
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.records import check_length, check_range, column, table_from_tensors
from netgraph.graph.table import LayerTable, runs, starts
from netgraph.reading import DamagedError, building, field_of, one_line
from netgraph.tasks import Task

FORMAT, VERSION = "netgraph.Zoo.shard", 3
#: Keys of the record of a shard; the first shard of a job has ``parts`` too, the checksums of its other shards.
_KEYS: dict[str, Any] = {
    "recipe": str, "first_task": int, "networks": list[int], "excluded": list[dict[str, Any]], "seconds": float,
    "tasks": list[dict[str, Any]], "columns": list[str], "trajectory_steps": list[int],
    "architectures": dict[str, Any], "sha256": str,
}  # fmt: skip
_TASK_TENSORS = ("x", "y", "x_mean", "x_scale")
_TASK_KEYS: dict[str, Any] = {
    "family": str, "seed": int, "y_mean": float | list[float], "y_scale": float | list[float], "loss": str,
    "description": dict[str, Any],
}  # fmt: skip


@dataclass(frozen=True)
class Shard:
    """Networks trained side by side, with their tasks.

    Attributes:
        graphs: The networks, canonical, sensitivity measured, sorted by task.
        task: Task of each network, counted within the shard, [n].
        columns: Figures of each network by name, each [n]; ``r2`` is R^2 on its task's validation rows.
        tasks: The tasks.
        meta_features: Meta-features of each task, [tasks, 37].
        first_task: Number of the first task within the zoo.
        excluded: ``task``, ``architecture`` and ``reason`` of each network that is left out.
        seconds: Time that training took.
        trajectory: Concatenated states after ``trajectory_steps``, [checkpoints, sum P], units in the order of the
            final network's, unscaled; None if not kept.
        trajectory_steps: Steps after which states are kept.
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


def encode(shard: Shard, digest: str) -> EncodedTensors:
    """Encode a shard of the recipe with this digest as one file of tensors and its record."""
    tensors, architectures = to_tensors(shard.graphs)
    tensors |= {"task": shard.task, "meta_features": shard.meta_features}
    tensors |= {f"columns.{name}": values for name, values in shard.columns.items()}
    if shard.trajectory is not None:
        tensors["trajectory"] = shard.trajectory
    tasks = []
    for i, task in enumerate(shard.tasks):
        # One output has no axis on disk, and its scales are numbers.
        scales = {key: getattr(task, key).squeeze(0).tolist() for key in ("y_mean", "y_scale")}
        fields = vars(task) | {"y": task.y.squeeze(1)} | scales
        tensors |= {f"tasks.{i}.{key}": fields[key] for key in _TASK_TENSORS}
        tasks.append({key: fields[key] for key in _TASK_KEYS})
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
    }
    return encode_tensors(tensors, FORMAT, VERSION, record)


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
    _check_shard_record(path, record)
    return record


def _check_shard_record(path: Path, record: dict[str, Any]) -> None:
    with building(record_path(path)):
        for key, kind in _KEYS.items() | ({("parts", list[str])} if "parts" in record else set()):
            field_of(record, key, kind)
        if len(record["networks"]) != len(record["tasks"]) or min(record["networks"], default=0) < 0:
            raise StoreError("networks does not count those of each of the tasks")
    check_record(record_path(path), record)


def remedy(path: Path) -> str:
    """Return the remedy for a damaged shard of a zoo that was built."""
    return f"delete {path.with_suffix('.*')}, and build_zoo makes the shard again"


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


class OpenShard:
    """A shard on disk, whose tensors are read when they are asked for.

    Args:
        path: Its file of tensors.
        sha256: Checksum of its tensors, as of the manifest.
        again: Hash the tensors though this process did and the file's size and time of change are the same.

    Attributes:
        record: Its record.

    Raises:
        StoreError: When it is missing, damaged, of another version or not the one of the manifest; it names the file.
    """

    def __init__(self, path: Path, sha256: str, *, again: bool = False) -> None:
        self.path = path
        self.record = check_tensors(path, FORMAT, VERSION, again=again)
        _check_shard_record(path, self.record)
        if self.record["sha256"] != sha256:
            raise DamagedError(f"{path}: not the shard of the manifest")
        try:
            self._file = safe_open(path, framework="pt")
        except SafetensorError as error:
            raise DamagedError(f"{path}: not a safetensors file: {one_line(error)}") from None
        self._unpacked: dict[int, Architecture] = {}

    def __len__(self) -> int:
        return int(sum(self.record["networks"]))

    def tensor(self, name: str) -> Tensor:
        """Read one of its tensors; it is the file's own memory, so clone a tensor that leaves the zoo."""
        try:
            values: Tensor = self._file.get_tensor(name)
        except SafetensorError as error:
            raise DamagedError(f"{self.path}: {one_line(error)}") from None
        return values

    def _matrix(self, name: str, rows: int, columns: int | None = None) -> Tensor:
        values = self.tensor(name)
        if values.ndim != 2 or len(values) != rows or columns not in (None, values.shape[1]):
            raise DamagedError(f"{self.path}: tensor {name!r} has shape {tuple(values.shape)}")
        return values

    def _column(self, name: str, size: int, end: int | None = None) -> Tensor:
        """Read values of all networks, one after the other; whole numbers below ``end``, if given."""
        with building(self.path):
            values = column({name: self.tensor(name)}, name, floating=end is None)
            check_length(name, values, size)
            if end is not None:
                check_range(name, values.numpy(), end)
        return values

    @cached_property
    def table(self) -> LayerTable:
        """Its architectures, each once."""
        names = [name for name in self._file.keys() if name.startswith("layers.")]  # noqa: SIM118
        with building(self.path):
            return table_from_tensors({name: self.tensor(name) for name in names}, self.record["architectures"])

    @cached_property
    def architecture_of(self) -> Ints:
        """Row of the table that is each network's architecture, [n]."""
        return self._column("architecture", len(self), len(self.table)).numpy().astype(np.int64)

    @cached_property
    def task_of(self) -> Ints:
        """Task of each network, counted within the shard, [n]."""
        return self._column("task", len(self), len(self.record["tasks"])).numpy().astype(np.int64)

    @cached_property
    def columns(self) -> dict[str, Tensor]:
        """Figures of each network, by name."""
        columns = {name: self.tensor(f"columns.{name}").clone() for name in self.record["columns"]}
        with building(self.path):
            for name, values in columns.items():
                check_length(f"columns.{name}", values, len(self))
        return columns

    @property
    def meta_features(self) -> Tensor:
        """Meta-features of each task, [tasks, 37]."""
        return self._matrix("meta_features", len(self.record["tasks"]))

    @cached_property
    def _state(self) -> tuple[Tensor, Ints]:
        """Concatenated states, [sum P], and the first element of each network's, [n + 1]."""
        start = starts(self.table.state_size[self.architecture_of])
        return self._column("state", start[-1]), start

    @cached_property
    def _sensitivity(self) -> tuple[Tensor, Ints]:
        """Concatenated sensitivities, [sum N], and the first of each network's, [n + 1]."""
        start = starts(self.table.num_nodes[self.architecture_of])
        return self._column("sensitivity", start[-1]), start

    def architecture(self, i: int) -> Architecture:
        """Return the architecture of one network; networks that have the same share it."""
        row = int(self.architecture_of[i])
        if row not in self._unpacked:
            self._unpacked[row] = self.table.architecture(row)
        return self._unpacked[row]

    def graph(self, i: int) -> NetGraph:
        """Read one network."""
        own = (values[start[i] : start[i + 1]].clone() for values, start in (self._state, self._sensitivity))
        return NetGraph(self.architecture(i), *own)

    def packed(self, networks: Ints) -> tuple[LayerTable, Tensor, Tensor]:
        """Read many networks at once: their architectures, states and sensitivities one after the other."""
        table = self.table.take(self.architecture_of[networks])
        (state, state_start), (sensitivity, node_start) = self._state, self._sensitivity
        elements = torch.from_numpy(runs(state_start[networks], table.state_size))
        nodes = torch.from_numpy(runs(node_start[networks], table.num_nodes))
        return table, state[elements], sensitivity[nodes]

    def trajectory(self, i: int) -> Tensor:
        """Read the states of one network after the ``trajectory_steps`` of the record, [checkpoints, P]."""
        steps, start = self.record["trajectory_steps"], self._state[1]
        first, end = start[i : i + 2].tolist()
        if not steps:
            return torch.zeros(0, end - first)
        return self._matrix("trajectory", len(steps), start[-1])[:, first:end].clone()

    def task(self, i: int) -> Task:
        """Read one task."""
        fields: dict[str, Any] = {key: self.tensor(f"tasks.{i}.{key}").clone() for key in _TASK_TENSORS}
        record = {"loss": "squared_error"} | self.record["tasks"][i]  # which older zoos do not name
        with building(self.path):
            fields |= {key: field_of(record, key, kind) for key, kind in _TASK_KEYS.items()}
            fields["y"] = fields["y"].reshape(len(fields["y"]), -1)
            for key in ("y_mean", "y_scale"):
                fields[key] = torch.tensor(fields[key], dtype=torch.float64).reshape(-1)
            return Task(**fields)

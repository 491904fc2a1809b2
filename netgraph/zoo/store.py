"""A shard of a zoo on disk: tensors as safetensors, and a JSON record; the shard exists once its record is in place."""

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from netgraph.errors import StoreError
from netgraph.files import check_tensors, read_record, record_path, write_tensors
from netgraph.graph.architecture import Architecture
from netgraph.graph.io import read_architectures, to_tensors
from netgraph.graph.netgraph import NetGraph
from netgraph.tasks import Task

FORMAT, VERSION = "netgraph.Zoo.shard", 2
_TASK_TENSORS = ("x", "y", "x_mean", "x_scale")


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


def shard_path(root: Path, number: int) -> Path:
    """Give the path of a shard's tensors."""
    return root / "shards" / f"{number:05d}.safetensors"


@dataclass(frozen=True)
class EncodedShard:
    """A shard as it goes to disk: what a worker gives and the process that builds the zoo writes."""

    tensors: dict[str, Tensor]
    record: dict[str, Any]

    def write(self, root: Path, number: int) -> None:
        """Write the shard.

        Raises:
            StoreError: When the folder cannot be written to or the disk is full; what is there already stays.
        """
        write_tensors(shard_path(root, number), self.tensors, FORMAT, VERSION, self.record)


def encode_shard(shard: Shard, digest: str) -> EncodedShard:
    """Encode a shard; ``digest`` is that of the recipe."""
    tensors, architectures = to_tensors(shard.graphs)
    tensors |= {"task": shard.task, "meta_features": shard.meta_features}
    tensors |= {f"columns.{name}": values for name, values in shard.columns.items()}
    if shard.trajectory is not None:
        tensors["trajectory"] = shard.trajectory
    for i, task in enumerate(shard.tasks):
        tensors |= {f"tasks.{i}.{name}": getattr(task, name) for name in _TASK_TENSORS}
    counts = Counter(shard.task.tolist())
    record = {
        "recipe": digest,
        "first_task": shard.first_task,
        "networks": [counts[i] for i in range(len(shard.tasks))],
        "excluded": shard.excluded,
        "seconds": shard.seconds,
        "tasks": [_task_record(task) for task in shard.tasks],
        "columns": list(shard.columns),
        "trajectory_steps": list(shard.trajectory_steps),
        "architectures": architectures,
    }
    return EncodedShard(tensors, record)


def _task_record(task: Task) -> dict[str, Any]:
    names = ("family", "seed", "y_mean", "y_scale")
    return {name: getattr(task, name) for name in names} | {"description": dict(task.description)}


def read_shard_record(root: Path, number: int) -> dict[str, Any]:
    """Read the record of a shard.

    Raises:
        StoreError: When it is missing or of another version.
    """
    return read_record(record_path(shard_path(root, number)), FORMAT, VERSION)


def shard_exists(root: Path, number: int, digest: str) -> bool:
    """Say whether a shard of this recipe is in place.

    Raises:
        StoreError: When a shard of another recipe or version is.
    """
    record = record_path(shard_path(root, number))
    if not record.exists():
        return False
    if read_record(record, FORMAT, VERSION)["recipe"] != digest:
        raise StoreError(f"{record}: made by another recipe; choose another folder")
    return True


class OpenShard:
    """A shard whose tensors stay on disk until they are asked for.

    Args:
        root: Folder of the zoo.
        number: Number of the shard.
        sha256: Of its tensors, as the manifest says.

    Attributes:
        record: Its record.

    Raises:
        StoreError: When it is missing, damaged or of another version; it names the file.
    """

    def __init__(self, root: Path, number: int, sha256: str) -> None:
        path = shard_path(root, number)
        self.record = check_tensors(path, FORMAT, VERSION)
        if self.record["sha256"] != sha256:
            raise StoreError(f"{path}: not the shard of the manifest; build_zoo builds it again once it is deleted")
        self._file = safe_open(path, framework="pt")

    def __len__(self) -> int:
        return int(sum(self.record["networks"]))

    @cached_property
    def architectures(self) -> list[Architecture]:
        """Architecture of each network."""
        known = read_architectures(self.record["architectures"])
        return [known[i] for i in self.tensor("architecture").tolist()]

    @cached_property
    def _state_ptr(self) -> list[int]:
        return [0, *accumulate(architecture.state_size for architecture in self.architectures)]

    @cached_property
    def _node_ptr(self) -> list[int]:
        return [0, *accumulate(architecture.num_nodes for architecture in self.architectures)]

    def tensor(self, name: str) -> Tensor:
        """Read one of its tensors."""
        found: Tensor = self._file.get_tensor(name)
        return found

    @cached_property
    def task_of(self) -> Tensor:
        """Task of each network, counted within the shard, [n]."""
        return self.tensor("task")

    @cached_property
    def columns(self) -> dict[str, Tensor]:
        """Figures of each network, by name."""
        return {name: self.tensor(f"columns.{name}") for name in self.record["columns"]}

    def graph(self, i: int) -> NetGraph:
        """Read one network."""
        return NetGraph(
            self.architectures[i],
            self._file.get_slice("state")[self._state_ptr[i] : self._state_ptr[i + 1]],
            self._file.get_slice("sensitivity")[self._node_ptr[i] : self._node_ptr[i + 1]],
        )

    def trajectory(self, i: int) -> Tensor:
        """Read the states of one network after the steps of the record, [checkpoints, P]."""
        if not self.record["trajectory_steps"]:
            return torch.zeros(0, self.architectures[i].state_size)
        found: Tensor = self._file.get_slice("trajectory")[:, self._state_ptr[i] : self._state_ptr[i + 1]]
        return found

    def task(self, i: int) -> Task:
        """Read one task."""
        fields: dict[str, Any] = {name: self.tensor(f"tasks.{i}.{name}") for name in _TASK_TENSORS}
        return Task(**fields, **self.record["tasks"][i])

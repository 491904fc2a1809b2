"""A shard of a zoo on disk: tensors as safetensors, and a JSON record; the shard exists once its record is in place."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from netgraph.errors import StoreError
from netgraph.files import read_record, read_tensors, record_path, write_tensors
from netgraph.graph.io import from_tensors, to_tensors
from netgraph.graph.netgraph import NetGraph
from netgraph.tasks import Task

FORMAT, VERSION = "netgraph.Zoo.shard", 1


@dataclass(frozen=True)
class Shard:
    """Networks trained side by side, with their tasks.

    Attributes:
        graphs: The networks, canonical, sensitivity measured.
        task: Task of each network, counted within the shard, [n].
        r2: R^2 of each network on its task's validation rows, [n].
        tasks: The tasks.
        meta_features: Meta-features of each task, [tasks, 37].
        first_task: Number of the first task within the zoo.
        excluded: Number of networks that diverged and are left out.
        seconds: Time that training took.
    """

    graphs: list[NetGraph]
    task: Tensor
    r2: Tensor
    tasks: list[Task]
    meta_features: Tensor
    first_task: int
    excluded: int
    seconds: float


def shard_path(root: Path, number: int) -> Path:
    """Give the path of a shard's tensors."""
    return root / "shards" / f"{number:05d}.safetensors"


def write_shard(root: Path, number: int, shard: Shard, digest: str) -> None:
    """Write a shard; ``digest`` is that of the recipe."""
    tensors, architectures = to_tensors(shard.graphs)
    tensors |= {"task": shard.task, "r2": shard.r2, "meta_features": shard.meta_features}
    for i, task in enumerate(shard.tasks):
        tensors |= {f"tasks.{i}.{name}": getattr(task, name) for name in ("x", "y", "x_mean", "x_scale")}
    record = {
        "recipe": digest,
        "first_task": shard.first_task,
        "excluded": shard.excluded,
        "seconds": shard.seconds,
        "tasks": [_task_record(task) for task in shard.tasks],
        "architectures": architectures,
    }
    write_tensors(shard_path(root, number), tensors, FORMAT, VERSION, record)


def _task_record(task: Task) -> dict[str, Any]:
    names = ("family", "seed", "y_mean", "y_scale")
    return {name: getattr(task, name) for name in names} | {"description": dict(task.description)}


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


def read_shard(root: Path, number: int) -> Shard:
    """Read a shard and check that it is whole.

    Raises:
        StoreError: When it is missing, damaged or of another version; it names the file.
    """
    tensors, record = read_tensors(shard_path(root, number), FORMAT, VERSION)
    return Shard(
        graphs=from_tensors(tensors, record["architectures"]),
        task=tensors["task"],
        r2=tensors["r2"],
        tasks=[_task(tensors, i, row) for i, row in enumerate(record["tasks"])],
        meta_features=tensors["meta_features"],
        first_task=int(record["first_task"]),
        excluded=int(record["excluded"]),
        seconds=float(record["seconds"]),
    )


def _task(tensors: dict[str, Tensor], i: int, row: dict[str, Any]) -> Task:
    fields: dict[str, Any] = {name: tensors[f"tasks.{i}.{name}"] for name in ("x", "y", "x_mean", "x_scale")}
    return Task(**fields, **row)

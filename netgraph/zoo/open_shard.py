"""Reading a shard of a zoo: one network, many at once, or a task."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor

from netgraph.files import check_tensors, record_path
from netgraph.graph.architecture import Architecture, Ints
from netgraph.graph.io import check_length, check_range, column, table_from_tensors
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.table import LayerTable, runs, starts
from netgraph.reading import DamagedError, building, field_of, one_line
from netgraph.tasks import Task
from netgraph.zoo.optimizers import OPTIMIZERS
from netgraph.zoo.store import FORMAT, TASK_FIELDS, TASK_TENSORS, VERSION, check_shard_record, shard_path

if TYPE_CHECKING:
    import pandas as pd


class OpenShard:
    """A shard whose tensors stay on disk until they are asked for.

    Args:
        root: Folder of the zoo.
        name: Name of the shard.
        sha256: Of its tensors, as the manifest says.
        again: Hash the tensors though this process did and the file's size and time of change are the same.

    Attributes:
        path: Its file of tensors.
        record: Its record.

    Raises:
        DamagedError: When it is missing, damaged or not the one of the manifest; it names the file.
        StoreError: When it cannot be read, or is of another version; likewise.
    """

    def __init__(self, root: Path, name: str, sha256: str, *, again: bool = False) -> None:
        self.path = shard_path(root, name)
        self.record = check_tensors(self.path, FORMAT, VERSION, again=again)
        check_shard_record(record_path(self.path), self.record)
        if self.record["sha256"] != sha256:
            raise DamagedError(f"{self.path}: not the shard of the manifest")
        try:
            self._file = safe_open(self.path, framework="pt")
        except SafetensorError as error:
            raise DamagedError(f"{self.path}: not a safetensors file: {one_line(error)}") from None
        self._unpacked: dict[int, Architecture] = {}

    def __len__(self) -> int:
        return int(sum(self.record["networks"]))

    def tensor(self, name: str) -> Tensor:
        """Read one of its tensors; it is the file's own memory, so clone what leaves the zoo."""
        try:
            found: Tensor = self._file.get_tensor(name)
        except SafetensorError as error:
            raise DamagedError(f"{self.path}: {one_line(error)}") from None
        return found

    def _column(self, name: str, size: int, end: int | None = None) -> Tensor:
        """Read values of all networks, one after the other; whole numbers below ``end``, if given."""
        with building(self.path):
            found = column({name: self.tensor(name)}, name, floating=end is None)
            check_length(name, found, size)
            if end is not None:
                check_range(name, found.numpy(), end)
        return found

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
        found = {name: self.tensor(f"columns.{name}").clone() for name in self.record["columns"]}
        with building(self.path):
            for name, values in found.items():
                check_length(f"columns.{name}", values, len(self))
        return found

    @property
    def meta_features(self) -> Tensor:
        """Meta-features of each task, [tasks, 37]."""
        found = self.tensor("meta_features")
        if found.ndim != 2 or len(found) != len(self.record["tasks"]):
            raise DamagedError(f"{self.path}: tensor 'meta_features' has shape {tuple(found.shape)}")
        return found

    @cached_property
    def _state_start(self) -> Ints:
        return starts(self.table.state_size[self.architecture_of])

    @cached_property
    def _node_start(self) -> Ints:
        return starts(self.table.num_nodes[self.architecture_of])

    @cached_property
    def _state(self) -> Tensor:
        return self._column("state", self._state_start[-1])

    @cached_property
    def _sensitivity(self) -> Tensor:
        return self._column("sensitivity", self._node_start[-1])

    def architecture(self, i: int) -> Architecture:
        """Return the architecture of one network; networks that have the same share it."""
        row = int(self.architecture_of[i])
        if row not in self._unpacked:
            self._unpacked[row] = self.table.architecture(row)
        return self._unpacked[row]

    def graph(self, i: int) -> NetGraph:
        """Read one network."""
        state = self._state[self._state_start[i] : self._state_start[i + 1]].clone()
        sensitivity = self._sensitivity[self._node_start[i] : self._node_start[i + 1]].clone()
        return NetGraph(self.architecture(i), state, sensitivity)

    def packed(self, networks: Ints) -> tuple[LayerTable, Tensor, Tensor]:
        """Read many networks at once: their architectures, states and sensitivities one after the other."""
        table = self.table.take(self.architecture_of[networks])
        elements = runs(self._state_start[networks], table.state_size)
        vertices = runs(self._node_start[networks], table.num_nodes)
        return table, self._state[torch.from_numpy(elements)], self._sensitivity[torch.from_numpy(vertices)]

    @property
    def trajectory_steps(self) -> tuple[int, ...]:
        """Steps after which the states of the networks were kept."""
        return tuple(self.record["trajectory_steps"])

    def trajectory(self, i: int) -> Tensor:
        """Read the states of one network after the steps of the record, [checkpoints, P]."""
        first, end = self._state_start[i : i + 2].tolist()
        if not self.trajectory_steps:
            return torch.zeros(0, end - first)
        found = self.tensor("trajectory")
        if found.shape != (len(self.trajectory_steps), self._state_start[-1]):
            raise DamagedError(f"{self.path}: tensor 'trajectory' has shape {tuple(found.shape)}")
        return found[:, first:end].clone()

    def task(self, i: int) -> Task:
        """Read one task."""
        fields: dict[str, Any] = {name: self.tensor(f"tasks.{i}.{name}").clone() for name in TASK_TENSORS}
        kinds = TASK_FIELDS | {"description": dict[str, Any]}
        record = self.record["tasks"][i]
        with building(self.path):
            return Task(**fields, **{key: field_of(record, key, kind) for key, kind in kinds.items()})

    def rows(self, networks: Ints, first_task: int, test: NDArray[np.bool_]) -> "pd.DataFrame":
        """Read the rows of some networks, see :attr:`~netgraph.zoo.zoo.Zoo.table`.

        Args:
            networks: Their numbers within the shard, [n].
            first_task: Number of the shard's first task within the zoo.
            test: Whether each task of the zoo is a test task, [tasks].
        """
        import pandas as pd

        task = self.task_of[networks]
        architectures = [self.architecture(i) for i in networks.tolist()]
        figures = {"validation_r2" if name == "r2" else name: v.numpy()[networks] for name, v in self.columns.items()}
        if "optimizer" in figures:
            figures["optimizer"] = np.array(OPTIMIZERS)[figures["optimizer"]]
        return pd.DataFrame(
            {
                "task": first_task + task,
                "family": [self.record["tasks"][i]["family"] for i in task.tolist()],
                "split": np.where(test[first_task + task], "test", "train"),
                "architecture": [architecture.digest for architecture in architectures],
                "layers": [repr(architecture) for architecture in architectures],
                "n_inputs": [architecture.n_inputs for architecture in architectures],
                "n_layers": [len(architecture.layers) for architecture in architectures],
                "n_parameters": [architecture.state_size for architecture in architectures],
                **figures,
            }
        )

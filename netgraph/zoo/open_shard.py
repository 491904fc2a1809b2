"""Reading a shard of a zoo: one network, many at once, or a task."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from netgraph.files import DamagedError, check_record, check_tensors
from netgraph.graph.architecture import Architecture, Ints
from netgraph.graph.io import table_from_tensors
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.table import LayerTable, runs, starts
from netgraph.tasks import Task
from netgraph.zoo.store import FORMAT, TASK_TENSORS, VERSION, shard_path


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
        check_record(self.path, self.record)
        if self.record["sha256"] != sha256:
            raise DamagedError(f"{self.path}: not the shard of the manifest")
        self._file = safe_open(self.path, framework="pt")
        self._unpacked: dict[int, Architecture] = {}

    def __len__(self) -> int:
        return int(sum(self.record["networks"]))

    def tensor(self, name: str) -> Tensor:
        """Read one of its tensors; it is the file's own memory, so clone what leaves the zoo."""
        found: Tensor = self._file.get_tensor(name)
        return found

    @cached_property
    def table(self) -> LayerTable:
        """Its architectures, each once."""
        names = [name for name in self._file.keys() if name.startswith("layers.")]  # noqa: SIM118
        return table_from_tensors({name: self.tensor(name) for name in names}, self.record["architectures"])

    @cached_property
    def architecture_of(self) -> Ints:
        """Row of the table that is each network's architecture, [n]."""
        return self.tensor("architecture").numpy().astype(np.int64)

    @cached_property
    def task_of(self) -> Ints:
        """Task of each network, counted within the shard, [n]."""
        return self.tensor("task").numpy().astype(np.int64)

    @cached_property
    def columns(self) -> dict[str, Tensor]:
        """Figures of each network, by name."""
        return {name: self.tensor(f"columns.{name}").clone() for name in self.record["columns"]}

    @cached_property
    def _state_start(self) -> Ints:
        return starts(self.table.state_size[self.architecture_of])

    @cached_property
    def _node_start(self) -> Ints:
        return starts(self.table.num_nodes[self.architecture_of])

    @cached_property
    def _state(self) -> Tensor:
        return self.tensor("state")

    @cached_property
    def _sensitivity(self) -> Tensor:
        return self.tensor("sensitivity")

    def architecture(self, i: int) -> Architecture:
        """Give the architecture of one network; networks that have the same share it."""
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
        return self.tensor("trajectory")[:, first:end].clone()

    def task(self, i: int) -> Task:
        """Read one task."""
        fields: dict[str, Any] = {name: self.tensor(f"tasks.{i}.{name}").clone() for name in TASK_TENSORS}
        return Task(**fields, **self.record["tasks"][i])

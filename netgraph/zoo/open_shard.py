"""A shard of a zoo that is read: its checksums are checked at once, its tensors read when they are asked for."""

from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from netgraph.files import check_tensors
from netgraph.graph.architecture import Architecture, Ints
from netgraph.graph.modules.program import Program
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.records import (
    GENERAL,
    check_length,
    check_range,
    column,
    general_fields,
    program_from_record,
    table_from_tensors,
)
from netgraph.graph.table import LayerTable, runs, starts
from netgraph.lines import counted
from netgraph.reading import DamagedError, building, field_of, one_line
from netgraph.tasks import Task
from netgraph.zoo.storage import FORMAT, TASK_KEYS, TASK_TENSORS, VERSION, check_shard_record


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
        check_shard_record(path, self.record)
        if self.record["sha256"] != sha256:
            raise DamagedError(f"{path}: not the shard of the manifest")
        try:
            self._file = safe_open(path, framework="pt")
        except SafetensorError as error:
            raise DamagedError(f"{path}: not a safetensors file: {one_line(error)}") from None
        self._unpacked: dict[int, Architecture] = {}

    def __repr__(self) -> str:
        return f"OpenShard({counted(len(self), 'network')}, {self.path})"

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

    def _values(self, name: str, size: int) -> Tensor:
        """Read floating-point values of all feed-forward networks, one after the other."""
        with building(self.path):
            values = column({name: self.tensor(name)}, name, floating=True)
            check_length(name, values, size)
        return values

    def _numbers(self, name: str, size: int, end: int, none: int | None = None) -> Ints:
        """Read whole numbers below ``end``, or ``none``."""
        with building(self.path):
            values = column({name: self.tensor(name)}, name).numpy().astype(np.int64)
            check_length(name, values, size)
            check_range(name, values[values != none], end)
        return values

    @cached_property
    def table(self) -> LayerTable:
        """Its architectures, each once."""
        names = [name for name in self._file.keys() if name.startswith("layers.")]  # noqa: SIM118
        with building(self.path):
            return table_from_tensors({name: self.tensor(name) for name in names}, self.record["architectures"])

    @cached_property
    def architecture_of(self) -> Ints:
        """Row of the table that is each network's architecture, [n]; -1 for a network that is not feed-forward."""
        none = -1 if "programs" in self.record else None
        return self._numbers("architecture", len(self), len(self.table), none)

    @cached_property
    def general(self) -> dict[int, int]:
        """Each network that is not feed-forward, and its number among these."""
        return {network: i for i, network in enumerate(np.flatnonzero(self.architecture_of < 0).tolist())}

    @cached_property
    def _programs(self) -> list[Program]:
        """Program of each network that is not feed-forward."""
        with building(self.path):
            programs = [program_from_record(program) for program in self.record.get("programs", ())]
        if not programs:
            return []
        return [programs[i] for i in self._numbers("program", len(self.general), len(programs)).tolist()]

    @cached_property
    def task_of(self) -> Ints:
        """Task of each network, counted within the shard, [n]."""
        return self._numbers("task", len(self), len(self.record["tasks"]))

    @property
    def texts(self) -> dict[str, list[str]]:
        """Columns of texts, by name."""
        texts: dict[str, list[str]] = self.record.get("texts", {})
        with building(self.path):
            for name, values in texts.items():
                check_length(f"texts.{name}", values, len(self))
        return texts

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
        start = starts(self._sizes(self.table.state_size))
        return self._values("state", start[-1]), start

    @cached_property
    def _sensitivity(self) -> tuple[Tensor, Ints]:
        """Concatenated sensitivities, [sum N], and the first of each network's, [n + 1]."""
        start = starts(self._sizes(self.table.num_nodes))
        return self._values("sensitivity", start[-1]), start

    def _sizes(self, of_row: Ints) -> Ints:
        """Return a size of each network, given that of each row of the table; 0 where it is not feed-forward."""
        sizes, feed_forward = np.zeros(len(self), np.int64), self.architecture_of >= 0
        sizes[feed_forward] = of_row[self.architecture_of[feed_forward]]
        return sizes

    def architecture(self, i: int) -> Architecture | Program:
        """Return the architecture of one network, or its program; networks that have the same share it."""
        if i in self.general:
            return self._programs[self.general[i]]
        row = int(self.architecture_of[i])
        if row not in self._unpacked:
            self._unpacked[row] = self.table.architecture(row)
        return self._unpacked[row]

    def graph(self, i: int) -> NetGraph:
        """Read one network."""
        number = self.general.get(i)
        if number is not None:
            names = [f"{number}.{key}" for key in GENERAL]
            with building(self.path):
                program, tensors = self._programs[number], {name: self.tensor(name).clone() for name in names}
                return NetGraph(*general_fields(number, program, tensors))
        own = (values[start[i] : start[i + 1]].clone() for values, start in (self._state, self._sensitivity))
        return NetGraph(cast(Architecture, self.architecture(i)), *own)

    def packed(self, networks: Ints) -> tuple[LayerTable, Tensor, Tensor]:
        """Read many feed-forward networks at once: architectures, states and sensitivities one after the other."""
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
        fields: dict[str, Any] = {key: self.tensor(f"tasks.{i}.{key}").clone() for key in TASK_TENSORS}
        record = {"loss": "squared_error"} | self.record["tasks"][i]  # which older zoos do not name
        with building(self.path):
            fields |= {key: field_of(record, key, kind) for key, kind in TASK_KEYS.items()}
            fields["y"] = fields["y"][:, None] if fields["y"].ndim == 1 else fields["y"]
            for key in ("y_mean", "y_scale"):
                fields[key] = torch.tensor(fields[key], dtype=torch.float64).reshape(-1)
            return Task(**fields)

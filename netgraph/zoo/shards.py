"""The shards of a zoo: which of them holds a network or a task, and the few that are held open."""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from netgraph.errors import OutOfRangeError, StoreError
from netgraph.graph.architecture import Ints
from netgraph.lines import counted
from netgraph.reading import DamagedError
from netgraph.tasks import Task
from netgraph.zoo.manifest import ShardEntry, ShardSizes
from netgraph.zoo.open_shard import OpenShard
from netgraph.zoo.sizes import join_sizes, sum_up
from netgraph.zoo.storage import remedy, shard_path

#: Shards that are held open.
OPEN_SHARDS = 16


class Shards:
    """The shards of a zoo, read when they are asked for.

    Args:
        folder: Folder of the zoo.
        entries: Its manifest.
        built: Whether it is a zoo whose shards can be made again.

    Attributes:
        first_network: The zoo's number of each shard's first network, and of all networks, [shards + 1].
        part: Part of the zoo of each network, [n].
        task_numbers: The zoo's numbers of each shard's tasks.
        n_tasks: Number of tasks.
        excluded: Number of networks that were left out.
        seconds: Time that training took.
    """

    def __init__(self, folder: Path, entries: Sequence[ShardEntry], built: bool) -> None:
        self._files = [(shard_path(folder, entry.name), entry.sha256) for entry in entries]
        self.folder, self.excluded = folder, sum(entry.excluded for entry in entries)
        self.seconds = sum(entry.seconds for entry in entries)
        self._built, self._known_sizes = built, [entry.sizes for entry in entries]
        self._open: OrderedDict[int, OpenShard] = OrderedDict()
        self.first_network = [0, *accumulate(sum(entry.networks) for entry in entries)]
        self.part = np.concatenate([_parts(entry) for entry in entries])
        self.task_numbers: list[Ints] = []
        self.n_tasks = 0
        for entry in entries:
            numbers = range(self.n_tasks, self.n_tasks + len(entry.test)) if entry.tasks is None else entry.tasks
            self.task_numbers.append(np.array(numbers, np.int64))
            self.n_tasks = max([self.n_tasks, *(number + 1 for number in numbers)])

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without open files, so that it can be pickled."""
        return self.__dict__ | {"_open": OrderedDict()}

    def __len__(self) -> int:
        return len(self._files)

    def open(self, number: int, *, again: bool = False) -> OpenShard:
        """Open a shard, see :meth:`netgraph.zoo.zoo.Zoo.shard`."""
        if again or number not in self._open:
            path, sha256 = self._files[number]
            try:
                self._open[number] = OpenShard(path, sha256, again=again)
            except DamagedError as error:
                raise StoreError(f"{error}; {remedy(path)}" if self._built else str(error)) from None
        self._open.move_to_end(number)
        while len(self._open) > OPEN_SHARDS:
            self._open.popitem(last=False)
        return self._open[number]

    def find(self, network: int) -> tuple[int, int]:
        """Return the shard that holds a network, and its number within the shard."""
        number = bisect_right(self.first_network, network) - 1
        return number, network - self.first_network[number]

    def holding(self, networks: Ints) -> Iterator[tuple[int, Ints]]:
        """Yield each shard that holds some of the networks, with their numbers within it."""
        shards = np.searchsorted(self.first_network, networks, side="right") - 1
        for number in np.unique(shards).tolist():
            yield number, networks[shards == number] - self.first_network[number]

    def task(self, number: int) -> Task:
        """Read a task; OutOfRangeError where there is none of that number."""
        shard, row = self._task_places[number_of("task", number, range(self.n_tasks))]
        return self.open(shard).task(row)

    @cached_property
    def _task_places(self) -> dict[int, tuple[int, int]]:
        """The first shard that holds each task, and the task's number within it."""
        shards = reversed(list(enumerate(self.task_numbers)))
        return {task: (i, row) for i, numbers in shards for row, task in enumerate(numbers.tolist())}

    @cached_property
    def meta_features(self) -> Tensor:
        """Meta-features of each task, [tasks, 37]."""
        parts = [self.open(i).meta_features for i in range(len(self))]
        meta_features = parts[0].new_empty(self.n_tasks, parts[0].shape[1])
        for numbers, values in zip(self.task_numbers, parts, strict=True):
            meta_features[torch.from_numpy(numbers)] = values
        return meta_features

    def sizes(self) -> ShardSizes:
        """Return the sizes of all networks; shards of an older manifest, which does not hold them, are read."""
        return join_sizes([known or self._read_sizes(i) for i, known in enumerate(self._known_sizes)])

    def known_sizes(self) -> ShardSizes | None:
        """Return the sizes of all networks where the manifest holds them; older ones do not."""
        known = [sizes for sizes in self._known_sizes if sizes is not None]
        return join_sizes(known) if len(known) == len(self) else None

    def _read_sizes(self, number: int) -> ShardSizes:
        shard = self.open(number)
        return sum_up(shard.architecture(i) for i in range(len(shard)))


def number_of(kind: str, i: int, numbers: Sequence[int]) -> int:
    """Return the i-th of the numbers of networks or tasks.

    Raises:
        OutOfRangeError: When there are fewer.
    """
    try:
        return numbers[i]
    except IndexError:
        raise OutOfRangeError(f"no {kind} {i} in a zoo of {counted(len(numbers), kind)}") from None


def _parts(entry: ShardEntry) -> npt.NDArray[np.str_]:
    """Return the part of each network of a shard, [n]."""
    if entry.split is not None:
        return np.array(entry.split, dtype="<U5")
    return np.repeat(np.where(entry.test, "test", "train").astype("<U5"), entry.networks)

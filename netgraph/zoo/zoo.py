"""A zoo as a PyTorch Geometric data set."""

import hashlib
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Dataset

from netgraph.errors import NetGraphError, StoreError
from netgraph.files import read_own_record
from netgraph.graph.architecture import Ints
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.table import LayerTable
from netgraph.reading import DamagedError, building, field_of
from netgraph.tasks import Task
from netgraph.tokens import TokenBatch, tokenize_packed
from netgraph.zoo.manifest import read_manifest
from netgraph.zoo.open_shard import OpenShard
from netgraph.zoo.recipe import ZooRecipe
from netgraph.zoo.store import remedy

if TYPE_CHECKING:
    import pandas as pd

FORMAT, VERSION = "netgraph.Zoo", 2
#: Shards that are held open.
OPEN_SHARDS = 16


class Zoo(Dataset):
    """Trained networks in canonical form, with the tasks they were trained on.

    ``zoo[i]`` is a NetGraph with two more attributes: ``task`` (its task's number) and ``r2`` (R^2 on validation rows).
    Opening a zoo reads its manifest only; networks, tasks and figures are read when they are asked for, and a shard's
    checksums are checked whenever it is opened. Networks of one shard have numbers that follow each other, so reading
    in order (:meth:`stream`, or :meth:`token_batches` for many at once) is fast and takes the memory of a few shards;
    reading at random opens a shard for most networks.

    A part, such as ``zoo[10:20]`` or ``zoo.shuffle()``, counts its own networks from 0 on in every method; tasks keep
    the numbers they have in the whole zoo, and ``excluded``, ``train_seconds`` and shards are those of the whole zoo.

    Args:
        root: Folder of a zoo, as :func:`~netgraph.zoo.build.build_zoo` or :func:`~netgraph.zoo.merge.merge_zoos`
            leaves it.

    Attributes:
        recipes: The recipes it was built from: one, or several where zoos were merged.
        train_seconds: Time that training its networks took, summed over processes.
        excluded: Number of networks that diverged and are left out.

    Raises:
        StoreError: When there is none, or its manifest is missing or of another version; later, when a shard is
            missing or damaged.
    """

    def __init__(self, root: str | Path) -> None:
        self.folder = Path(root)
        if not self.folder.is_dir():
            raise StoreError(f"{self.folder}: no such folder")
        path = self.folder / "zoo.json"
        record = read_own_record(path, FORMAT, VERSION, ["digest", "recipes"], unchecked=True)
        with building(path):
            plain = field_of(record, "recipes", list[dict[str, Any]])
            self.recipes = [ZooRecipe.from_dict(values, str(path)) for values in plain]
        self._built = record["digest"] is not None
        entries = read_manifest(self.folder)
        self.train_seconds = sum(entry.seconds for entry in entries)
        self.excluded = sum(entry.excluded for entry in entries)
        self._files = [(entry.name, entry.sha256) for entry in entries]
        self._sizes = np.array([count for entry in entries for count in entry.networks], dtype=np.int64)
        self._test = np.array([test for entry in entries for test in entry.test], dtype=np.bool_)
        self._first_network = [0, *accumulate(sum(entry.networks) for entry in entries)]
        self._first_task = [0, *accumulate(len(entry.networks) for entry in entries)]
        self._open: OrderedDict[int, OpenShard] = OrderedDict()
        super().__init__(None)

    def __getstate__(self) -> dict[str, Any]:
        """Leave open files behind, so that the zoo travels to a loader's workers, and the table: a part has its own."""
        kept = {key: value for key, value in self.__dict__.items() if key != "table"}
        return kept | {"_open": OrderedDict()}

    @property
    def recipe(self) -> ZooRecipe:
        """The recipe of a zoo that was not merged.

        Raises:
            NetGraphError: When it was.
        """
        if len(self.recipes) != 1:
            raise NetGraphError(f"{self.folder}: a merged zoo has {len(self.recipes)} recipes; see zoo.recipes")
        return self.recipes[0]

    @property
    def digest(self) -> str:
        """What the zoo is told from others by: the checksum of its shards' checksums, in hexadecimal digits."""
        return hashlib.sha256("".join(sha256 for _, sha256 in self._files).encode()).hexdigest()

    @property
    def n_shards(self) -> int:
        """Number of shards."""
        return len(self._first_network) - 1

    def len(self) -> int:
        """Return the number of networks."""
        return self._first_network[-1]

    def get(self, idx: int) -> NetGraph:
        """Return a network."""
        return self._graph(*self._find(idx))

    def _find(self, network: int) -> tuple[int, int]:
        """Return the shard that holds a network, and its number within the shard."""
        number = bisect_right(self._first_network, network) - 1
        return number, network - self._first_network[number]

    def _graph(self, number: int, at: int) -> NetGraph:
        shard = self.shard(number)
        graph = shard.graph(at)
        graph.task = self._first_task[number] + int(shard.task_of[at])
        graph.r2 = float(shard.columns["r2"][at])
        return graph

    def stream(self, indices: Iterable[int] | None = None) -> Iterator[NetGraph]:
        """Yield networks one after the other, shard by shard, in the whole zoo's order; all of them when None."""
        for number, networks in self._by_shard(self._numbers(indices)):
            for at in networks.tolist():
                yield self._graph(number, at)

    def token_batches(
        self, batch_size: int = 512, indices: Iterable[int] | None = None, chunk: int = 16
    ) -> Iterator[TokenBatch]:
        """Yield what :func:`~netgraph.tokens.tokenize` makes of :meth:`stream`, in batches, and much faster.

        Nothing is done for one network alone, and no more is held than a batch and a few open shards.

        Args:
            batch_size: Networks of a batch, >= 1; the last one has what is left.
            indices: Networks, such as ``zoo.split("train")``; all of them when None.
            chunk: Weights a token carries, >= 1.

        Yields:
            Token streams, padded to the longest of their batch, in the order of :meth:`stream`.

        Raises:
            NetGraphError: When ``batch_size`` or ``chunk`` is less than 1.
            StoreError: When a shard is missing or damaged.
        """
        if batch_size < 1:
            raise NetGraphError(f"batch_size is {batch_size}; a batch has at least 1 network")
        numbers = self._numbers(indices)
        for start in range(0, len(numbers), batch_size):
            parts = self._by_shard(numbers[start : start + batch_size])
            tables, *values = zip(*(self.shard(number).packed(networks) for number, networks in parts), strict=True)
            state, sensitivity = (torch.cat(tensors) for tensors in values)
            yield tokenize_packed(LayerTable.join(tables), state, sensitivity, chunk)

    def _numbers(self, indices: Iterable[int] | None) -> Ints:
        """Return the whole zoo's numbers of networks in rising order, [n]."""
        known = self.indices()
        return np.sort(self._own_numbers() if indices is None else np.array([known[i] for i in indices], np.int64))

    def _own_numbers(self) -> Ints:
        """Return the whole zoo's number of each network, [n]."""
        return np.arange(self.len()) if self._indices is None else np.array(self._indices, np.int64)

    def _by_shard(self, numbers: Ints) -> Iterator[tuple[int, Ints]]:
        """Yield each shard that holds some of the networks, with their numbers within it."""
        shards = np.searchsorted(self._first_network, numbers, side="right") - 1
        for number in np.unique(shards).tolist():
            yield number, numbers[shards == number] - self._first_network[number]

    def trajectory(self, i: int) -> Tensor:
        """Read the states of a network while it was trained.

        Units stand in the order of the canonical network's, but neither scaled nor with their signs changed as its are.

        Returns:
            The states after each of :meth:`trajectory_steps`, [checkpoints, P]; after steps beyond the end of its
            training, the last one again.

        Raises:
            IndexError: When there is no such network.
        """
        number, at = self._find(self.indices()[i])
        return self.shard(number).trajectory(at)

    def trajectory_steps(self, i: int) -> tuple[int, ...]:
        """Return the steps after which the states of a network were kept; none where its recipe keeps no trajectory.

        Raises:
            IndexError: When there is no such network.
        """
        return self.shard(self._find(self.indices()[i])[0]).trajectory_steps

    def shard(self, number: int, *, again: bool = False) -> OpenShard:
        """Open a shard.

        Args:
            number: Its number.
            again: Open it anew and check its checksums, though this process did.

        Raises:
            StoreError: When it is missing, damaged, of another version, or not the one of the manifest.
        """
        if again or number not in self._open:
            name, sha256 = self._files[number]
            try:
                self._open[number] = OpenShard(self.folder, name, sha256, again=again)
            except DamagedError as error:
                raise StoreError(f"{error}; {remedy(self.folder, name)}" if self._built else str(error)) from None
        self._open.move_to_end(number)
        while len(self._open) > OPEN_SHARDS:
            self._open.popitem(last=False)
        return self._open[number]

    def task(self, number: int) -> Task:
        """Read a task.

        Raises:
            IndexError: When there is no such task.
        """
        number = range(self._first_task[-1])[number]
        shard = bisect_right(self._first_task, number) - 1
        return self.shard(shard).task(number - self._first_task[shard])

    @property
    def tasks(self) -> "Tasks":
        """Its tasks, read when they are asked for."""
        return Tasks(self)

    @cached_property
    def meta_features(self) -> Tensor:
        """Meta-features of each task, [tasks, 37]."""
        return torch.cat([self.shard(i).meta_features for i in range(self.n_shards)])

    def split(self, name: str) -> list[int]:
        """List the networks of ``train`` or ``test`` tasks.

        Raises:
            NetGraphError: When the name is another.
        """
        if name not in ("train", "test"):
            raise NetGraphError(f"unknown split {name!r}; known: train, test")
        chosen = np.repeat(self._test if name == "test" else ~self._test, self._sizes)
        found: list[int] = np.flatnonzero(chosen if self._indices is None else chosen[self._own_numbers()]).tolist()
        return found

    @cached_property
    def table(self) -> "pd.DataFrame":
        """One row a network.

        Its task, family and split; ``architecture``, the canonical hash, and ``layers`` to read; sizes; and how it was
        trained and what came of it: whatever the shards have columns of, such as ``validation_r2`` and ``seed_index``,
        which is 0 for the first network of an architecture on its task and counts the copies from other seeds.
        """
        import pandas as pd

        numbers = self._own_numbers()
        order = np.argsort(numbers, kind="stable")
        parts = list(self._by_shard(numbers[order])) or [(0, numbers)]
        rows = pd.concat([self.shard(i).rows(part, self._first_task[i], self._test) for i, part in parts])
        return rows.iloc[np.argsort(order)].reset_index(drop=True)


class Tasks(Sequence[Task]):
    """The tasks of a zoo."""

    def __init__(self, zoo: Zoo) -> None:
        self._zoo = zoo

    def __len__(self) -> int:
        return self._zoo._first_task[-1]

    @overload
    def __getitem__(self, number: int) -> Task: ...

    @overload
    def __getitem__(self, number: slice) -> list[Task]: ...

    def __getitem__(self, number: int | slice) -> Task | list[Task]:
        if isinstance(number, slice):
            return [self._zoo.task(i) for i in range(len(self))[number]]
        return self._zoo.task(number)

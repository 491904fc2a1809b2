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
from netgraph.zoo.optimizers import OPTIMIZERS
from netgraph.zoo.recipe import ZooRecipe
from netgraph.zoo.storage import OpenShard, remedy, shard_path

if TYPE_CHECKING:
    import pandas as pd

FORMAT, VERSION = "netgraph.Zoo", 2
#: Shards that are held open.
OPEN_SHARDS = 16


class Zoo(Dataset):
    """Trained networks in canonical form, with the tasks they were trained on.

    ``zoo[i]`` is a NetGraph with two more attributes: ``task`` (its task's number) and ``r2`` (R^2 on validation rows).
    Opening a zoo reads its manifest only; networks, tasks and figures are read when they are asked for, and a shard's
    checksums are checked whenever it is opened. Reading in order (:meth:`stream`, or :meth:`token_batches` for many at
    once) is fast and takes the memory of a few shards; reading at random opens a shard for most networks.

    A part, such as ``zoo[10:20]`` or ``zoo.shuffle()``, counts its own networks from 0 on in every method; numbers of
    tasks, ``excluded``, ``train_seconds`` and shards are those of the whole zoo.

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

    Example:
        >>> zoo = Zoo("my_zoo")
        >>> len(zoo), zoo[17].task, zoo.split("test")
        (18, 5, [15, 16, 17])
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
        self._files = [(shard_path(self.folder, entry.name), entry.sha256) for entry in entries]
        self._sizes = np.array([count for entry in entries for count in entry.networks], dtype=np.int64)
        self._test = np.array([test for entry in entries for test in entry.test], dtype=np.bool_)
        self._first_network = [0, *accumulate(sum(entry.networks) for entry in entries)]
        self._first_task = [0, *accumulate(len(entry.networks) for entry in entries)]
        self._open: OrderedDict[int, OpenShard] = OrderedDict()
        super().__init__(None)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without open files, so that it can be pickled, and without the table: a part has its own."""
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
        """Checksum of all shards, in hexadecimal digits."""
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

    def _graph(self, number: int, network: int) -> NetGraph:
        shard = self.shard(number)
        graph = shard.graph(network)
        graph.task = self._first_task[number] + int(shard.task_of[network])
        graph.r2 = float(shard.columns["r2"][network])
        return graph

    def stream(self, indices: Iterable[int] | None = None) -> Iterator[NetGraph]:
        """Yield networks one after the other, shard by shard, in the whole zoo's order; all of them when None."""
        for number, networks in self._by_shard(self._numbers(indices)):
            for network in networks.tolist():
                yield self._graph(number, network)

    def token_batches(
        self, batch_size: int = 512, indices: Iterable[int] | None = None, chunk: int = 16
    ) -> Iterator[TokenBatch]:
        """Yield the tokens of :meth:`stream`, as of :func:`~netgraph.tokens.tokenize`, in batches, and much faster.

        No step is taken for one network alone, and no more is held than a batch and a few open shards.

        Args:
            batch_size: Networks of a batch, >= 1; the last one may have fewer.
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
        """Read the states of a network after each of :meth:`trajectory_steps`, [checkpoints, P].

        Units stand in the order of the canonical network's, but neither scaled nor with their signs changed. After the
        end of its training a network keeps its last state.
        """
        number, network = self._find(self.indices()[i])
        return self.shard(number).trajectory(network)

    def trajectory_steps(self, i: int) -> tuple[int, ...]:
        """Return the steps after which the states of a network were kept; none where its recipe keeps no trajectory."""
        return tuple(self.shard(self._find(self.indices()[i])[0]).record["trajectory_steps"])

    def shard(self, number: int, *, again: bool = False) -> OpenShard:
        """Open a shard.

        Args:
            number: Number of the shard.
            again: Open it again and check its checksums, though this process did.

        Raises:
            StoreError: When it is missing, damaged, of another version, or not the one of the manifest.
        """
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

    def task(self, number: int) -> Task:
        """Read a task; IndexError where there is none of that number."""
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
        """List the networks of ``train`` or ``test`` tasks; NetGraphError where the name is another."""
        if name not in ("train", "test"):
            raise NetGraphError(f"unknown split {name!r}; known: train, test")
        chosen = np.repeat(self._test if name == "test" else ~self._test, self._sizes)
        networks: list[int] = np.flatnonzero(chosen[self._own_numbers()]).tolist()
        return networks

    @cached_property
    def table(self) -> "pd.DataFrame":
        """One row a network: its task, family, split, architecture, sizes and figures.

        ``architecture`` is the canonical hash, ``layers`` are to read. The figures are the columns of the shards, such
        as ``validation_r2`` and ``seed_index``, which counts the copies of an architecture on its task from 0 on.
        """
        import pandas as pd

        numbers = self._own_numbers()
        order = np.argsort(numbers, kind="stable")
        parts = list(self._by_shard(numbers[order])) or [(0, numbers)]
        return pd.concat([self._rows(*part) for part in parts]).iloc[np.argsort(order)].reset_index(drop=True)

    def _rows(self, number: int, networks: Ints) -> "pd.DataFrame":
        """Return the rows of the table for some networks of a shard, given by their numbers within it, [n]."""
        import pandas as pd

        shard = self.shard(number)
        own, architectures = shard.task_of[networks], [shard.architecture(i) for i in networks.tolist()]
        task = self._first_task[number] + own
        columns: dict[str, Any] = {
            "task": task,
            "family": [shard.record["tasks"][i]["family"] for i in own.tolist()],
            "split": np.where(self._test[task], "test", "train"),
            "architecture": [architecture.digest for architecture in architectures],
            "layers": [repr(architecture) for architecture in architectures],
            "n_inputs": [architecture.n_inputs for architecture in architectures],
            "n_layers": [len(architecture.layers) for architecture in architectures],
            "n_parameters": [architecture.state_size for architecture in architectures],
        }
        columns |= {name: values.numpy()[networks] for name, values in shard.columns.items()}
        if "optimizer" in columns:
            columns["optimizer"] = np.array(OPTIMIZERS)[columns["optimizer"]]
        return pd.DataFrame(columns).rename(columns={"r2": "validation_r2"})


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

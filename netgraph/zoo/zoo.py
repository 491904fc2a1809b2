"""A zoo as a PyTorch Geometric data set."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch_geometric.data import Dataset

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import Architecture, Ints
from netgraph.graph.modules.program import Program
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.table import LayerTable
from netgraph.reading import building, field_of
from netgraph.tasks import Task
from netgraph.tokens import TokenBatch, tokenize, tokenize_packed
from netgraph.zoo.from_networks import write_networks
from netgraph.zoo.manifest import PARTS, ShardSizes, read_zoo, zoo_digest
from netgraph.zoo.open_shard import OpenShard
from netgraph.zoo.overview import zoo_html, zoo_line
from netgraph.zoo.recipe import ZooRecipe
from netgraph.zoo.rows import table_rows
from netgraph.zoo.shards import Shards, number_of
from netgraph.zoo.task_list import Tasks

if TYPE_CHECKING:
    import pandas as pd


class Zoo(Dataset):
    """Trained networks in canonical form, with the tasks they were trained on.

    ``zoo[i]`` is a NetGraph with two more attributes: ``task`` (its task's number) and ``r2`` (on validation rows).
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
        digest: Checksum of all shards, in hexadecimal digits.
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
        path, (record, entries) = self.folder / "zoo.json", read_zoo(root)
        with building(path):
            plain = field_of(record, "recipes", list[dict[str, Any]])
            self.recipes = [ZooRecipe.from_dict(values, str(path)) for values in plain]
        self.digest = zoo_digest(entries)
        self._shards = Shards(self.folder, entries, record["digest"] is not None)
        self.train_seconds, self.excluded = self._shards.seconds, self._shards.excluded
        super().__init__(None)

    @classmethod
    def from_networks(
        cls,
        networks: Iterable[NetGraph | nn.Module],
        tasks: Any,
        root: str | Path,
        table: Any = None,
        split: str | Sequence[str] | None = None,
        *,
        index: Sequence[int] | None = None,
        seed: int = 0,
        progress: bool = True,
    ) -> Self:
        """Make a zoo of networks that were trained elsewhere; one whose writing was interrupted is completed.

        Feed-forward networks are brought to canonical form, any others (convolutions, transformers) are kept bit for
        bit. Sensitivity, R^2 (of classes McFadden's) and meta-features are measured on the rows as they are given,
        which should be in the units that the networks read, and held out from their training where there are some.

        Args:
            networks: Trained modules or graphs; ``zoo[i]`` is the i-th one.
            tasks: The data of all networks, (X, y) or a Task; a list with those of each; or None for networks whose
                data are unknown. X is [rows, ...]; y is [rows] or [rows, outputs], or classes 0, 1, 2 ...
            root: The folder, which must not exist, be empty, or hold an interrupted zoo of the same networks.
            table: Columns beside the library's own in ``zoo.table``, such as accuracy or epoch: a DataFrame or a
                mapping, one row a network.
            split: ``train``, ``val`` or ``test``, one for each network or each task, or one for all. When None a tenth
                of the tasks, or of the networks where there are fewer than three tasks, is drawn for ``val`` and
                ``test`` each.
            index: Number of each network's task, where ``tasks`` is a list that does not have one a network.
            seed: Seed of the split.
            progress: Whether progress is shown on standard error.

        Returns:
            The zoo.

        Raises:
            NetGraphError: When a network cannot be converted or does not fit its data, with its number; or a task,
                column or part is wrong, with its name.
            StoreError: When the folder holds anything else, or cannot be written to; shards that are written stay.

        Example:
            >>> modules = [torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))] * 2
            >>> data = torch.randn(64, 2), torch.randn(64)
            >>> zoo = Zoo.from_networks(modules, data, "own_zoo", {"epoch": [10, 20]}, "train", progress=False)
            >>> len(zoo), zoo.table["epoch"].tolist()
            (2, [10, 20])
        """
        write_networks(networks, tasks, root, table, split, index=index, seed=seed, progress=progress)
        return cls(root)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({zoo_line(self._shards, self._own_numbers())})"

    def _repr_html_(self) -> str:
        return zoo_html(repr(self), self._shards, self._own_numbers(), self.recipes)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the table: a part has its own."""
        return {key: value for key, value in self.__dict__.items() if key != "table"}

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
    def n_shards(self) -> int:
        """Number of shards."""
        return len(self._shards)

    def __getitem__(self, idx: Any) -> Any:
        if isinstance(idx, int | np.integer):
            number_of("network", int(idx), self.indices())
        return super().__getitem__(idx)

    def len(self) -> int:
        """Return the number of networks."""
        return self._shards.first_network[-1]

    def get(self, idx: int) -> NetGraph:
        """Return a network."""
        return self._graph(*self._shards.find(idx))

    def _graph(self, number: int, network: int) -> NetGraph:
        shard = self.shard(number)
        graph = shard.graph(network)
        graph.task = int(self._shards.task_numbers[number][shard.task_of[network]])
        graph.r2 = float(shard.columns["r2"][network])
        return graph

    def stream(self, indices: Iterable[int] | None = None) -> Iterator[NetGraph]:
        """Yield networks one after the other, shard by shard, in the whole zoo's order; all of them when None."""
        for number, networks in self._shards.holding(self._numbers(indices)):
            yield from (self._graph(number, network) for network in networks.tolist())

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
            chosen = numbers[start : start + batch_size]
            parts = [(self.shard(number), networks) for number, networks in self._shards.holding(chosen)]
            if any((shard.architecture_of[networks] < 0).any() for shard, networks in parts):
                yield tokenize([shard.graph(i) for shard, networks in parts for i in networks.tolist()], chunk)
                continue
            tables, *values = zip(*(shard.packed(networks) for shard, networks in parts), strict=True)
            state, sensitivity = (torch.cat(tensors) for tensors in values)
            yield tokenize_packed(LayerTable.join(tables), state, sensitivity, chunk)

    def _numbers(self, indices: Iterable[int] | None) -> Ints:
        """Return the whole zoo's numbers of networks in rising order, [n]."""
        known = self.indices()
        chosen = self._own_numbers() if indices is None else [number_of("network", i, known) for i in indices]
        return np.sort(np.array(chosen, np.int64))

    def _own_numbers(self) -> Ints:
        """Return the whole zoo's number of each network, [n]."""
        return np.arange(self.len()) if self._indices is None else np.array(self._indices, np.int64)

    def trajectory(self, i: int) -> Tensor:
        """Read the states of a network after each of :meth:`trajectory_steps`, [checkpoints, P].

        Units stand in the order of the canonical network's, but neither scaled nor with their signs changed. After the
        end of its training a network keeps its last state.
        """
        number, network = self._shards.find(number_of("network", i, self.indices()))
        return self.shard(number).trajectory(network)

    def trajectory_steps(self, i: int) -> tuple[int, ...]:
        """Return the steps after which the states of a network were kept; none where its recipe keeps no trajectory."""
        number, _ = self._shards.find(number_of("network", i, self.indices()))
        return tuple(self.shard(number).record["trajectory_steps"])

    def shard(self, number: int, *, again: bool = False) -> OpenShard:
        """Open a shard.

        Args:
            number: Number of the shard.
            again: Open it again and check its checksums, though this process did.

        Raises:
            StoreError: When it is missing, damaged, of another version, or not the one of the manifest.
        """
        return self._shards.open(number, again=again)

    def task(self, number: int) -> Task:
        """Read a task; OutOfRangeError where there is none of that number."""
        return self._shards.task(number)

    @property
    def tasks(self) -> Tasks:
        """Its tasks, read when they are asked for."""
        return Tasks(self.task, self._shards.n_tasks)

    @property
    def meta_features(self) -> Tensor:
        """Meta-features of each task, [tasks, 37]; NaN where it has none."""
        return self._shards.meta_features

    @property
    def sizes(self) -> ShardSizes:
        """Sizes of the networks of the whole zoo, from its manifest."""
        return self._shards.sizes()

    def architectures(self) -> Iterator[Architecture | Program]:
        """Yield the architecture of each network, or its program, without reading its weights."""
        for number, network in map(self._shards.find, self._own_numbers().tolist()):
            yield self.shard(number).architecture(network)

    def split(self, name: str) -> list[int]:
        """List the networks of a part, ``train``, ``val`` or ``test``; a zoo that was built has no ``val``.

        Raises:
            NetGraphError: When the name is another.
        """
        if name not in PARTS:
            raise NetGraphError(f"unknown split {name!r}; known: {', '.join(PARTS)}")
        networks: list[int] = np.flatnonzero(self._shards.part[self._own_numbers()] == name).tolist()
        return networks

    @cached_property
    def table(self) -> "pd.DataFrame":
        """One row a network: its task, family, loss, split, architecture, sizes and figures.

        ``architecture`` is the canonical hash, ``layers`` are to read. The figures are the columns of the shards, such
        as ``validation_r2`` (see :class:`~netgraph.zoo.Fitted`) and ``seed_index``, which counts the copies of an
        architecture on its task from 0 on, or the columns that were given to :meth:`from_networks`.
        """
        import pandas as pd

        numbers = self._own_numbers()
        order = np.argsort(numbers, kind="stable")
        parts = list(self._shards.holding(numbers[order])) or [(0, numbers)]
        return pd.concat([self._rows(*part) for part in parts]).iloc[np.argsort(order)].reset_index(drop=True)

    def _rows(self, number: int, networks: Ints) -> "pd.DataFrame":
        """Return the rows of the table for some networks of a shard, given by their numbers within it, [n]."""
        shard = self.shard(number)
        task, part = self._shards.task_numbers[number], self._shards.part[self._shards.first_network[number] + networks]
        return table_rows(shard, networks, task[shard.task_of[networks]], part)

"""A zoo as a PyTorch Geometric data set."""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import torch
from torch import Tensor
from torch_geometric.data import Dataset

from netgraph.errors import NetGraphError, StoreError
from netgraph.files import read_record
from netgraph.graph.netgraph import NetGraph
from netgraph.tasks import Task
from netgraph.zoo.manifest import read_manifest
from netgraph.zoo.recipe import ZooRecipe
from netgraph.zoo.store import OpenShard

if TYPE_CHECKING:
    import pandas as pd

FORMAT, VERSION = "netgraph.Zoo", 2
#: Shards that are held open.
OPEN_SHARDS = 4


class Zoo(Dataset):
    """Trained networks in canonical form, with the tasks they were trained on.

    ``zoo[i]`` is a NetGraph with two more attributes: ``task`` (its task's number) and ``r2`` (R^2 on validation rows).
    Opening a zoo reads its manifest only; networks, tasks and figures are read when they are asked for, and each
    shard's checksum when the shard is first opened. Networks of one shard have numbers that follow each other, so
    reading in order is fast and takes the memory of a few shards.

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
        record = read_record(self.folder / "zoo.json", FORMAT, VERSION)
        name = str(self.folder / "zoo.json")
        self.recipes = [ZooRecipe.from_dict(values, name) for values in record["recipes"]]
        entries = read_manifest(self.folder)
        self.train_seconds = sum(entry.seconds for entry in entries)
        self.excluded = sum(entry.excluded for entry in entries)
        self._sha256 = [entry.sha256 for entry in entries]
        self._sizes = [count for entry in entries for count in entry.networks]
        self._test = [test for entry in entries for test in entry.test]
        self._first_network = [0, *accumulate(sum(entry.networks) for entry in entries)]
        self._first_task = [0, *accumulate(len(entry.networks) for entry in entries)]
        self._open: OrderedDict[int, OpenShard] = OrderedDict()
        super().__init__(None)

    def __getstate__(self) -> dict[str, Any]:
        """Leave open files behind, so that the zoo travels to the workers of a loader."""
        return self.__dict__ | {"_open": OrderedDict()}

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
        return len(self._first_network) - 1

    def len(self) -> int:
        """Give the number of networks."""
        return self._first_network[-1]

    def get(self, idx: int) -> NetGraph:
        """Give a network."""
        number = bisect_right(self._first_network, idx) - 1
        shard, at = self.shard(number), idx - self._first_network[number]
        graph = shard.graph(at)
        graph.task = self._first_task[number] + int(shard.task_of[at])
        graph.r2 = float(shard.columns["r2"][at])
        return graph

    def stream(self, indices: Iterable[int] | None = None) -> Iterator[NetGraph]:
        """Give networks one after the other, shard by shard, in rising order; all of them when None."""
        yield from (self[i] for i in (range(len(self)) if indices is None else sorted(indices)))

    def trajectory(self, index: int) -> Tensor:
        """Give the states of a network after the recipe's ``trajectory`` steps, [checkpoints, P]."""
        number = bisect_right(self._first_network, index) - 1
        return self.shard(number).trajectory(index - self._first_network[number])

    def shard(self, number: int) -> OpenShard:
        """Open a shard.

        Raises:
            StoreError: When it is missing, damaged, of another version, or not the one of the manifest.
        """
        if number not in self._open:
            self._open[number] = OpenShard(self.folder, number, self._sha256[number])
        self._open.move_to_end(number)
        while len(self._open) > OPEN_SHARDS:
            self._open.popitem(last=False)
        return self._open[number]

    def task(self, number: int) -> Task:
        """Read a task."""
        shard = bisect_right(self._first_task, number) - 1
        return self.shard(shard).task(number - self._first_task[shard])

    @property
    def tasks(self) -> "Tasks":
        """Its tasks, read when they are asked for."""
        return Tasks(self)

    @cached_property
    def meta_features(self) -> Tensor:
        """Meta-features of each task, [tasks, 37]."""
        return torch.cat([self.shard(i).tensor("meta_features") for i in range(self.n_shards)])

    def split(self, name: str) -> list[int]:
        """List the networks of ``train`` or ``test`` tasks.

        Raises:
            NetGraphError: When the name is another.
        """
        if name not in ("train", "test"):
            raise NetGraphError(f"unknown split {name!r}; known: train, test")
        starts = [0, *accumulate(self._sizes)]
        spans = zip(starts, self._sizes, self._test, strict=False)
        return [i for start, size, test in spans if test == (name == "test") for i in range(start, start + size)]

    @cached_property
    def table(self) -> "pd.DataFrame":
        """One row a network: task, family, split, architecture, sizes, and the figures of its training."""
        import pandas as pd

        return pd.concat([self._rows(number) for number in range(self.n_shards)], ignore_index=True)

    def _rows(self, number: int) -> "pd.DataFrame":
        import pandas as pd

        shard, first = self.shard(number), self._first_task[number]
        task = shard.task_of.tolist()
        found = {
            "task": [first + i for i in task],
            "family": [shard.record["tasks"][i]["family"] for i in task],
            "split": ["test" if self._test[first + i] else "train" for i in task],
            "architecture": [repr(architecture) for architecture in shard.architectures],
            "n_inputs": [architecture.n_inputs for architecture in shard.architectures],
            "n_layers": [len(architecture.layers) for architecture in shard.architectures],
            "n_parameters": [architecture.state_size for architecture in shard.architectures],
        }
        figures = {"validation_r2" if name == "r2" else name: v.numpy() for name, v in shard.columns.items()}
        return pd.DataFrame(found | figures)


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
        return self._zoo.task(range(len(self))[number])

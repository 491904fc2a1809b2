"""A zoo as a PyTorch Geometric data set."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch_geometric.data import Dataset

from netgraph.errors import NetGraphError, StoreError
from netgraph.files import read_record, record_path
from netgraph.graph.netgraph import NetGraph
from netgraph.tasks import Task
from netgraph.zoo.recipe import ZooRecipe
from netgraph.zoo.store import read_shard, shard_path

if TYPE_CHECKING:
    import pandas as pd

FORMAT, VERSION = "netgraph.Zoo", 1


class Zoo(Dataset):
    """Trained networks in canonical form, with the tasks they were trained on.

    ``zoo[i]`` is a NetGraph with two more attributes: ``task`` (its task's number) and ``r2`` (R^2 on validation rows).

    Args:
        root: Folder of a zoo, as :func:`~netgraph.zoo.build.build_zoo` leaves it.

    Attributes:
        recipe: Its recipe.
        tasks: Its tasks, the training tasks first.
        meta_features: Meta-features of each task, [tasks, 37].
        train_seconds: Time that training its networks took, summed over processes.

    Raises:
        StoreError: When there is none, or a file is missing, damaged or of another version.
    """

    def __init__(self, root: str | Path) -> None:
        folder = Path(root)
        if not folder.is_dir():
            raise StoreError(f"{folder}: no such folder")
        record = read_record(folder / "zoo.json", FORMAT, VERSION)
        self.recipe = ZooRecipe.from_dict(record["recipe"], str(folder / "zoo.json"))
        self.folder = folder
        self.graphs: list[NetGraph] = []
        self.tasks: list[Task] = []
        meta_features = []
        self.train_seconds, self.excluded = 0.0, 0
        for number in range(self.recipe.n_shards):
            if not record_path(shard_path(folder, number)).exists():
                raise StoreError(f"{folder}: shard {number} is missing; build_zoo completes the zoo")
            shard = read_shard(folder, number)
            for graph, task, r2 in zip(shard.graphs, shard.task.tolist(), shard.r2.tolist(), strict=True):
                graph.task, graph.r2 = task + shard.first_task, r2
                self.graphs.append(graph)
            self.tasks += shard.tasks
            meta_features.append(shard.meta_features)
            self.train_seconds += shard.seconds
            self.excluded += shard.excluded
        self.meta_features: Tensor = torch.cat(meta_features)
        super().__init__(None)

    def len(self) -> int:
        """Give the number of networks."""
        return len(self.graphs)

    def get(self, idx: int) -> NetGraph:
        """Give a network."""
        return self.graphs[idx]

    def split(self, name: str) -> list[int]:
        """List the networks of ``train`` or ``test`` tasks.

        Raises:
            NetGraphError: When the name is another.
        """
        if name not in ("train", "test"):
            raise NetGraphError(f"unknown split {name!r}; known: train, test")
        first = self.recipe.n_tasks - self.recipe.n_test_tasks
        return [i for i, graph in enumerate(self.graphs) if (graph.task >= first) == (name == "test")]

    @cached_property
    def table(self) -> "pd.DataFrame":
        """One row a network: task, family, split, architecture, parameters, validation R^2."""
        import pandas as pd

        test = set(self.split("test"))
        rows = [
            {
                "task": graph.task,
                "family": self.tasks[graph.task].family,
                "split": "test" if i in test else "train",
                "architecture": repr(graph.architecture),
                "n_inputs": graph.architecture.n_inputs,
                "n_layers": len(graph.architecture.layers),
                "n_parameters": graph.architecture.state_size,
                "validation_r2": graph.r2,
            }
            for i, graph in enumerate(self.graphs)
        ]
        return pd.DataFrame(rows)

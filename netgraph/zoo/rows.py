"""Rows of a zoo's table."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from netgraph.graph.architecture import Ints
from netgraph.zoo.open_shard import OpenShard
from netgraph.zoo.optimizers import OPTIMIZERS

if TYPE_CHECKING:
    import pandas as pd


def read_rows(shard: OpenShard, networks: Ints, first_task: int, test: NDArray[np.bool_]) -> "pd.DataFrame":
    """Read the rows of some networks of a shard, see :attr:`~netgraph.zoo.zoo.Zoo.table`.

    Args:
        shard: The shard.
        networks: Numbers of the networks within it, [n].
        first_task: Number of its first task within the zoo.
        test: Whether each task of the zoo is a test task, [tasks].
    """
    import pandas as pd

    task = shard.task_of[networks]
    architectures = [shard.architecture(i) for i in networks.tolist()]
    found = {
        "task": first_task + task,
        "family": [shard.record["tasks"][i]["family"] for i in task.tolist()],
        "split": np.where(test[first_task + task], "test", "train"),
        "architecture": [architecture.digest for architecture in architectures],
        "layers": [repr(architecture) for architecture in architectures],
        "n_inputs": [architecture.n_inputs for architecture in architectures],
        "n_layers": [len(architecture.layers) for architecture in architectures],
        "n_parameters": [architecture.state_size for architecture in architectures],
    }
    figures = {"validation_r2" if name == "r2" else name: v.numpy()[networks] for name, v in shard.columns.items()}
    if "optimizer" in figures:
        figures["optimizer"] = np.array(OPTIMIZERS)[figures["optimizer"]]
    return pd.DataFrame(found | figures)

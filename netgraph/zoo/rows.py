"""Rows of a zoo's table."""

import hashlib
import json
from dataclasses import asdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from netgraph.graph.architecture import Architecture, Ints
from netgraph.graph.modules.encoding import references
from netgraph.graph.modules.program import Program
from netgraph.zoo.open_shard import OpenShard
from netgraph.zoo.optimizers import OPTIMIZERS

if TYPE_CHECKING:
    import pandas as pd

#: Columns that every zoo has.
OWN = (
    "task", "family", "task_loss", "split", "architecture", "layers", "n_inputs", "n_outputs", "n_layers",
    "n_parameters", "validation_r2",
)  # fmt: skip


def table_rows(shard: OpenShard, networks: Ints, task: Ints, part: npt.NDArray[np.str_]) -> "pd.DataFrame":
    """Return the rows of some networks of a shard, see :attr:`~netgraph.zoo.zoo.Zoo.table`.

    Args:
        shard: The shard.
        networks: Their numbers within it, [n].
        task: Their tasks' numbers within the zoo, [n].
        part: The parts they are in, [n].
    """
    import pandas as pd

    described = [_describe(shard.architecture(i)) for i in networks.tolist()]
    tasks = [shard.record["tasks"][i] for i in shard.task_of[networks].tolist()]
    columns: dict[str, Any] = {
        "task": task,
        "family": [one["family"] for one in tasks],
        "task_loss": [one.get("loss", "squared_error") for one in tasks],  # which older zoos do not name
        "split": part,
        **{name: [row[name] for row in described] for name in OWN[4:-1]},
    }
    columns |= {name: values.numpy()[networks] for name, values in shard.columns.items()}
    columns |= {name: [values[i] for i in networks.tolist()] for name, values in shard.texts.items()}
    if "optimizer" in shard.columns and "seed_index" in shard.columns:  # as numbers, in zoos that were built
        columns["optimizer"] = np.array(OPTIMIZERS)[columns["optimizer"]]
    return pd.DataFrame(columns).rename(columns={"r2": "validation_r2"})


def _describe(architecture: Architecture | Program) -> dict[str, Any]:
    """Return canonical hash, layers and sizes; the layers of a general network are its calls."""
    described: dict[str, Any] = {
        "architecture": digest_of(architecture),
        "layers": repr(architecture),
        "n_parameters": architecture.state_size,
    }
    if isinstance(architecture, Architecture):
        sizes = {"n_inputs": architecture.n_inputs, "n_outputs": architecture.n_outputs}
        return described | sizes | {"n_layers": len(architecture.layers)}
    calls = [node for node in architecture.nodes if node.op in ("module", "call")]
    results = set(references(architecture.calls.output))
    return described | {"n_inputs": len(architecture.inputs), "n_outputs": len(results), "n_layers": len(calls)}


@lru_cache(maxsize=256)
def digest_of(architecture: Architecture | Program) -> str:
    """Return the canonical hash of an architecture, or a hash of a program."""
    if isinstance(architecture, Architecture):
        return architecture.digest
    return hashlib.blake2b(json.dumps(asdict(architecture)).encode(), digest_size=12).hexdigest()

"""The command ``netgraph zoo import``: a zoo of a folder of state_dicts."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from netgraph.errors import UnsupportedLayerError
from netgraph.graph.modules.given import load_module, parse_example, read_state_dict
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.read_module import from_module
from netgraph.progress import Progress
from netgraph.reading import building
from netgraph.zoo.import_job import SPLIT, ImportJob
from netgraph.zoo.zoo import Zoo


def import_zoo(job: ImportJob) -> Zoo:
    """Read the state_dicts of a folder, and write them as a zoo, in the order of the names of their files.

    Raises:
        NetGraphError: When a file does not fit the architecture, or holds code; or the tables do not fit; it names the
            file.

    Example:
        >>> from pathlib import Path
        >>> from safetensors.torch import save_file
        >>> Path("state_dicts").mkdir()
        >>> save_file(torch.nn.Linear(2, 1).state_dict(), "state_dicts/a.safetensors")
        >>> _ = Path("architecture.py").write_text("from torch.nn import *; linear = Linear(2, 1)")
        >>> import_zoo(ImportJob("state_dicts", "architecture.py:linear", "imported")).table["file"].tolist()
        ['a.safetensors']
    """
    columns, tasks = dict(job.columns), job.data
    split = columns.pop(SPLIT, None)
    module, example = load_module(job.module), None if job.example is None else parse_example(job.example)
    if example is None and tasks is not None:
        example = torch.tensor(tasks[0][:2], dtype=torch.float32)
    with Progress("read", len(job.files), "file") as bar:
        graphs = []
        for path in job.files:
            graphs.append(_network(path, module, example))
            bar.update()
    return Zoo.from_networks(graphs, tasks, job.out, columns, split, seed=job.seed)


def _network(path: Path, module: nn.Module, example: Any) -> NetGraph:
    """Return the network of an architecture with the weights of a file."""
    state = read_state_dict(path)
    with building(path, "does not fit the architecture"):
        module.load_state_dict(state)
        try:
            return from_module(module, example)
        except UnsupportedLayerError as error:
            if example is not None:
                raise
            raise UnsupportedLayerError(f"{error}; --example has the shapes of its inputs") from error

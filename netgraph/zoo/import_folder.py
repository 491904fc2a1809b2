"""The command ``netgraph zoo import``: a zoo of a folder of state_dicts."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from netgraph.errors import NetGraphError, StoreError, UnsupportedLayerError
from netgraph.files import load_safetensors
from netgraph.graph.modules.files import load_module, parse_example
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.read_module import from_module
from netgraph.progress import Progress
from netgraph.reading import FAILURES, building, one_line, opening
from netgraph.zoo.import_job import SPLIT, ImportJob
from netgraph.zoo.zoo import Zoo

#: Keys under which a checkpoint of a training holds its state_dict.
_NESTED = ("state_dict", "model_state_dict")


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


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read a state_dict, or that of a checkpoint, from safetensors, or from a file of torch that holds no code.

    Raises:
        NetGraphError: When the file holds code or anything else; it names the file.
    """
    if path.suffix == ".safetensors":
        return load_safetensors(path)
    try:
        with opening(path):
            held = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise NetGraphError(f"{path}: holds more than tensors, which would run as code; save its state_dict") from None
    except (EOFError, *FAILURES) as error:
        raise StoreError(f"{path}: not a file of torch: {one_line(error)}") from None
    for key in _NESTED:
        held = held[key] if isinstance(held, Mapping) and isinstance(held.get(key), Mapping) else held
    if not isinstance(held, Mapping) or not held or not all(isinstance(value, Tensor) for value in held.values()):
        raise NetGraphError(f"{path}: holds no state_dict, nor a checkpoint with one ({', '.join(_NESTED)})")
    return dict(held)

"""The command ``netgraph zoo import``: a zoo of a folder of state_dicts."""

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from netgraph.errors import NetGraphError, StoreError, UnsupportedLayerError
from netgraph.files import load_safetensors
from netgraph.graph.from_module import from_module
from netgraph.graph.modules.files import load_module, parse_example
from netgraph.graph.netgraph import NetGraph
from netgraph.inputs import state_dict_files
from netgraph.progress import Progress
from netgraph.reading import FAILURES, building, one_line, opening
from netgraph.tasks.cells import parse_numbers, read_text
from netgraph.tasks.table import read_frame, read_table
from netgraph.zoo.zoo import Zoo

if TYPE_CHECKING:
    import pandas as pd

#: Keys under which a checkpoint of a training holds its state_dict.
_NESTED = ("state_dict", "model_state_dict")
#: Column of a table that names the file of each row, and the one that names its part of the zoo.
FILE, SPLIT = "file", "split"


@dataclass(frozen=True)
class ImportJob:
    """An import.

    Attributes:
        folder: Folder of state_dicts, and of folders of them.
        module: FILE.py:NAME or MODULE:NAME, a class or function without arguments that returns the architecture.
        out: Folder of the zoo.
        task: A table with the data of the networks, in the units that they read; their data are unknown when None.
        target: Column of the table that they predict, or several, separated by commas.
        table: A table with a column ``file`` and further columns of each network, such as accuracy.
        example: Shapes of the inputs of networks that are not feed-forward, such as "1,3,32,32".
        seed: Seed of the split, where the table has no column ``split``.
    """

    folder: str
    module: str
    out: str
    task: str | None = None
    target: str | None = None
    table: str | None = None
    example: str | None = None
    seed: int = 0


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
    files = state_dict_files(job.folder)
    names = [path.relative_to(job.folder).as_posix() for path in files]
    columns = _columns(job.table, names)
    split = columns.pop(SPLIT, None)
    tasks = _task(job.task, job.target)
    module, example = load_module(job.module), None if job.example is None else parse_example(job.example)
    if example is None and tasks is not None:
        example = torch.tensor(tasks[0][:2], dtype=torch.float32)
    with Progress("read", len(files), "file") as bar:
        graphs = []
        for path in files:
            graphs.append(_network(path, module, example))
            bar.update()
    return Zoo.from_networks(graphs, tasks, job.out, {FILE: names, **columns}, split, seed=job.seed)


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


def _task(path: str | None, target: str | None) -> tuple[Any, Any] | None:
    """Return X and y of a table as they are in the file."""
    if path is None and target is None:
        return None
    if path is None or target is None:
        raise NetGraphError(f"--{'target' if target else 'task'} is given without --{'task' if target else 'target'}")
    first, *others = (name.strip() for name in target.split(","))
    table = read_table(path, first)
    if missing := [name for name in others if name not in table.X]:
        raise NetGraphError(f"{path}: has no column {missing[0]!r}")
    for name in table.X:
        if table.X[name].dtype.kind not in "biuf":
            raise NetGraphError(f"{path}: column {name!r} holds more than numbers, which the networks cannot read")
    targets = [_target(table.y), *(table.X[name].to_numpy() for name in others)]
    return table.X.drop(columns=others).to_numpy(), np.stack(targets, axis=1)


def _target(y: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Return a target as numbers: classes by their sorted names, whole numbers as such."""
    if y.dtype.kind not in "biuf":
        return np.unique(y, return_inverse=True)[1]
    return y.astype(np.int64) if (y == np.round(y)).all() else y


def _columns(path: str | None, names: Sequence[str]) -> dict[str, Any]:
    """Return the columns of a table, a row for each file, in the order of the files."""
    if path is None:
        return {}
    frame, _ = read_frame(path)
    if FILE not in frame:
        raise NetGraphError(f"{path}: has no column {FILE!r}")
    files = frame[FILE].map(str)
    if (twice := files[files.duplicated()]).size:
        raise NetGraphError(f"{path}: names {twice.iloc[0]!r} twice")
    row = {file: i for i, file in enumerate(files)}
    for name in names:
        if name not in row and Path(name).with_suffix("").as_posix() not in row:
            raise NetGraphError(f"{path}: has no row for the file {name!r}")
    rows = [row[name] if name in row else row[Path(name).with_suffix("").as_posix()] for name in names]
    return {str(name): _numbers(frame[name].iloc[rows]) for name in frame if name != FILE}


def _numbers(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return a column of text as numbers where all of its cells that are given are numbers."""
    text = read_text(column)
    values = parse_numbers(text)
    if values.isna().ne(text.eq("")).any():
        return column
    whole = values.notna().all() and (values == values.round()).all()
    return values.astype("int64") if whole else values

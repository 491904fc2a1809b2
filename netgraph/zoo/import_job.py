"""The job of importing trained networks: their folder, and the tables beside it, which are read without torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from netgraph.errors import NetGraphError
from netgraph.inputs import check_module, example_shapes, state_dict_files
from netgraph.tasks.cells import parse_numbers, read_text
from netgraph.tasks.table import read_frame, read_table

if TYPE_CHECKING:
    import pandas as pd

#: Column of a table that names the file of each row, and the one that names its part of the zoo.
FILE, SPLIT = "file", "split"


@dataclass(frozen=True)
class ImportJob:
    """An import; each file is read once.

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

    @cached_property
    def files(self) -> list[Path]:
        """Files of the folder, see :func:`~netgraph.inputs.state_dict_files`."""
        return state_dict_files(self.folder)

    @cached_property
    def columns(self) -> dict[str, Any]:
        """Columns of the networks, a row for each file: its name, then those of the table.

        Raises:
            NetGraphError: When the table has no row, or more than one, for a file.
        """
        names = [path.relative_to(self.folder).as_posix() for path in self.files]
        return {FILE: names, **_columns(self.table, names)}

    @cached_property
    def data(self) -> "tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]] | None":
        """X and y of the networks, as they are in the file; None where they are unknown.

        Raises:
            NetGraphError: When the file is no such table, or a column is missing or holds more than numbers.
        """
        return _data(self.task, self.target)

    def check(self) -> None:
        """Check the arguments, and read the tables.

        Raises:
            NetGraphError: When a file is missing or does not fit; it names the file, and the column of a table.
        """
        _ = self.files
        check_module(self.module)
        if self.example is not None:
            example_shapes(self.example)
        _ = self.columns, self.data


def _data(path: str | None, target: str | None) -> "tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]] | None":
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

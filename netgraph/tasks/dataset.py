"""Real data sets: their list, datasets/real.yaml, and the cache of fetched ones, safetensors with a JSON record."""

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from netgraph.errors import NetGraphError, StoreError
from netgraph.files import building_from, datasets_folder, make_folder, read_tensors, record_path, write_tensors
from netgraph.lines import counted, short
from netgraph.reading import building, field_of, read_yaml, typed
from netgraph.tasks.check import check_data
from netgraph.tasks.display import MOST_ROWS, data_html

Floats = npt.NDArray[np.float64]
FORMAT, VERSION = "netgraph-data", 1
#: The list of data sets on OpenML.
CATALOG = datasets_folder() / "real.yaml"
PREFIX = "openml:"


@dataclass(frozen=True, eq=False, repr=False)
class RealDataset:
    """A real regression problem, in its own units.

    Attributes:
        name: Its name.
        x: Features, [rows, features].
        y: Target, [rows].
        feature_names: Name of each column of x.
    """

    name: str
    x: Floats
    y: Floats
    feature_names: tuple[str, ...]

    def __repr__(self) -> str:
        sizes = f"{counted(len(self.y), 'row')}, {counted(len(self.feature_names), 'feature')}"
        return f"RealDataset({short(self.name)}, {sizes})"

    def _repr_html_(self) -> str:
        columns = [*self.x[:MOST_ROWS].T.tolist(), self.y[:MOST_ROWS].tolist()]
        return data_html(repr(self), [*self.feature_names, "target"], columns)


def data_folder() -> Path:
    """Return the folder of fetched data sets: the environment variable ``NETGRAPH_DATA``, or ``~/.cache/netgraph``."""
    return Path(os.environ.get("NETGRAPH_DATA") or Path.home() / ".cache" / "netgraph")


def cache_path(openml: int, folder: Path) -> Path:
    """Return the file of the data set with this data id of OpenML."""
    return folder / f"openml-{openml}.safetensors"


def is_cached(openml: int, folder: Path) -> bool:
    """Return whether a data set has been fetched; its sha256 is checked when it is read."""
    return record_path(cache_path(openml, folder)).is_file()


def write_cached(data: RealDataset, record: dict[str, Any], openml: int, folder: Path) -> None:
    """Write a data set, over an older file of it, be that damaged.

    Args:
        data: The data set.
        record: Further facts, of JSON's types.
        openml: OpenML's data id.
        folder: Folder of the cache, created where missing.

    Raises:
        StoreError: The folder cannot be written to.
    """
    path = cache_path(openml, folder)
    tensors = {"x": torch.from_numpy(data.x), "y": torch.from_numpy(data.y)}
    make_folder(folder)
    try:
        record_path(path).unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{record_path(path)}: {error.strerror}") from None
    known = {"openml": openml, "feature_names": list(data.feature_names)}
    write_tensors(path, tensors, FORMAT, VERSION, record | known)


def read_cached(openml: int, folder: Path, name: str) -> RealDataset:
    """Read a data set.

    Raises:
        StoreError: It is missing or damaged.
    """
    path = cache_path(openml, folder)
    tensors, record = read_tensors(path, FORMAT, VERSION)
    with building_from(path, record):
        names = tuple(field_of(record, "feature_names", list[str]))
        x, y = check_data(tensors["x"], tensors["y"], names)
        if len(names) != x.shape[1]:
            raise StoreError(f"feature_names has {len(names)} names for {x.shape[1]} columns")
        return RealDataset(name, x, y, names)


@dataclass(frozen=True)
class Entry:
    """One data set on OpenML.

    Attributes:
        name: Its name here.
        openml: OpenML's data id.
        target: Column that is predicted; OpenML's choice where it is None.
        rows: Expected number of rows; any where it is None.
        features: Expected number of columns before they are coded, without the target; any where it is None.
    """

    name: str
    openml: int
    target: str | None = None
    rows: int | None = None
    features: int | None = None


def read_catalog(path: Path = CATALOG) -> dict[str, Entry]:
    """Read the list, by name.

    Raises:
        NetGraphError: The file is missing or is not such a list; it names the file and the entry.
    """
    if not path.exists():
        raise NetGraphError(f"{path}: No such file")
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise NetGraphError(f"{path}: must be a mapping of names to data sets")
    optional = [one.name for one in fields(Entry)[2:]]
    entries = {}
    for name, value in values.items():
        if not isinstance(value, dict) or "openml" not in value or not value.keys() <= {"openml", *optional}:
            rest = sorted(["openml", *optional])
            raise NetGraphError(f"{path}: {name}: must have the key openml, OpenML's data id, and may have {rest}")
        with building(path):
            entry = typed(Entry, dict.fromkeys(optional) | value | {"name": str(name)}, str(name))
            if any(number is not None and number < 1 for number in (entry.openml, entry.rows, entry.features)):
                raise NetGraphError(f"{name}: openml, rows and features are at least 1")
        entries[str(name)] = entry
    return entries


def find_entry(name: str, path: Path = CATALOG) -> Entry | None:
    """Return the entry of a name, ``openml:<data id>`` or one of the list; None where the name is of neither kind.

    Raises:
        NetGraphError: The part after ``openml:`` is no data id, or the list cannot be read.
    """
    if not name.startswith(PREFIX):
        return read_catalog(path).get(name) if path.exists() else None
    number = name.removeprefix(PREFIX)
    if not (number.isascii() and number.isdigit() and int(number) > 0):
        raise NetGraphError(f"'{name}': what follows 'openml:' must be a data id of OpenML, such as openml:44956")
    listed = read_catalog(path).values() if path.exists() else ()
    return next((entry for entry in listed if entry.openml == int(number)), Entry(name, int(number)))

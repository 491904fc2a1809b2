"""A real regression problem as arrays, and the cache of fetched ones: safetensors with a JSON record beside each."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from netgraph.errors import StoreError
from netgraph.files import building_from, make_folder, read_tensors, record_path, write_tensors
from netgraph.reading import field_of
from netgraph.tasks.check import check_data

Floats = npt.NDArray[np.float64]
FORMAT, VERSION = "netgraph-data", 1


@dataclass(frozen=True, eq=False)
class RealDataset:
    """A real regression problem, in its own units.

    Attributes:
        name: Its name.
        x: Parameters, [rows, features].
        y: Target, [rows].
        feature_names: Name of each column of x.
    """

    name: str
    x: Floats
    y: Floats
    feature_names: tuple[str, ...]


def data_folder() -> Path:
    """Return where fetched data sets are kept: the environment variable ``NETGRAPH_DATA``, or ``~/.cache/netgraph``."""
    return Path(os.environ.get("NETGRAPH_DATA") or Path.home() / ".cache" / "netgraph")


def cache_path(openml: int, folder: Path) -> Path:
    """Return the file of the data set with this data id of OpenML."""
    return folder / f"openml-{openml}.safetensors"


def is_cached(openml: int, folder: Path) -> bool:
    """Return whether a data set has been fetched; its sha256 is checked when it is read."""
    return record_path(cache_path(openml, folder)).is_file()


def write_cached(data: RealDataset, record: dict[str, Any], openml: int, folder: Path) -> None:
    """Write a data set. One that is there goes first, be it damaged: it can be fetched again.

    Args:
        data: The data set.
        record: What else is known of it, as JSON's types.
        openml: OpenML's data id.
        folder: Folder of the cache; made where there is none.

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

"""The list of real data sets on OpenML: datasets/real.yaml."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from netgraph.errors import NetGraphError
from netgraph.files import datasets_folder
from netgraph.reading import building, read_yaml, typed

CATALOG = datasets_folder() / "real.yaml"
PREFIX = "openml:"


@dataclass(frozen=True)
class Entry:
    """One data set on OpenML.

    Attributes:
        name: What it is called here.
        openml: OpenML's data id.
        target: Column that is predicted; OpenML's own choice where it is None.
        rows: Rows that must come; whatever comes where it is None.
        features: Columns that must come before they are coded, the target not counted; likewise.
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
    return {str(name): _entry(path, str(name), value) for name, value in values.items()}


def find_entry(name: str, path: Path = CATALOG) -> Entry | None:
    """Find what a name stands for: ``openml:<data id>``, or a name of the list.

    Returns:
        The entry; None where the name is of neither kind.

    Raises:
        NetGraphError: What follows ``openml:`` is no data id, or the list cannot be read.
    """
    if not name.startswith(PREFIX):
        return read_catalog(path).get(name) if path.exists() else None
    number = name.removeprefix(PREFIX)
    if not (number.isascii() and number.isdigit() and int(number) > 0):
        raise NetGraphError(f"'{name}': what follows 'openml:' must be a data id of OpenML, such as openml:44956")
    listed = read_catalog(path).values() if path.exists() else ()
    return next((entry for entry in listed if entry.openml == int(number)), Entry(name, int(number)))


def _entry(path: Path, name: str, values: Any) -> Entry:
    known = {one.name: None for one in fields(Entry)}
    if not isinstance(values, dict) or "openml" not in values or not values.keys() <= known.keys() - {"name"}:
        rest = sorted(known.keys() - {"name"})
        raise NetGraphError(f"{path}: {name}: must have the key openml, OpenML's data id, and may have {rest}")
    with building(path):
        entry = typed(Entry, known | values | {"name": name}, name)
        if any(value is not None and value < 1 for value in (entry.openml, entry.rows, entry.features)):
            raise NetGraphError(f"{name}: openml, rows and features are at least 1")
    return entry

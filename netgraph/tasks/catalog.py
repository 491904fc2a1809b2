"""The list of real data sets on OpenML: datasets/real.yaml."""

from dataclasses import dataclass, fields
from pathlib import Path

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

"""Fetching, checking and caching many data sets of OpenML."""

from collections.abc import Callable, Sequence
from pathlib import Path

from netgraph.errors import NetGraphError, StoreError
from netgraph.files import ForeignError
from netgraph.tasks.bundled import bundled_names
from netgraph.tasks.cache import data_folder, is_cached, read_cached, write_cached
from netgraph.tasks.catalog import Entry, find_entry, read_catalog
from netgraph.tasks.openml import OfflineError, fetch_entry

Say = Callable[[str], None]


def install_real(names: Sequence[str] | None = None, folder: str | Path | None = None, say: Say = print) -> list[str]:
    """Bring data sets into the cache: those that are there are checked, damaged and missing ones are fetched.

    Without a network it says so in one line and goes on with those that are there.

    Args:
        names: Names of datasets/real.yaml, or ``openml:<data id>``; the whole list where it is None.
        folder: Folder of the cache; ``NETGRAPH_DATA``, or ``~/.cache/netgraph``, where it is None.
        say: Takes one line for each data set.

    Returns:
        Names of those that are there and sound.

    Raises:
        NetGraphError: A name is unknown, or the folder cannot be written to.
    """
    folder = Path(folder) if folder else data_folder()
    entries = list(read_catalog().values()) if names is None else [_known(name) for name in names]
    there = {entry.name for entry in entries if _is_sound(entry, folder, say)}
    for entry in entries:
        if entry.name in there:
            continue
        try:
            _fetch(entry, folder, say)
        except OfflineError:
            say(_offline(entries, there, folder))
            break
        except StoreError:
            raise
        except NetGraphError as error:
            say(f"left out: {error}")
            continue
        there.add(entry.name)
    return [entry.name for entry in entries if entry.name in there]


def describe_real(folder: str | Path | None = None) -> str:
    """Describe the data sets that have a name, a line each: where it is, rows, columns before they are coded, target.

    Args:
        folder: Folder of the cache; ``NETGRAPH_DATA``, or ``~/.cache/netgraph``, where it is None.
    """
    folder = Path(folder) if folder else data_folder()
    lines = [f"{name:32s} in scikit-learn" for name in bundled_names()]
    for entry in read_catalog().values():
        place = "fetched" if is_cached(entry.openml, folder) else f"openml:{entry.openml}"
        size = f"{entry.rows or '?':>6} rows {entry.features or '?':>4} columns"
        lines.append(f"{entry.name:32s} {place:16s} {size}  {entry.target or '?'}")
    return "\n".join(lines)


def _known(name: str) -> Entry:
    entry = find_entry(name)
    if name in bundled_names():
        raise NetGraphError(f"'{name}' comes with scikit-learn; there is nothing to install")
    if entry is None:
        raise NetGraphError(f"unknown data set '{name}'; known: {', '.join(read_catalog())}, and openml:<data id>")
    return entry


def _is_sound(entry: Entry, folder: Path, say: Say) -> bool:
    """Check the cached file, if there is one."""
    if not is_cached(entry.openml, folder):
        return False
    try:
        data = read_cached(entry.openml, folder, entry.name)
    except ForeignError:  # nothing that is not netgraph's is replaced
        raise
    except StoreError as error:
        say(f"{error}; it is fetched again")
        return False
    say(f"{entry.name}: {data.x.shape[0]} rows, {data.x.shape[1]} columns, there")
    return True


def _fetch(entry: Entry, folder: Path, say: Say) -> None:
    fetched = fetch_entry(entry)
    write_cached(fetched.data, entry.openml, folder, fetched.record)
    rows, columns = read_cached(entry.openml, folder, entry.name).x.shape
    omitted = ", ".join(fetched.record["left_out"])
    say(f"{entry.name}: {rows} rows, {columns} columns, fetched" + (f"; without {omitted}" if omitted else ""))


def _offline(entries: Sequence[Entry], there: set[str], folder: Path) -> str:
    names = ", ".join(entry.name for entry in entries if entry.name in there) or "none"
    return f"offline: OpenML cannot be reached; {len(there)} of {len(entries)} data sets are in {folder}: {names}"

"""Real data sets by name: scikit-learn's, the list in datasets/real.yaml, and anything on OpenML."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from netgraph.errors import NetGraphError, StoreError
from netgraph.files import ForeignError
from netgraph.tasks.bundled import bundled_columns, load_bundled, real_names
from netgraph.tasks.check import MIN_ROWS
from netgraph.tasks.dataset import (
    Entry,
    RealDataset,
    data_folder,
    find_entry,
    is_cached,
    read_cached,
    read_catalog,
    write_cached,
)
from netgraph.tasks.openml import OfflineError, fetch_entry
from netgraph.tasks.task import Task, make_task

Say = Callable[[str], None]


def load_real(name: str, folder: str | Path | None = None) -> RealDataset:
    """Load a real data set.

    Args:
        name: One of :func:`real_names`, or a column of a table such as ``wine:ash``, both described at
            :func:`~netgraph.tasks.bundled.load_bundled`; a name of datasets/real.yaml, such as ``abalone``; or
            ``openml:<data id>``. The latter two are read from the cache, or else fetched and cached;
            :func:`~netgraph.tasks.openml.encode` codes their categories, missing values and text.
        folder: Folder of the cache; the environment variable ``NETGRAPH_DATA``, or ``~/.cache/netgraph``, where it is
            None.

    Returns:
        The data set, float64.

    Raises:
        NetGraphError: The name is unknown, the cached file is damaged, or it has to be fetched and cannot be.

    Example:
        >>> load_real("wine").x.shape
        (178, 12)
    """
    if name in real_names() or (":" in name and name in bundled_columns()):
        return load_bundled(name)
    entry = find_entry(name)
    if entry is None:
        raise NetGraphError(
            f"unknown data set '{name}'; known: {', '.join(real_names())}, those of `netgraph datasets list`, and "
            "openml:<data id>"
        )
    folder = Path(folder) if folder else data_folder()
    if not is_cached(entry.openml, folder):
        try:
            write_cached(*fetch_entry(entry), entry.openml, folder)
        except OfflineError as error:
            raise OfflineError(f"{error}, and the data set is not in {folder}") from None
    return read_cached(entry.openml, folder, name)


def real_task(name: str, rows: int, n_features: int, seed: int, folder: str | Path | None = None) -> Task:
    """Draw a task from a real data set: some of its rows, without replacement, and some of its columns.

    Args:
        name: See :func:`load_real`.
        rows: Number of rows, at least 2.
        n_features: Most columns; drawn, in random order, where the data set has more.
        seed: Of the draw, not negative.
        folder: See :func:`load_real`.

    Returns:
        The task; its family is the name, and its description names the columns, separated by ``;``.

    Raises:
        NetGraphError: The data set has fewer rows, its target is constant in the drawn rows, or a number is out of
            range; and as of :func:`load_real`.

    Example:
        >>> real_task("wine", rows=100, n_features=5, seed=0).x.shape
        torch.Size([100, 5])
    """
    if rows < MIN_ROWS or n_features < 1 or seed < 0:
        raise NetGraphError(
            f"a task needs at least {MIN_ROWS} rows, 1 column and a seed of 0 or more, got {rows}, {n_features}, {seed}"
        )
    data = load_real(name, folder)
    if rows > len(data.y):
        raise NetGraphError(f"{name} has {len(data.y)} rows, not {rows}")
    random = np.random.default_rng(seed)
    chosen = random.permutation(len(data.y))[:rows]
    columns = random.permutation(data.x.shape[1])[:n_features]
    if np.ptp(data.y[chosen]) == 0:
        raise NetGraphError(f"{name}: the target is constant in the {rows} rows of seed {seed}; draw more rows")
    names = ";".join(data.feature_names[column] for column in columns)
    return make_task(
        data.x[np.ix_(chosen, columns)], data.y[chosen], family=name, seed=seed, description={"columns": names}
    )


def install_real(names: Sequence[str] | None = None, folder: str | Path | None = None, say: Say = print) -> list[str]:
    """Check the data sets in the cache, and fetch missing and damaged ones, as long as there is a network.

    Args:
        names: Names of datasets/real.yaml, or ``openml:<data id>``; the whole list where it is None.
        folder: Folder of the cache; ``NETGRAPH_DATA``, or ``~/.cache/netgraph``, where it is None.
        say: Called with one line for each data set, and one without a network.

    Returns:
        Names of the data sets in the cache.

    Raises:
        NetGraphError: A name is unknown, or the folder cannot be written to.

    Example:
        >>> install_real(["abalone"])  # doctest: +SKIP
        abalone: 4177 rows, 10 columns, fetched
        ['abalone']
    """
    folder = Path(folder) if folder else data_folder()
    entries = list(read_catalog().values()) if names is None else [_known(name) for name in names]
    there = {entry.name for entry in entries if _is_sound(entry, folder, say)}
    for entry in entries:
        if entry.name in there:
            continue
        try:
            data, record = fetch_entry(entry)
            write_cached(data, record, entry.openml, folder)
            rows, columns = read_cached(entry.openml, folder, entry.name).x.shape
        except OfflineError:
            names_there = ", ".join(entry.name for entry in entries if entry.name in there) or "none"
            cached = f"{len(there)} of {len(entries)} data sets are in {folder}: {names_there}"
            say(f"offline: OpenML cannot be reached; {cached}")
            break
        except StoreError:
            raise
        except NetGraphError as error:
            say(f"left out: {error}")
            continue
        omitted = f"; without {', '.join(record['left_out'])}" if record["left_out"] else ""
        say(f"{entry.name}: {rows} rows, {columns} columns, fetched{omitted}")
        there.add(entry.name)
    return [entry.name for entry in entries if entry.name in there]


def describe_real(folder: str | Path | None = None) -> str:
    """Describe the data sets with a name, a line each: where it is, rows, columns before they are coded, target.

    Args:
        folder: Folder of the cache; ``NETGRAPH_DATA``, or ``~/.cache/netgraph``, where it is None.

    Example:
        >>> describe_real("empty").splitlines()[0].split()
        ['diabetes', 'in', 'scikit-learn']
    """
    folder = Path(folder) if folder else data_folder()
    lines = [f"{name:32s} in scikit-learn" for name in real_names()]
    for entry in read_catalog().values():
        source = "fetched" if is_cached(entry.openml, folder) else f"openml:{entry.openml}"
        size = f"{entry.rows or '?':>6} rows {entry.features or '?':>4} columns"
        lines.append(f"{entry.name:32s} {source:16s} {size}  {entry.target or '?'}")
    return "\n".join(lines)


def _known(name: str) -> Entry:
    entry = find_entry(name)
    if name in real_names():
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
    except ForeignError:  # only netgraph's files are replaced
        raise
    except StoreError as error:
        say(f"{error}; it is fetched again")
        return False
    say(f"{entry.name}: {data.x.shape[0]} rows, {data.x.shape[1]} columns, there")
    return True

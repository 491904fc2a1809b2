"""Real data sets by name: scikit-learn's, the list in datasets/real.yaml, and anything on OpenML."""

from pathlib import Path

import numpy as np

from netgraph.errors import NetGraphError
from netgraph.tasks.bundled import bundled_columns, bundled_names, load_bundled
from netgraph.tasks.cache import data_folder, is_cached, read_cached, write_cached
from netgraph.tasks.catalog import Entry, find_entry
from netgraph.tasks.check import MIN_ROWS
from netgraph.tasks.dataset import RealDataset
from netgraph.tasks.openml import OfflineError, fetch_entry
from netgraph.tasks.task import Task, make_task


def real_names() -> tuple[str, ...]:
    """Names of the data sets that need no network: those inside scikit-learn."""
    return bundled_names()


def load_real(name: str, folder: str | Path | None = None) -> RealDataset:
    """Load a real data set.

    Args:
        name: One of :func:`real_names`, or a column of a table such as ``wine:ash``, both described at
            :func:`~netgraph.tasks.bundled.load_bundled`; a name of datasets/real.yaml, such as ``abalone``; or
            ``openml:<data id>``. The latter two are read from the cache, or fetched and cached where they are not
            there; see :func:`~netgraph.tasks.encode.encode` for how categories, missing values and text are coded.
        folder: Folder of the cache; the environment variable ``NETGRAPH_DATA``, or ``~/.cache/netgraph``, where it is
            None.

    Returns:
        The data set, float64.

    Raises:
        NetGraphError: The name is unknown, the cached file is damaged, or it has to be fetched and cannot be.
    """
    if name in bundled_names() or (":" in name and name in bundled_columns()):
        return load_bundled(name)
    entry = find_entry(name)
    if entry is None:
        raise NetGraphError(
            f"unknown data set '{name}'; known: {', '.join(bundled_names())}, those of `netgraph datasets list`, and "
            "openml:<data id>"
        )
    folder = Path(folder) if folder else data_folder()
    return read_cached(entry.openml, folder, name) if is_cached(entry.openml, folder) else _fetch(entry, folder, name)


def _fetch(entry: Entry, folder: Path, name: str) -> RealDataset:
    try:
        fetched = fetch_entry(entry)
    except OfflineError as error:
        raise OfflineError(f"{error}, and the data set is not in {folder}") from None
    write_cached(fetched.data, entry.openml, folder, fetched.record)
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
        NetGraphError: The data set has fewer rows, its target is constant in those drawn, or a number is out of range;
            and what :func:`load_real` raises.
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

"""Fetching data sets from OpenML."""

import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.error import HTTPError

from netgraph.errors import NetGraphError
from netgraph.reading import FAILURES, one_line
from netgraph.tasks.catalog import Entry
from netgraph.tasks.dataset import RealDataset
from netgraph.tasks.encode import encode

#: Seconds without an answer after which OpenML counts as out of reach; scikit-learn asks four times.
TIMEOUT = 20.0


class OfflineError(NetGraphError):
    """OpenML cannot be reached."""


class Fetched(NamedTuple):
    """A data set, and what its record says of where it is from."""

    data: RealDataset
    record: dict[str, Any]


def fetch_entry(entry: Entry) -> Fetched:
    """Fetch a data set with scikit-learn's ``fetch_openml``, check it and code its columns.

    OpenML's md5 of the file is checked; so are the rows and columns that the entry gives. How categories, holes and
    text are coded: see :func:`~netgraph.tasks.encode.encode`.

    Args:
        entry: Which one.

    Raises:
        OfflineError: OpenML cannot be reached.
        NetGraphError: OpenML has no such data set, or it is not what the entry says, or it is no regression problem.
    """
    bunch = _fetch(entry)
    target = entry.target or bunch.details.get("default_target_attribute")
    if not target:
        raise NetGraphError(f"{entry.name}: OpenML names no target for data set {entry.openml}")
    try:
        coded = encode(bunch.frame, target)
    except NetGraphError as error:
        raise NetGraphError(f"{entry.name}: {error}") from None
    _check_size(entry, *bunch.frame.shape)
    kept = ("name", "version", "md5_checksum", "url", "licence", "status")
    source = {key: bunch.details.get(key) for key in kept}
    record = {"target": target, "left_out": list(coded.left_out), "source": source}
    return Fetched(RealDataset(entry.name, coded.x, coded.y, coded.feature_names), record)


def _check_size(entry: Entry, rows: int, columns: int) -> None:
    for what, found, expected in (("rows", rows, entry.rows), ("columns", columns - 1, entry.features)):
        if expected is not None and found != expected:
            raise NetGraphError(f"{entry.name}: OpenML sent {found} {what}, expected {expected}")


def _fetch(entry: Entry) -> Any:
    from sklearn.datasets import fetch_openml
    from sklearn.externals._arff import ArffException

    try:
        with _patience(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scikit-learn says with each retry what the error below says once
            return fetch_openml(data_id=entry.openml, target_column=None, as_frame=True, cache=False)
    except HTTPError as error:
        code = error.code
        error.close()
        raise NetGraphError(f"{entry.name}: OpenML answered {code} for data set {entry.openml}") from None
    except (OSError, EOFError, HTTPException) as error:  # the last two: the connection broke
        reason = getattr(error, "reason", error)
        raise OfflineError(f"{entry.name}: OpenML cannot be reached ({reason})") from None
    except (*FAILURES, ArffException) as error:  # an unknown data id, a wrong md5, a table that cannot be read
        raise NetGraphError(f"{entry.name}: {one_line(error)}") from None


@contextmanager
def _patience() -> Iterator[None]:
    """Bound the wait for an answer, which ``fetch_openml`` does not."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)

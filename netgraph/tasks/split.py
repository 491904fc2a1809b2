"""Splitting rows into training, validation and test: at random, or stratified by classes."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from netgraph.errors import NetGraphError
from netgraph.tasks.table import MIN_ROWS

#: Share of a table's rows that reports are about; a search never sees them.
TEST_SHARE = 0.2
Indices = npt.NDArray[np.int64]


class Split(NamedTuple):
    """Row numbers of each part, sorted, [n] int64; together they hold every row once."""

    train: Indices
    validation: Indices
    test: Indices


def split(rows: int, seed: int, test_share: float = 0.25, validation_share: float = 0.0) -> Split:
    """Split rows at random, the same way for the same arguments.

    Args:
        rows: Number of rows.
        seed: Seed of the shuffle, not negative.
        test_share: Share of all rows for the test, in [0, 1). A share above 0 gets at least one row.
        validation_share: Share of all rows for the validation, in [0, 1), at least one row above 0.

    Returns:
        The three parts.

    Raises:
        NetGraphError: A share or the seed is out of range, or no row is left to train on.

    Example:
        >>> parts = split(8, seed=0, test_share=0.25, validation_share=0.25)
        >>> [len(part) for part in parts]
        [4, 2, 2]
    """
    shares = (test_share, validation_share)
    if seed < 0 or not all(0 <= share < 1 for share in shares):
        raise NetGraphError(f"split needs shares in [0, 1) and a seed of 0 or more, got {shares} and {seed}")
    n_test, n_validation = (max(1, round(rows * share)) if share else 0 for share in shares)
    if n_test + n_validation >= rows:
        raise NetGraphError(f"{rows} rows split into {n_test} test and {n_validation} validation leave no training row")
    order = np.random.default_rng(seed).permutation(rows).astype(np.int64)
    test, validation, train = np.split(order, [n_test, n_test + n_validation])
    return Split(np.sort(train), np.sort(validation), np.sort(test))


def hold_out(path: str | Path, rows: int, seed: int) -> Split:
    """Hold a fifth of the rows of a table out.

    Args:
        path: Its file, for the message.
        rows: Number of rows.
        seed: Seed of the shuffle.

    Raises:
        NetGraphError: When fewer than 10 rows are left; it names the file.

    Example:
        >>> hold_out("table.csv", 13, seed=0).test
        array([ 2,  7, 10])
    """
    parts = split(rows, seed, test_share=TEST_SHARE)
    if len(parts.train) < MIN_ROWS:
        raise NetGraphError(f"{path}: {rows} rows, of which a fifth is held out, and a fit needs at least {MIN_ROWS}")
    return parts


def stratified_order(classes: npt.ArrayLike) -> Indices:
    """Return an order of rows along which every class occurs evenly, so that a cut anywhere is stratified.

    Args:
        classes: Class of each row, [rows].

    Returns:
        Row numbers, [rows] int64; rows of one class stay in their order.

    Example:
        >>> stratified_order([0, 0, 0, 0, 1, 1])
        array([0, 4, 1, 2, 5, 3])
    """
    _, numbers, counts = np.unique(classes, return_inverse=True, return_counts=True)
    member = numbers[:, None] == np.arange(len(counts))  # [rows, classes]
    rank = (member.cumsum(axis=0) * member).sum(axis=1) - 0.5  # of each row within its class
    return np.argsort(rank / counts[numbers], kind="stable").astype(np.int64)

"""Real data sets that ship inside scikit-learn: nothing is downloaded."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from netgraph.errors import NetGraphError

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

#: Each data set: scikit-learn's loader, its arguments, and the column that is the target where the loader's
#: own target is a class.
_SOURCES: dict[str, tuple[str, dict[str, bool], str | None]] = {
    "diabetes": ("load_diabetes", {"scaled": False}, None),
    "iris": ("load_iris", {}, "petal width (cm)"),
    "wine": ("load_wine", {}, "alcohol"),
    "breast_cancer": ("load_breast_cancer", {}, "worst concave points"),
}


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


def real_names() -> tuple[str, ...]:
    """Names that :func:`load_real` knows."""
    return tuple(_SOURCES)


def load_real(name: str) -> RealDataset:
    """Load a data set from the installed scikit-learn.

    ``diabetes`` is scikit-learn's regression problem, unscaled (442 x 10). The others are classification sets
    there; here one measured column is the target and the remaining ones predict it: ``iris`` the petal width
    (150 x 3), ``wine`` the alcohol (178 x 12), ``breast_cancer`` the worst concave points (569 x 29).

    Args:
        name: One of :func:`real_names`.

    Returns:
        The data set, float64.

    Raises:
        NetGraphError: The name is unknown; the message lists the known ones.
    """
    if name not in _SOURCES:
        raise NetGraphError(f"unknown data set '{name}'; known: {', '.join(_SOURCES)}")
    from sklearn import datasets

    loader, arguments, target = _SOURCES[name]
    bunch = getattr(datasets, loader)(**arguments)
    x, y = np.asarray(bunch.data, dtype=np.float64), np.asarray(bunch.target, dtype=np.float64)
    names = [str(feature) for feature in bunch.feature_names]
    if target is not None:
        column = names.index(target)
        y, x = x[:, column], np.delete(x, column, axis=1)
        names.remove(target)
    return RealDataset(name, x, y, tuple(names))


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
        validation_share: Share of all rows for the validation, likewise.

    Returns:
        The three parts.

    Raises:
        NetGraphError: A share or the seed is out of range, or no row is left to train on.
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

"""Real data sets that ship inside scikit-learn: nothing is downloaded."""

from typing import Any, NamedTuple

import numpy as np

from netgraph.tasks.dataset import RealDataset


class _Source(NamedTuple):
    """scikit-learn's loader, its arguments, and the column that is the target where the loader's own is a class."""

    loader: str
    arguments: dict[str, bool]
    target: str | None


_SOURCES = {
    "diabetes": _Source("load_diabetes", {"scaled": False}, None),
    "iris": _Source("load_iris", {}, "petal width (cm)"),
    "wine": _Source("load_wine", {}, "alcohol"),
    "breast_cancer": _Source("load_breast_cancer", {}, "worst concave points"),
    "linnerud": _Source("load_linnerud", {}, "Weight"),
    "digits": _Source("load_digits", {}, "pixel_3_3"),
}


def bundled_names() -> tuple[str, ...]:
    """Names that :func:`load_bundled` knows."""
    return tuple(_SOURCES)


def load_bundled(name: str) -> RealDataset:
    """Load a data set from the installed scikit-learn, float64.

    ``diabetes`` is scikit-learn's regression problem, unscaled (442 x 10). The others are classification sets
    there, or have several targets; here one measured column is the target and the remaining ones predict it: ``iris``
    the petal width (150 x 3), ``wine`` the alcohol (178 x 12), ``breast_cancer`` the worst concave points (569 x 29),
    ``linnerud`` the weight from three exercises, waist and pulse (20 x 5), ``digits`` the pixel in row 3 and column 3,
    counted from 0, from the other 63 (1,797 x 63; three of those are constant).

    Args:
        name: One of :func:`bundled_names`.
    """
    from sklearn import datasets

    source = _SOURCES[name]
    bunch = getattr(datasets, source.loader)(**source.arguments)
    columns = _columns(bunch)
    if source.target is None:
        return _dataset(name, columns, np.asarray(bunch.target, dtype=np.float64))
    target = columns.pop(source.target)
    return _dataset(name, columns, target)


def _columns(bunch: Any) -> dict[str, Any]:
    """Every measured column by its name; the targets that linnerud has are columns too."""
    data = np.asarray(bunch.data, dtype=np.float64)
    columns = {str(name): column for name, column in zip(bunch.feature_names, data.T, strict=True)}
    if np.ndim(bunch.target) == 2:
        columns |= dict(zip(bunch.target_names, np.asarray(bunch.target, dtype=np.float64).T, strict=True))
    return columns


def _dataset(name: str, columns: dict[str, Any], target: Any) -> RealDataset:
    return RealDataset(name, np.stack(list(columns.values()), axis=1), target, tuple(columns))

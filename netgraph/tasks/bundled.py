"""Real data sets that ship inside scikit-learn: nothing is downloaded."""

from functools import cache
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
    "iris_sepal_length": _Source("load_iris", {}, "sepal length (cm)"),
    "wine": _Source("load_wine", {}, "alcohol"),
    "wine_proline": _Source("load_wine", {}, "proline"),
    "wine_color_intensity": _Source("load_wine", {}, "color_intensity"),
    "breast_cancer": _Source("load_breast_cancer", {}, "worst concave points"),
    "breast_cancer_mean_smoothness": _Source("load_breast_cancer", {}, "mean smoothness"),
    "breast_cancer_worst_symmetry": _Source("load_breast_cancer", {}, "worst symmetry"),
    "linnerud": _Source("load_linnerud", {}, "Weight"),
    "linnerud_situps": _Source("load_linnerud", {}, "Situps"),
    "digits": _Source("load_digits", {}, "pixel_3_3"),
    "digits_pixel_5_4": _Source("load_digits", {}, "pixel_5_4"),
}
#: Tables every column of which can be a target, by their loader and its arguments.
_TABLES = {name: _SOURCES[name][:2] for name in ("diabetes", "iris", "wine", "breast_cancer")}
#: Fewest values of a column that is a target, and correlation from which on another column is a copy of it.
_VALUES, _COPY = 10, 0.98
#: The data set out of an image, the image's file, and the steps, in pixels, to the neighbors and between rows.
_PIXEL, _IMAGE, _REACH, _STEP = "china_pixel", "china.jpg", 2, 12


def real_names() -> tuple[str, ...]:
    """Return the names of the data sets inside scikit-learn, which need no network.

    Example:
        >>> real_names()[:2]
        ('diabetes', 'iris')
    """
    return (*_SOURCES, _PIXEL)


@cache
def bundled_columns() -> tuple[str, ...]:
    """Return names, such as ``wine:ash``, of data sets of :func:`load_bundled` with a column of a table as the target.

    They are the columns of ``diabetes``, ``iris``, ``wine`` and ``breast_cancer`` with at least 10 values and no
    correlation of 0.98 or more with another, without the targets of :func:`real_names`.

    Example:
        >>> "wine:ash" in bundled_columns()
        True
    """
    named = {(source.loader, source.target) for source in _SOURCES.values()}
    return tuple(
        f"{table}:{column}"
        for table, (loader, arguments) in _TABLES.items()
        for column in _targets(_load(loader, arguments))
        if (loader, column) not in named
    )


def load_bundled(name: str) -> RealDataset:
    """Load a data set from the installed scikit-learn, float64.

    ``diabetes`` is scikit-learn's regression problem, unscaled (442 x 10). The others are classification sets
    there, or have several targets; here one measured column is the target and the remaining ones predict it: ``iris``
    the petal width and ``iris_sepal_length`` (150 x 3); ``wine`` the alcohol, ``wine_proline`` and
    ``wine_color_intensity`` (178 x 12); ``breast_cancer`` the worst concave points, ``breast_cancer_mean_smoothness``
    and ``breast_cancer_worst_symmetry`` (569 x 29); ``linnerud`` the weight from three exercises, waist and pulse,
    ``linnerud_situps`` the situps from two exercises, weight, waist and pulse (20 x 5); ``digits`` the pixel in row 3
    and column 3, counted from 0, and ``digits_pixel_5_4`` that in row 5 and column 4, from the other 63 (1,797 x 63;
    three of those are constant). ``china_pixel`` is out of scikit-learn's photograph of a temple: the green value of
    every 12th pixel of every 12th line from the green values of the 16 pixels of the ring 2 pixels away (1,855 x 16).

    ``table:column`` is a column of a table that the table's other columns predict, its own target left out.

    Args:
        name: One of :func:`real_names` or :func:`bundled_columns`; KeyError else.
    """
    if name == _PIXEL:
        from sklearn import datasets

        return _pixel(np.asarray(datasets.load_sample_image(_IMAGE)[..., 1], dtype=np.float64))
    table, _, column = name.partition(":")
    loader, arguments, target = (*_TABLES[table], column) if column else _SOURCES[name]
    bunch = _load(loader, arguments)
    columns = _columns(bunch)
    y = np.asarray(bunch.target, dtype=np.float64) if target is None else columns.pop(target)
    return _dataset(name, columns, y)


def _load(loader: str, arguments: dict[str, bool]) -> Any:
    from sklearn import datasets

    return getattr(datasets, loader)(**arguments)


def _targets(bunch: Any) -> list[str]:
    columns = _columns(bunch)
    alike = np.abs(np.corrcoef(list(columns.values()))) - np.eye(len(columns))
    return [
        name
        for (name, values), most in zip(columns.items(), alike.max(axis=1), strict=True)
        if len(np.unique(values)) >= _VALUES and most < _COPY
    ]


def _columns(bunch: Any) -> dict[str, Any]:
    """Return every measured column by its name; the targets of linnerud are columns too."""
    data = np.asarray(bunch.data, dtype=np.float64)
    columns = {str(name): column for name, column in zip(bunch.feature_names, data.T, strict=True)}
    if np.ndim(bunch.target) == 2:
        columns |= dict(zip(bunch.target_names, np.asarray(bunch.target, dtype=np.float64).T, strict=True))
    return columns


def _pixel(image: Any) -> RealDataset:
    """Predict pixels from the ring around them, of an image, [height, width]."""
    rows, columns = (np.arange(_STEP // 2, size - _STEP // 2, _STEP) for size in image.shape)
    row, column = (grid.ravel() for grid in np.meshgrid(rows, columns, indexing="ij"))
    steps = range(-_REACH, _REACH + 1)
    ring = [(down, right) for down in steps for right in steps if max(abs(down), abs(right)) == _REACH]
    pixels = {f"pixel_{down:+d}_{right:+d}": image[row + down, column + right] for down, right in ring}
    return _dataset(_PIXEL, pixels, image[row, column])


def _dataset(name: str, columns: dict[str, Any], target: Any) -> RealDataset:
    return RealDataset(name, np.stack(list(columns.values()), axis=1), target, tuple(columns))

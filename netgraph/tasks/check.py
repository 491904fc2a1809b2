"""Check of the data sets that enter netgraph: done once, here, so that every error names the column at fault."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from netgraph.errors import NetGraphError

Floats = npt.NDArray[np.float64]
#: Features, the class number of each row, and the classes.
Classes = tuple[Floats, npt.NDArray[np.int64], npt.NDArray[Any]]
MIN_ROWS = 2
#: Deviations of a column beyond which it counts logarithmically.
TAIL = 3.0


def check_data(x: npt.ArrayLike, y: npt.ArrayLike, names: Sequence[str] | None = None) -> tuple[Floats, Floats]:
    """Return features and target of a regression problem as clean arrays.

    Args:
        x: Features, [rows, features]: a pandas DataFrame, a tensor, an array or nested lists of numbers.
        y: Target, [rows] or [rows, 1].
        names: Column names for the messages; a DataFrame brings its own.

    Returns:
        x, [rows, features], and y, [rows], as new float64 arrays: the caller's data are never written to.

    Raises:
        NetGraphError: x is not a matrix of real, finite numbers with at least 2 rows and 1 column, or y is
            not one real, finite number for each row of x.

    Example:
        >>> check_data([[0, 1], [2, 3]], [4, 5])[1]
        array([4., 5.])
    """
    features, raw_y = _checked(x, y, names)
    if raw_y.ndim != 1 and raw_y.shape != (len(raw_y), 1):
        raise NetGraphError(f"y has shape {raw_y.shape}; y should be a 1d array, one value for each row of X")
    return features, _finite(raw_y.reshape(-1), "y")


def check_targets(x: npt.ArrayLike, y: npt.ArrayLike, names: Sequence[str] | None = None) -> tuple[Floats, Floats]:
    """Return features and targets of a regression problem of one or more outputs as clean arrays.

    Args:
        x: Features, as of :func:`check_data`.
        y: Targets, [rows] or [rows, outputs].
        names: Names of the columns of x for the messages.

    Returns:
        x, [rows, features], and y, [rows, outputs], as new float64 arrays.

    Raises:
        NetGraphError: As of :func:`check_data`; a target is named by its column.

    Example:
        >>> check_targets([[0, 1], [2, 3]], [4, 5])[1].shape
        (2, 1)
    """
    features, raw_y = _checked(x, y, names)
    columns = raw_y.reshape(len(raw_y), -1).T
    labels = [f"column {i} of y" for i in range(len(columns))] if len(columns) > 1 else ["y"]
    return features, np.stack([_finite(column, label) for column, label in zip(columns, labels, strict=True)], axis=1)


def check_classes(x: npt.ArrayLike, y: npt.ArrayLike, names: Sequence[str] | None = None) -> Classes:
    """Return features and class numbers of a classification problem as clean arrays.

    Args:
        x: Features, as of :func:`check_data`.
        y: Class of each row, [rows]: numbers, strings or booleans; or [rows, columns], of which each distinct row is a
            class, as the rows of one-hot columns are.
        names: Names of the columns of x for the messages.

    Returns:
        x, [rows, features] float64; the number of each row's class, [rows] int64; and the classes in order, [classes],
        or [classes, columns].

    Raises:
        NetGraphError: As of :func:`check_data`, or a class is missing (None or NaN).

    Example:
        >>> check_classes([[0], [1], [2]], ["b", "a", "b"])[1:]
        (array([1, 0, 1]), array(['a', 'b'], dtype='<U1'))
    """
    import pandas as pd

    features, raw_y = _checked(x, y, names)
    if count := int(pd.isna(raw_y).sum()):
        raise NetGraphError(f"y has no class in {count} row{'s' if count > 1 else ''}")
    if raw_y.dtype == object:
        kinds = {str if isinstance(value, str) else float for value in raw_y.reshape(-1)}
        if len(kinds) > 1:
            raise NetGraphError("y mixes strings and numbers; classes are of one kind")
        raw_y = raw_y.astype(kinds.pop())
    column = raw_y.ndim == 1 or raw_y.shape[1] == 1
    classes, numbers = np.unique(raw_y.reshape(-1) if column else raw_y, return_inverse=True, axis=0)
    return features, numbers.reshape(-1).astype(np.int64), classes


def _checked(x: npt.ArrayLike, y: npt.ArrayLike, names: Sequence[str] | None) -> tuple[Floats, npt.NDArray[Any]]:
    """Return clean features, [rows, features], and raw targets, [rows] or [rows, outputs]."""
    if y is None:
        raise NetGraphError("a task requires y to be passed, but the target y is None")
    if names is None:
        names = [str(name) for name in getattr(x, "columns", ())]
    raw_x, raw_y = as_array(x, "X"), as_array(y, "y")
    _check_shapes(raw_x, raw_y)
    labels = [f"column '{name}' (index {i}) of X" for i, name in enumerate(names)]
    labels += [f"column {i} of X" for i in range(len(labels), raw_x.shape[1])]
    columns = [_finite(column, label) for column, label in zip(raw_x.T, labels, strict=False)]
    return np.stack(columns, axis=1), raw_y


def as_array(values: npt.ArrayLike, name: str) -> npt.NDArray[Any]:
    """Return values of any type as an array; errors call them ``name``.

    Raises:
        NetGraphError: They are sparse, ragged or complex.
    """
    if isinstance(values, Tensor):
        values = values.detach().cpu().numpy()
    if hasattr(values, "tocsr"):
        raise NetGraphError(f"{name} is sparse; sparse data is not supported, pass {name}.toarray()")
    try:
        array = np.asarray(values)
    except ValueError as error:  # ragged nested lists
        raise NetGraphError(f"{name} is not a rectangular array of numbers") from error
    if np.iscomplexobj(array):
        raise NetGraphError(f"{name} is complex. Complex data not supported")
    return array


def _check_shapes(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> None:
    if x.ndim != 2:
        raise NetGraphError(f"X has {x.ndim} dimension(s); expected 2, [rows, features]. Reshape your data")
    if y.ndim not in (1, 2) or (y.ndim == 2 and y.shape[1] == 0):
        raise NetGraphError(f"y has shape {y.shape}; y should be a 1d array, one value for each row of X")
    if len(x) != len(y):
        raise NetGraphError(f"X has {len(x)} rows and y has {len(y)}; they must have the same number")
    if len(x) < MIN_ROWS:
        raise NetGraphError(f"X has n_samples={len(x)} row(s); a task needs at least {MIN_ROWS}")
    if x.shape[1] == 0:
        raise NetGraphError(f"X has 0 feature(s) (shape={x.shape}) while a minimum of 1 is required.")


def _finite(column: npt.NDArray[Any], label: str) -> Floats:
    try:
        values = column.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise NetGraphError(f"{label} is not numeric") from error
    for word, wrong in (("NaN", np.isnan(values)), ("inf", np.isinf(values))):
        if count := int(wrong.sum()):
            raise NetGraphError(f"{label} contains {word} in {count} row{'s' if count > 1 else ''}")
    return values


def standardize(values: Floats) -> tuple[Floats, Floats, Floats]:
    """Standardize each column to mean 0 and variance 1 (the population's: divided by the number of rows).

    Args:
        values: [rows, features] or [rows].

    Returns:
        The standardized values, [rows, features] or [rows]; and the mean and the scale of each column,
        [features] or a scalar, such that ``values = standardized * scale + mean``. A constant column keeps
        scale 1 and becomes zeros.

    Example:
        >>> standardize(np.array([1.0, 3.0]))[0]
        array([-1.,  1.])
    """
    mean = values.mean(axis=0)
    # Constant is decided on the values: the rounded mean of 0.1, 0.1, 0.1 leaves a spurious deviation.
    constant = values.max(axis=0) == values.min(axis=0)
    centered = np.where(constant, 0.0, values - mean)
    # Dividing by the largest deviation first keeps the squares of very large and very small units in range.
    peak = np.where(constant, 1.0, np.abs(centered).max(axis=0))
    scale = peak * np.sqrt(np.square(centered / peak).mean(axis=0))
    scale = np.where(constant, 1.0, scale)
    return centered / scale, mean, scale


def compressed(x: Tensor, tail: float = TAIL) -> Tensor:
    """Return a standardized column with its tails compressed: linear up to ``tail`` deviations, then a logarithm.

    Example:
        >>> import torch
        >>> compressed(torch.tensor([1.0, 3.0, 103.0]))
        tensor([1.0000, 3.0000, 7.6151])
    """
    return x.clamp(-tail, tail) + x.sign() * (x.abs() - tail).clamp(min=0).log1p()

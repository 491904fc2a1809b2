"""Check of the data sets that enter netgraph: done once, here, so that every error names the column at fault."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from netgraph.errors import NetGraphError

Floats = npt.NDArray[np.float64]
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
    if y is None:
        raise NetGraphError("a regression task requires y to be passed, but the target y is None")
    if names is None:
        names = [str(name) for name in getattr(x, "columns", ())]
    raw_x, raw_y = _raw(x, "X"), _raw(y, "y")
    _check_shapes(raw_x, raw_y)
    labels = [f"column '{name}' (index {i}) of X" for i, name in enumerate(names)]
    labels += [f"column {i} of X" for i in range(len(labels), raw_x.shape[1])]
    columns = [_finite(column, label) for column, label in zip(raw_x.T, labels, strict=False)]
    return np.stack(columns, axis=1), _finite(raw_y.reshape(-1), "y")


def _raw(values: npt.ArrayLike, what: str) -> npt.NDArray[Any]:
    if isinstance(values, Tensor):
        values = values.detach().cpu().numpy()
    if hasattr(values, "tocsr"):
        raise NetGraphError(f"{what} is sparse; sparse data is not supported, pass {what}.toarray()")
    try:
        array = np.asarray(values)
    except ValueError as error:  # ragged nested lists
        raise NetGraphError(f"{what} is not a rectangular array of numbers") from error
    if np.iscomplexobj(array):
        raise NetGraphError(f"{what} is complex. Complex data not supported")
    return array


def _check_shapes(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> None:
    if x.ndim != 2:
        raise NetGraphError(f"X has {x.ndim} dimension(s); expected 2, [rows, features]. Reshape your data")
    if y.ndim != 1 and y.shape != (len(y) if y.ndim else 0, 1):
        raise NetGraphError(f"y has shape {y.shape}; y should be a 1d array, one value for each row of X")
    if len(x) != len(y):
        raise NetGraphError(f"X has {len(x)} rows and y has {len(y)}; they must have the same number")
    if len(x) < MIN_ROWS:
        raise NetGraphError(f"X has n_samples={len(x)} row(s); a regression task needs at least {MIN_ROWS}")
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

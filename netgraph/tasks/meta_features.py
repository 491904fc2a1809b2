"""Meta-features of a task as one flat, named, finite vector, computed with pymfe (Alcobaça et al. 2020)."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.tasks.check import Floats, as_array, check_classes, check_targets, standardize
from netgraph.tasks.task import Task

if TYPE_CHECKING:
    import pandas as pd

Ints = npt.NDArray[np.int64]

_SCALAR = (
    "inst_to_attr", "nr_class", "nr_attr", "attr_to_inst", "gravity", "class_ent", "eq_num_attr", "ns_ratio",
    "nodes_per_attr",
)  # fmt: skip
_SUMMARIZED = (
    "skewness", "kurtosis", "cor", "cov", "attr_conc", "class_conc", "sparsity", "attr_ent", "mut_inf", "f1",
    "f2", "tree_depth", "leaves_branch", "leaves_per_class",
)  # fmt: skip
#: Five features whose contingency tables take nine tenths of pymfe's time, see :func:`_contingency_class`.
_CONTINGENCY = ("attr_conc", "class_conc", "mut_inf", "eq_num_attr", "ns_ratio")

#: Names of the entries: 9 features of one value, then mean and standard deviation of 14 of many values.
META_FEATURE_NAMES: tuple[str, ...] = _SCALAR + tuple(
    f"{feature}.{summary}" for feature in _SUMMARIZED for summary in ("mean", "sd")
)
#: Every entry is clipped to [-LIMIT, LIMIT]: ratios to a mutual information near 0 have no bound.
LIMIT = 1e6
#: Rows beyond this many are left out, by a fixed random choice, of all but inst_to_attr and attr_to_inst.
MAX_ROWS = 2000
#: Most classes that a continuous target is cut into.
MAX_CLASSES = 10
#: Mutual information below this many bits is none: pymfe adds 1e-8 to every cell of a contingency table, so
#: that unrelated columns are off zero by up to 3e-5, and a ratio to that would be noise of either sign.
MIN_INFORMATION = 1e-4


def get_meta_features(
    parameters: "npt.ArrayLike | Task", target: npt.ArrayLike | None = None, classes: bool | None = None
) -> "pd.Series":
    """The 23 meta-features of a regression or classification problem as 37 numbers.

    Columns are standardized first, so the vector does not depend on their units. pymfe describes
    classification problems, and classes are taken as they are. A number as target becomes classes of nearly
    equal size, min(10, max(2, rows // 10)) of them, cut at quantiles; a target with no more distinct values
    than that keeps each as a class. Equal values are in one class. Of several targets the vector is the mean over
    them. A constant column counts in ``nr_attr`` and the two ratios of rows to columns
    and in nothing else. A value that pymfe cannot compute, or that is not finite, is 0 (a correlation with
    one column, a class distance with one class); values are clipped to plus or minus 1e6. Beyond 2,000 rows
    a fixed choice of 2,000 is described, and only the two ratios speak of all rows. Repeated calls give the
    same vector, and NumPy's global random state is left as it was.

    Args:
        parameters: X, [rows, features]: a DataFrame, tensor, array or lists; or a task, which has its target.
        target: y, [rows] or [rows, outputs].
        classes: Whether each value of y, or each row of several columns such as one-hot ones, is a class. When None,
            strings, booleans and categories are classes, and numbers, whole ones too, are regression targets; a task's
            loss tells.

    Returns:
        A pandas Series of 37 finite float64, its index :data:`META_FEATURE_NAMES`.

    Raises:
        NetGraphError: The data are no such problem, see :func:`~netgraph.tasks.check_data`.

    Example:
        >>> float(get_meta_features([[0.0], [1.0], [2.0], [4.0]], [1.0, 3.0, 5.0, 9.0])["inst_to_attr"])
        4.0
        >>> float(get_meta_features([[0.0], [1.0], [2.0], [4.0]], ["a", "b", "c", "a"])["nr_class"])
        3.0
    """
    import pandas as pd

    if isinstance(parameters, Task):
        task = parameters
        parameters, target, classes = task.x, task.y, task.has_classes
    x, columns = _columns(parameters, target, _are_classes(target) if classes is None else classes)
    rows, n_features = x.shape
    if rows > MAX_ROWS:
        kept = np.sort(np.random.default_rng(0).choice(rows, MAX_ROWS, replace=False))
        x, columns = x[kept], columns[kept]
    varies = np.ptp(x, axis=0) > 0
    if not varies.any():
        varies[0] = True  # pymfe needs a column
    z = standardize(x[:, varies])[0]
    vectors = [_vector(_extract(z, _binned(column)), rows, n_features) for column in columns.T]
    return pd.Series(np.mean(vectors, axis=0), index=list(META_FEATURE_NAMES), name="meta_features")


def _columns(parameters: Any, target: Any, classes: bool) -> tuple[Floats, Floats | Ints]:
    """Return the features, [rows, features], and the targets, [rows, outputs], or the class numbers, [rows, 1]."""
    if classes:
        x, numbers, _ = check_classes(parameters, target)
        return x, numbers[:, None]
    return check_targets(parameters, target)


def _are_classes(target: Any) -> bool:
    """Return whether a target, [rows] or [rows, outputs], has strings, booleans or categories."""
    import pandas as pd

    kinds = getattr(target, "dtypes", getattr(target, "dtype", None))
    if any(isinstance(kind, pd.CategoricalDtype) for kind in (kinds if isinstance(kinds, pd.Series) else [kinds])):
        return True
    values = as_array(target, "y")
    of_objects = values.dtype == object and any(isinstance(value, str | bool) for value in values.flat)
    return of_objects or values.dtype.kind in "bUS"


def _vector(values: dict[str, float], rows: int, n_features: int) -> Floats:
    """Return the values in their order, clipped and finite, [37]; sizes are those of all rows and columns."""
    values = values | {"inst_to_attr": rows / n_features, "attr_to_inst": n_features / rows, "nr_attr": n_features}
    vector = np.array([values.get(name, 0.0) for name in META_FEATURE_NAMES], dtype=np.float64)
    return np.where(np.isfinite(vector), np.clip(vector, -LIMIT, LIMIT), 0.0)


def check_meta_vector(vector: npt.ArrayLike, n: int | None = len(META_FEATURE_NAMES), unknown: bool = False) -> Tensor:
    """Return meta-features as a checked batch of float32.

    Args:
        vector: One vector, [n], or a batch of them, [B, n]: a Series as of :func:`get_meta_features`, a DataFrame of
            such rows, a mapping of names to numbers or a list of them, an array, tensor or lists. Named ones may have
            any order.
        n: Expected length; any when None.
        unknown: Whether a vector may be NaN throughout, for an unknown data set.

    Returns:
        [B, n] float32, on the device of a tensor, else on the CPU; B is 1 for one vector.

    Raises:
        NetGraphError: The length is not n, a value is not a finite float32, or the names are others.

    Example:
        >>> check_meta_vector([[1, 2], [3, 4]], n=2)
        tensor([[1., 2.],
                [3., 4.]])
    """
    values = _meta_numbers(vector, len(META_FEATURE_NAMES) if n is None else n)
    batch: Tensor = torch.atleast_2d(values)
    n = n or (batch.shape[-1] if values.ndim else len(META_FEATURE_NAMES))
    if values.ndim == 0 or batch.ndim != 2 or batch.shape[1] != n:
        raise NetGraphError(f"expected {n} meta-features or a batch [B, {n}], got shape {list(values.shape)}")
    wrong = ~(batch.abs() <= torch.finfo(torch.float32).max)
    if unknown:
        wrong &= ~batch.isnan().all(dim=1, keepdim=True)
    if wrong.any():
        index = int(wrong.nonzero()[0, 1])
        raise NetGraphError(f"expected {n} finite meta-features, got {batch[wrong][0].item()} at index {index}")
    return batch.float()


def _meta_numbers(vector: Any, n: int) -> Tensor:
    """Convert a vector or a batch to float64, pandas ones in the order of :data:`META_FEATURE_NAMES`."""
    if isinstance(vector, Tensor):
        return vector.detach().double()
    if isinstance(vector, Mapping) or (isinstance(vector, list) and vector and isinstance(vector[0], Mapping)):
        import pandas as pd

        vector = pd.Series(vector) if isinstance(vector, Mapping) else pd.DataFrame(vector)
    if hasattr(vector, "reindex") and n == len(META_FEATURE_NAMES):
        axis = vector.ndim - 1
        if isinstance(vector.axes[axis][0] if vector.shape[axis] else None, str):
            names = vector.axes[axis]
            if sorted(map(str, names)) != sorted(META_FEATURE_NAMES):
                strange = sorted({*map(str, names)} ^ {*META_FEATURE_NAMES})
                raise NetGraphError(f"expected the {n} meta-features of get_meta_features by name; see {strange[:1]}")
            vector = vector.reindex(list(META_FEATURE_NAMES), axis=axis)
    try:
        # Copied: pandas lends its values read-only, and a tensor must not share those.
        return torch.from_numpy(np.array(vector, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise NetGraphError(f"expected {n} meta-features, got values that are not numbers") from error


def _binned(y: Floats | Ints) -> Ints:
    """Return the class of each row, [rows]: class numbers as they are, and quantile bins of numbers, by mid-rank.

    Bins are numbered from 0; equal values are in one.
    """
    if np.issubdtype(y.dtype, np.integer):
        return y.astype(np.int64)
    n_classes = min(MAX_CLASSES, max(2, len(y) // 10))
    _, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    if len(counts) <= n_classes:
        return codes.astype(np.int64)
    quantile = (np.cumsum(counts) - counts / 2) / len(y)
    _, labels = np.unique(np.floor(n_classes * quantile), return_inverse=True)
    return labels[codes].astype(np.int64)


def _extract(x: Floats, classes: Ints) -> dict[str, float]:
    """Compute all features of standardized columns and classes, by name; NaN where pymfe fails."""
    from pymfe.mfe import MFE

    plain = [name for name in (*_SCALAR, *_SUMMARIZED) if name not in _CONTINGENCY]
    with _alone():
        # f1 and f2 are in a group that is off by default. Without `precomp_groups=None` pymfe fills a table
        # of rows x rows distances that nothing here reads.
        mfe = MFE(groups="all", features=plain, summary=["mean", "sd"], random_state=0, suppress_warnings=True)
        mfe.fit(x, classes, cat_cols=None, precomp_groups=None, suppress_warnings=True)
        values = dict(zip(*mfe.extract(suppress_warnings=True), strict=True))
        binned = mfe._custom_args_ft["C"].astype(np.int64)  # the columns as pymfe discretized them
        return values | _contingency_features(binned, classes)


def _contingency_features(binned: Ints, classes: Ints) -> dict[str, float]:
    """Compute the features of ``_CONTINGENCY`` of discretized columns, [rows, features], by name."""
    theory = _contingency_class()
    information = theory.ft_mut_inf(binned, classes)
    information = np.where(np.abs(information) < MIN_INFORMATION, 0.0, information)
    features = {
        "eq_num_attr": theory.ft_eq_num_attr(binned, classes, mut_inf=information),
        "ns_ratio": theory.ft_ns_ratio(binned, classes, mut_inf=information),
    }
    several = {
        "attr_conc": theory.ft_attr_conc(binned, random_state=0),
        "class_conc": theory.ft_class_conc(binned, classes),
        "mut_inf": information,
    }
    for name, values in several.items():
        features[f"{name}.mean"] = float(np.mean(values)) if len(values) else np.nan
        features[f"{name}.sd"] = float(np.std(values, ddof=1)) if len(values) > 1 else np.nan
    return features


@cache
def _contingency_class() -> Any:
    """The information theory of pymfe with contingency tables from ``bincount``.

    pymfe builds each table with ``pandas.crosstab``, milliseconds apiece and one for each pair of columns:
    nearly all of its time. The two helpers below are pymfe's, with the same numbers from a faster table.
    """
    from pymfe.info_theory import MFEInfoTheory

    class Contingency(MFEInfoTheory):
        @classmethod
        def _calc_joint_ent(cls, vec_x: Ints, vec_y: Ints, epsilon: float = 1e-8) -> float:
            joint = _joint_shares(vec_y, vec_x) + epsilon
            return -float(np.sum(joint * np.log2(joint)))

        @classmethod
        def _calc_conc(cls, vec_x: Ints, vec_y: Ints, epsilon: float = 1e-8) -> float:
            joint = _joint_shares(vec_x, vec_y) + epsilon
            rows = np.sum(joint.sum(axis=1) ** 2)
            return float((np.sum(joint**2 / joint.sum(axis=0)) - rows) / (1 - rows))

    return Contingency


def _joint_shares(a: Ints, b: Ints) -> Floats:
    """Return the share of rows in each cell, [values of a, values of b], of the values that occur."""
    height, width = int(a.max()) + 1, int(b.max()) + 1
    table = np.bincount(a * width + b, minlength=height * width).reshape(height, width) / len(a)
    return table[table.any(axis=1)][:, table.any(axis=0)]


@contextmanager
def _alone() -> Iterator[None]:
    """Silence pymfe's warnings on degenerate data, and undo its call of ``numpy.random.seed``."""
    state = np.random.get_state()
    try:
        with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
            yield
    finally:
        np.random.set_state(state)

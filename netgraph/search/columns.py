"""The encoder of raw columns: missing values, categories, dates and text as the numbers that a network reads."""

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils import Tags
from sklearn.utils.validation import _check_feature_names_in, check_array, check_is_fitted

from netgraph.errors import NetGraphError
from netgraph.search.column_actions import actions, suffix
from netgraph.tasks.kinds import column_kind
from netgraph.tasks.table import index_columns

#: Most columns of 0 and 1 for the levels of one column, and fewest rows of a level that has its own; both chosen.
MOST_LEVELS, LEAST_ROWS = 20, 5
Floats = npt.NDArray[np.float64]


class ColumnEncoder(TransformerMixin, BaseEstimator):
    """Encoder of raw columns as numbers; columns that tell nothing are left out.

    Missing numbers and dates become the median, and a column marks them unless they are rare; levels of text become
    columns of 0 and 1, rare ones and those not seen together, a missing value being a level of its own; dates become
    days since 1970, and hour, day of the week and month where these recur. Constant and repeated columns, first columns
    that number the rows, and text without a frequent level are left out. Columns of finite numbers pass unchanged.

    Args:
        max_categories: Most levels of a column with a column of their own.
        min_frequency: Fewest rows of such a level, or of missing values that are marked.

    Attributes:
        actions_: One line for each column that does not pass unchanged.
        raw_column_: Number of the raw column of each encoded one, [encoded].
        index_: Names of the columns that number the rows.
        n_features_in_: Number of raw columns seen in ``fit``.
        feature_names_in_: Their names; only where X had names.

    Example:
        >>> frame = pd.DataFrame({"age": [31, None, 54], "paid": ["1,5", "2", "2"]})
        >>> encoder = ColumnEncoder().fit(frame)
        >>> encoder.transform(frame[["paid", "age"]]).tolist()
        [[31.0, 1.5], [42.5, 2.0], [54.0, 2.0]]
        >>> encoder.actions_[1]
        "column 'paid': numbers with a decimal comma"
    """

    def __init__(self, max_categories: int = MOST_LEVELS, min_frequency: int = LEAST_ROWS) -> None:
        self.max_categories = max_categories
        self.min_frequency = min_frequency

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn kinds, medians and levels of columns.

        Args:
            X: A pandas or polars DataFrame, or an array, [rows, columns].
            y: Ignored.

        Raises:
            NetGraphError: When a value is infinite or complex, or no column tells rows apart; it names the column.
            ValueError: When X has no two dimensions, no rows or no columns.

        Warns:
            UserWarning: When a column numbers the rows, and is left out.
        """
        self.fit_transform(X)
        return self

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> Floats:
        """Return the encoded columns of :meth:`fit`, [rows, encoded] float64; arguments and errors as there."""
        frame = as_frame(X)
        self._keep_names(frame)
        columns = [frame.iloc[:, i] for i in range(self.n_features_in_)]
        self.kinds_ = [column_kind(column) for column in columns]
        parts = [dict(kind.read(column)) for kind, column in zip(self.kinds_, columns, strict=True)]
        self._numbers = [(i, part) for i, one in enumerate(parts) for part in one if self.kinds_[i].kind != "level"]
        self._levels = [i for i, kind in enumerate(self.kinds_) if kind.kind == "level"]
        values = self._values(parts, len(frame))
        if values.empty:
            raise NetGraphError("no column of X holds a value")
        limits = {"min_frequency": self.min_frequency, "max_categories": self.max_categories}
        one_hot = OneHotEncoder(handle_unknown="infrequent_if_exist", sparse_output=False, **limits)
        middle, at = len(self._numbers), list(range(values.shape[1]))
        blocks = [("numbers", SimpleImputer(strategy="median", add_indicator=True), at[:middle])]
        self.transformer_ = ColumnTransformer([*blocks, ("levels", one_hot, at[middle:])])
        encoded: Floats = self.transformer_.fit_transform(values)
        self._choose(columns, parts, encoded)
        return encoded[:, self._kept]

    def _keep_names(self, frame: pd.DataFrame) -> None:
        self.n_features_in_ = frame.shape[1]
        self.__dict__.pop("feature_names_in_", None)
        named = {isinstance(name, str) for name in frame.columns}
        if len(named) > 1:
            raise NetGraphError("some names of X's columns are text and some are not")
        _check_different(frame)
        if named == {True}:
            self.feature_names_in_ = np.asarray(frame.columns, dtype=object)

    def _values(self, parts: Sequence[Mapping[str, Any]], rows: int) -> pd.DataFrame:
        """Return all parts side by side, numbers before levels; a column that is left out may be missing."""
        zeros, empty = np.zeros(rows), np.full(rows, "", dtype=object)
        numbers = [parts[i].get(part, zeros) for i, part in self._numbers]
        return pd.DataFrame(dict(enumerate([*numbers, *(parts[i].get("", empty) for i in self._levels)])))

    def _choose(self, columns: Sequence[pd.Series], parts: Sequence[Mapping[str, Any]], encoded: Floats) -> None:
        """Choose the encoded columns that tell rows apart, and note for each raw column how it is encoded."""
        entries, index = self._entries(), self._index_columns(parts)
        self.index_ = [self._name(i) for i in sorted(index)]
        informative, repeated = _informative(encoded)
        rare = {i for i in informative if "missing" in entries[i] and encoded[:, i].sum() < self.min_frequency}
        self._kept = [i for i in informative if i not in rare and entries[i]["raw"] not in index] or [0]
        self._encoded = [entries[i] for i in self._kept]
        self.raw_column_ = np.array([entry["raw"] for entry in self._encoded])
        twins = {entries[i]["raw"]: entries[j]["raw"] for i, j in repeated.items()}
        self.actions_ = []
        for i, kind in enumerate(self.kinds_):
            own = [entry for entry in self._encoded if entry["raw"] == i]
            done = [*actions(kind, columns[i], parts[i], own)]
            if i in index:
                done = ["left out, it numbers the rows"]
                warnings.warn(f"column {self._name(i)!r} is {done[0]}", UserWarning, stacklevel=3)
            elif own and not informative:
                done = ["kept, though it tells no rows apart"]
            elif i in twins and not own:
                done = [f"left out, it repeats column {self._name(twins[i])!r}"]
            if done:
                self.actions_.append(f"column {self._name(i)!r}: {'; '.join(done)}")

    def _entries(self) -> list[dict[str, Any]]:
        """Return a record of every encoded column: its raw one, and the value it has for a cell."""
        entries: list[dict[str, Any]] = []
        fitted = self.transformer_.named_transformers_
        if self._numbers:
            medians, indicator = fitted["numbers"].statistics_.tolist(), fitted["numbers"].indicator_
            of = [{"raw": i} | ({"part": part} if part else {}) for i, part in self._numbers]
            entries += [one | {"fill": median} for one, median in zip(of, medians, strict=True)]
            entries += [{"raw": of[i]["raw"], "missing": True} for i in indicator.features_]
        if self._levels:
            rare = fitted["levels"].infrequent_categories_
            for i, levels, others in zip(self._levels, fitted["levels"].categories_, rare, strict=True):
                frequent = [level for level in levels if others is None or level not in set(others)]
                entries += [{"raw": i, "level": level} for level in frequent]
                entries += [] if others is None else [{"raw": i, "other": frequent}]
        return entries

    def _index_columns(self, parts: Sequence[Mapping[str, Any]]) -> set[int]:
        """Return the first columns, by their numbers, that number the rows, unless there are no others."""
        names = getattr(self, "feature_names_in_", [])
        first = list(takewhile(lambda i: self.kinds_[i].kind == "number", range(len(names))))
        if not first:
            return set()
        index = index_columns([names[i] for i in first], np.column_stack([parts[i][""] for i in first]))
        return set(range(len(index))) if len(index) < len(names) else set()

    def _name(self, i: int) -> str:
        return str(self.feature_names_in_[i]) if hasattr(self, "feature_names_in_") else f"x{i}"

    def transform(self, X: Any) -> Floats:
        """Encode raw columns.

        Args:
            X: A DataFrame with the names seen in ``fit``, in any order, further columns being ignored; or an array with
                its columns in that order. Columns that are left out may be missing from a DataFrame.

        Returns:
            The encoded columns, [rows, encoded] float64.

        Raises:
            NetGraphError: When a column is missing, or a cell is not of the kind seen in ``fit``; it names the column.
            ValueError: When an array has another number of columns.
        """
        check_is_fitted(self, "transformer_")
        frame, used = as_frame(X), np.unique(self.raw_column_).tolist()
        parts: list[dict[str, Any]] = [{} for _ in range(self.n_features_in_)]
        if hasattr(self, "feature_names_in_") and isinstance(frame.columns[0], str):
            missing = [repr(self._name(i)) for i in used if self._name(i) not in frame]
            if missing:
                raise NetGraphError(f"X has no column {', '.join(missing)}")
            frame = frame[[self._name(i) for i in used]]
            _check_different(frame)
        else:
            if frame.shape[1] != self.n_features_in_:
                expected = f"is expecting {self.n_features_in_} features as input"
                raise NetGraphError(f"X has {frame.shape[1]} features, but {type(self).__name__} {expected}")
            frame = frame.iloc[:, used]
        for at, i in enumerate(used):
            parts[i] = dict(self.kinds_[i].read(frame.iloc[:, at].rename(self._name(i))))
        encoded: Floats = self.transformer_.transform(self._values(parts, len(frame)))
        return encoded[:, self._kept]

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[Any]:
        """Return the names of the encoded columns, such as ``age``, ``age missing`` or ``color=red``.

        Args:
            input_features: Names of the raw columns, where ``fit`` saw none.
        """
        check_is_fitted(self, "transformer_")
        raw = _check_feature_names_in(self, input_features)
        return np.array([raw[entry["raw"]] + suffix(entry) for entry in self._encoded], dtype=object)

    def record(self) -> dict[str, Any]:
        """Return all that encoding needs, in JSON's types.

        Returns:
            ``names`` of the raw columns, None where they have none; those of them that number the rows, ``index``;
            ``n_columns``, their number; and ``encoded``, one mapping for each encoded column: number and kind of its
            raw column (``raw``, ``kind``), the writing of cells (``decimal``, ``signs``, ``words`` for missing
            values, ``form``), and its value: the number or a ``part`` of the date, ``fill`` where that is missing; or 1
            where a value is ``missing``, is a ``level``, or is no level of ``other``.
        """
        check_is_fitted(self, "transformer_")
        names = [str(name) for name in self.feature_names_in_] if hasattr(self, "feature_names_in_") else None
        encoded = []
        for entry in self._encoded:
            kind = self.kinds_[entry["raw"]]
            writing = {
                "number": {"decimal": kind.decimal, "signs": kind.signs, "words": list(kind.words)},
                "date": {"form": kind.form},
            }
            encoded.append({"kind": kind.kind} | writing.get(kind.kind, {}) | entry)
        return {"names": names, "index": self.index_, "n_columns": self.n_features_in_, "encoded": encoded}


def as_frame(X: Any) -> pd.DataFrame:
    """Return a table as a pandas DataFrame: pandas, polars, an array, or rows in lists.

    Args:
        X: The table, [rows, columns].

    Raises:
        ValueError: When it has no two dimensions, no rows, or no columns.

    Example:
        >>> as_frame([[1, 2], [3, 4]]).shape
        (2, 2)
    """
    if type(X).__module__.partition(".")[0] == "polars":
        X = pd.DataFrame(X.to_dict(as_series=False))
    if not isinstance(X, pd.DataFrame):
        return pd.DataFrame(check_array(X, dtype=None, ensure_all_finite=False))
    for count, what in zip(X.shape, ("sample(s)", "feature(s)"), strict=True):
        if count == 0:
            raise NetGraphError(f"Found array with 0 {what} (shape={X.shape}) while a minimum of 1 is required.")
    return X.reset_index(drop=True)


def _check_different(frame: pd.DataFrame) -> None:
    repeated = frame.columns[frame.columns.duplicated()].unique()
    if len(repeated):
        raise NetGraphError(f"X has more than one column {', '.join(map(repr, repeated))}")


def _informative(encoded: Floats) -> tuple[list[int], dict[int, int]]:
    """Return the columns that vary and repeat no earlier one nor 1 minus it, and the earlier one of each repeated."""
    seen: dict[bytes, int] = {}
    repeated: dict[int, int] = {}
    varying = [i for i, column in enumerate(encoded.T) if column.min() < column.max()]
    for i in varying:
        column = encoded[:, i] + 0.0  # no negative zeros
        key, opposite = (hashlib.sha256(values.tobytes()).digest() for values in (column, 1 - column))
        if key in seen:
            repeated[i] = seen[key]
            continue
        seen[key] = i
        if np.isin(column, (0, 1)).all():
            seen[opposite] = i
    return [i for i in varying if i not in repeated], repeated

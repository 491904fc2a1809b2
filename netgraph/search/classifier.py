"""The scikit-learn classifier: a small network that gives probabilities of classes."""

from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import assert_all_finite, column_or_1d

from netgraph.errors import NetGraphError
from netgraph.search.base import NetGraphEstimator
from netgraph.search.preprocess import Probabilities
from netgraph.tasks.dataset import Floats


class NetGraphClassifier(ClassifierMixin, NetGraphEstimator):
    """Small network for a classification data set, found as by :class:`~netgraph.search.NetGraphRegressor`.

    Output layers are solved by least squares on one-hot classes and calibrated; the best networks are trained by
    cross-entropy. The error is the out-of-fold log loss. Parameters and attributes are those of the regressor, but for
    its standard deviations.

    Attributes:
        classes_: The class labels, sorted.
        graph_: The network, from standardized columns to one logit a class.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> X, y = load_iris(return_X_y=True)
        >>> model = NetGraphClassifier(max_seconds=1).fit(X, y)
        >>> model.predict_proba(X[:2]).shape
        (2, 3)
        >>> bool(model.score(X, y) > 0.9)
        True
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Search for a network; an interrupt ends the search with the best so far, and a warning.

        Args:
            X: Features, a DataFrame or an array, [rows, features], at least 10 rows.
            y: Class labels of any type that can be sorted, [rows], at least two different ones.
            sample_weight: Weight of each row, [rows], 0 or more, as of the regressor.

        Raises:
            ValueError: When a shape is wrong, a value cannot be used, or a parameter is out of range.

        Warns:
            UserWarning: As the regressor.
        """
        if y is None:
            raise NetGraphError("NetGraphClassifier requires y to be passed, but the target y is None")
        labels = column_or_1d(y, warn=True)
        assert_all_finite(labels, input_name="y")
        try:
            classes, index = np.unique(labels, return_inverse=True)
        except TypeError:
            kinds = ", ".join(sorted({type(label).__name__ for label in labels.tolist()}))
            raise NetGraphError(f"y holds labels that cannot be sorted, of {kinds}") from None
        check_classification_targets(labels)
        if len(classes) < 2:
            raise NetGraphError(f"y has {len(classes)} class; a classifier needs at least 2 classes")
        self._fit(X, np.eye(len(classes))[index], sample_weight, Probabilities)
        self.classes_ = classes
        return self

    def predict_proba(self, X: Any) -> Floats:
        """Return the probability of each class of ``classes_``, [rows, classes], of features, [rows, features]."""
        features = self._inputs(X)
        return self.preprocessing_.predict(self.graph_, features)

    def predict(self, X: Any) -> Any:
        """Return the most probable class of each row, [rows], of features, [rows, features]."""
        probability = self.predict_proba(X)
        return self.classes_[probability.argmax(axis=1)]

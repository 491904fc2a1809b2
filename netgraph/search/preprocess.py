"""Maps from a table's columns to a network's inputs, and from its outputs to targets in their units, or to classes."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import _check_sample_weight
from torch import Tensor, nn

from netgraph.errors import NetGraphError
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.write_module import to_module
from netgraph.search.columns import ColumnEncoder
from netgraph.search.data import TabularData
from netgraph.stack import sensitivity
from netgraph.tasks import TAIL, compressed
from netgraph.tasks.dataset import Floats

#: Fewest rows of a weight above 0, and fewest different ones that are merged: one for each fold.
LEAST_ROWS = 5
#: Largest magnitude of a standardized value; one of a column that counts as 0, which could not be divided by.
LARGEST, SMALLEST = 1e30, 1e-290
#: How far beyond the targets of the training rows predictions reach, as a share of their range; chosen.
MARGIN = 0.05
#: Rows that are predicted at once, and most rows that sensitivities are measured on; chosen.
BLOCK, SENSITIVITY_ROWS = 4096, 1024


def merge_rows(X: Floats, y: Floats, sample_weight: Any = None) -> tuple[Floats, Floats, Floats | None]:
    """Merge equal rows, whose weights add up, and leave out those of weight 0; the order of rows does not matter.

    A row that is repeated would otherwise stand in a fold and outside of it.

    Args:
        X: Features, [rows, features].
        y: Targets, [rows, outputs].
        sample_weight: Weights, [rows]; 1 when None.

    Returns:
        Features, targets, and weights; None where all are equal.

    Raises:
        ValueError: When the weights are not one a row, finite and 0 or more.
        NetGraphError: When too few rows are left.
    """
    weight = np.ones(len(y))
    if sample_weight is not None:
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    kept = weight > 0
    if kept.sum() < LEAST_ROWS:
        raise NetGraphError(f"sample_weight is above 0 in {kept.sum()} rows; a fit needs at least {LEAST_ROWS}")
    rows, row = np.unique(np.column_stack([X, y])[kept], axis=0, return_inverse=True)
    if len(rows) < LEAST_ROWS:
        rows, row = np.column_stack([X, y])[kept], np.arange(kept.sum())
    total, columns = np.bincount(row.ravel(), weight[kept] / weight.max()), X.shape[1]
    return rows[:, :columns], rows[:, columns:], None if total.min() == total.max() else total / total.max()


class Standardize(nn.Module):
    """Columns in deviations from their means; beyond ``tail`` deviations they grow logarithmically.

    Args:
        shift: Means, [features].
        scale: Deviations, [features].
        tail: Deviations; see :func:`~netgraph.tasks.compressed`.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, shift: Tensor, scale: Tensor, tail: float = TAIL) -> None:
        super().__init__()
        self.register_buffer("shift", shift)
        self.register_buffer("scale", scale)
        self.tail = tail

    def forward(self, x: Tensor) -> Tensor:
        """Return the inputs of the network, [rows, features]."""
        return compressed(_in_deviations(x, self.shift, self.scale).clamp(-LARGEST, LARGEST), self.tail)


class Rescale(nn.Module):
    """Targets in their own units, within their training ranges and a margin.

    Args:
        center: Means of the targets, [outputs]; of one target a number.
        spread: Their deviations.
        least: Least predictions.
        most: Largest predictions.
    """

    loss = "squared_error"
    center: Tensor
    spread: Tensor
    least: Tensor
    most: Tensor

    def __init__(self, center: Tensor, spread: Tensor, least: Tensor, most: Tensor) -> None:
        super().__init__()
        for name, value in {"center": center, "spread": spread, "least": least, "most": most}.items():
            self.register_buffer(name, value)
        self.n_outputs, self.single = center.numel(), center.ndim == 0

    @classmethod
    def fit(cls, y: Floats, sample_weight: Floats | None = None) -> Self:
        """Fit it to targets, [rows, outputs], with weights, [rows], unless all are equal."""
        low, high, largest = y.min(axis=0), y.max(axis=0), np.finfo(np.float64).max
        margin = MARGIN * high - MARGIN * low
        with np.errstate(over="ignore"):
            limits = np.maximum(low - margin, -largest), np.minimum(high + margin, largest)
        values = *_mean_and_deviation(y, sample_weight), *map(torch.from_numpy, limits)
        return cls(*(value[0] if y.shape[1] == 1 else value for value in values))

    def standardized(self, y: Floats) -> Tensor:
        """Return targets, [rows, outputs], as the network gives them."""
        return _in_deviations(torch.from_numpy(np.array(y)), self.center, self.spread)

    def forward(self, output: Tensor) -> Tensor:
        """Return predictions, [rows], or of several targets [rows, outputs], of outputs, [rows, outputs]."""
        output = output[..., 0] if self.single else output
        return (self.center + self.spread * output).clamp(self.least, self.most)


class Probabilities(nn.Module):
    """Probabilities of classes, of logits.

    Args:
        n_outputs: Number of classes.
    """

    loss = "cross_entropy"

    def __init__(self, n_outputs: int) -> None:
        super().__init__()
        self.n_outputs = n_outputs

    @classmethod
    def fit(cls, y: Floats, sample_weight: Floats | None = None) -> Self:
        """Return it for one-hot rows, [rows, classes]."""
        return cls(y.shape[1])

    def standardized(self, y: Floats) -> Tensor:
        """Return one-hot rows as they are."""
        return torch.from_numpy(np.array(y))

    def forward(self, output: Tensor) -> Tensor:
        """Return probabilities, [rows, classes], of logits, [rows, classes]."""
        return output.softmax(dim=-1)


@dataclass(frozen=True)
class Preprocessing:
    """Both maps, fitted to training rows, in float64.

    Attributes:
        standardize: From columns to a network's inputs.
        rescale: From its outputs to targets, or to probabilities of classes.
    """

    standardize: Standardize
    rescale: Rescale | Probabilities

    @classmethod
    def fit(
        cls,
        X: Floats,
        y: Floats,
        sample_weight: Floats | None = None,
        outputs: type[Rescale] | type[Probabilities] = Rescale,
    ) -> Self:
        """Fit them to rows.

        Args:
            X: Features, [rows, features].
            y: Targets, [rows] or [rows, outputs], or one-hot classes.
            sample_weight: Weights, [rows]; all equal when None.
            outputs: Map of the outputs.
        """
        maps = Standardize(*_mean_and_deviation(X, sample_weight)), outputs.fit(y.reshape(len(y), -1), sample_weight)
        return cls(*maps)

    def data(self, X: Floats, y: Floats, sample_weight: Floats | None = None) -> TabularData:
        """Return standardized rows, of X [rows, features] and y [rows, outputs] in their own units, and weights."""
        weight = None if sample_weight is None else torch.from_numpy(sample_weight / sample_weight.mean())
        target = self.rescale.standardized(y.reshape(len(y), -1)).float()
        return TabularData(self.inputs(X), target, weight, self.rescale.loss)

    def inputs(self, X: Floats) -> Tensor:
        """Return the inputs of a network, [rows, features] float32, of columns in their own units."""
        inputs: Tensor = self.standardize(torch.from_numpy(np.array(X)))
        return inputs.float()

    def pipeline(self, module: nn.Module) -> nn.Sequential:
        """Return a network with both maps around it, from columns, [rows, features] float64, to targets."""
        stages = OrderedDict(standardize=self.standardize, network=module, rescale=self.rescale)
        return nn.Sequential(stages).eval()

    def predict(self, graph: NetGraph, X: Floats) -> Floats:
        """Return a network's predictions of columns, [rows, features], in float64.

        Returns:
            Targets in their units, [rows] or [rows, outputs], or probabilities of classes, [rows, classes].
        """
        pipeline = self.pipeline(to_module(graph.replace(state=graph.state.double())))
        # The last block begins early enough to be as long as the others: a product of other sizes is rounded otherwise.
        starts = [min(start, max(0, len(X) - BLOCK)) for start in range(0, len(X), BLOCK)]
        with torch.no_grad():
            empty = pipeline(torch.zeros(0, X.shape[1], dtype=torch.float64))
            prediction = np.empty((len(X), *empty.shape[1:]))
            for start in starts:
                rows = slice(start, start + BLOCK)
                prediction[rows] = pipeline(torch.from_numpy(np.array(X[rows])))
        return prediction


def column_importances(graph: NetGraph, X: Tensor, encoder: ColumnEncoder) -> Floats:
    """Return the importance of each raw column: the share of its inputs in the network's sensitivity, [columns].

    Args:
        graph: The network.
        X: Its inputs, [rows, encoded].
        encoder: From raw columns to these, before they are standardized.
    """
    encoded = sensitivity(graph, X[:SENSITIVITY_ROWS])[: X.shape[1]].double().numpy()
    total = np.bincount(encoder.raw_column_, encoded, minlength=encoder.n_features_in_).astype(np.float64)
    return total / total.sum() if total.sum() > 0 else total


def _in_deviations(values: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Return (values - shift) / scale, in quarters, in which no difference of finite numbers overflows."""
    return (values / 4 - shift / 4) / (scale / 4)


def _mean_and_deviation(values: Floats, sample_weight: Floats | None) -> tuple[Tensor, Tensor]:
    """Return mean and deviation of columns of any unit, [features]: scaled to 1 before, so that no square overflows."""
    peak = np.abs(values).max(axis=0)
    unit = np.where(peak > SMALLEST, peak, 1.0)
    scaler = StandardScaler().fit(values / unit, sample_weight=sample_weight)
    return torch.from_numpy(scaler.mean_ * unit), torch.from_numpy(scaler.scale_ * unit)

"""Standard deviations of predictions, by split-conformal prediction on out-of-fold residuals."""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Self

import numpy as np
import torch
from torch import Tensor

from netgraph.lines import Compact
from netgraph.search.data import TabularData
from netgraph.stack import RidgeFit, fit_ridge

#: Share of rows that a normal interval of calibrated deviations covers, and its half-width in deviations.
COVERAGE = 0.8
HALF_WIDTH = NormalDist().inv_cdf((1 + COVERAGE) / 2)


@dataclass(frozen=True, repr=False)
class ResidualScale(Compact):
    """Scale of residuals as a function of the features: a log-linear regression, calibrated by conformal prediction.

    The logarithm of the absolute residual is regressed on features and predictions (normalized conformal prediction;
    Papadopoulos et al. 2008, Lei et al. 2018), and the ratios of residuals to the scales that the other rows give them
    are brought to those of a normal distribution at :data:`COVERAGE`.

    Attributes:
        fit: Regression of the logarithm, one network of features and predictions.
        bounds: Least and largest logarithms among the rows, [2, outputs].
        factor: Calibration of the scales, [outputs].
    """

    fit: RidgeFit
    bounds: Tensor
    factor: Tensor

    @classmethod
    def of(cls, data: TabularData, prediction: Tensor) -> Self:
        """Fit it to rows with out-of-fold predictions, [rows, outputs]."""
        residual = (data.y - prediction).abs().double()
        floor = residual.median(dim=0).values.clamp(min=torch.finfo(torch.float32).tiny)
        target, weight = (residual + floor).log()[None], data.sample_weight
        fit = fit_ridge(_features(data.X, prediction), target, weight=None if weight is None else weight[None])
        left_out = (target - fit.residual)[0]
        bounds = torch.stack([left_out.amin(dim=0), left_out.amax(dim=0)])
        ratio, rows = (residual / left_out.exp()).numpy(), len(data)
        level = min(1.0, COVERAGE * (rows + 1) / rows)  # the conformal quantile
        share = None if weight is None else weight.numpy()
        method = {"method": "inverted_cdf", "weights": share} if share is not None else {"method": "higher"}
        factor = torch.from_numpy(np.quantile(ratio, level, axis=0, **method)) / HALF_WIDTH
        return cls(fit, bounds, factor)

    def predict(self, X: Tensor, prediction: Tensor) -> Tensor:
        """Return deviations, [rows, outputs], of features, [rows, features], and predictions, [rows, outputs]."""
        log = self.fit.predict(_features(X, prediction))[0]
        return log.clamp(*self.bounds).exp() * self.factor


def _features(X: Tensor, prediction: Tensor) -> Tensor:
    return torch.cat([X.double(), prediction.double()], dim=1)[None]

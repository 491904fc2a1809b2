"""Linear probes of latents, and predictors of performance."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.evaluation.pairs import Graphs, as_list
from netgraph.graph.symmetry import canonicalize

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

#: Folds of every cross-validation.
FOLDS = 5
#: Ridge penalties, chosen among by leave-one-out errors.
PENALTIES = np.logspace(-3, 4, 15)


def probe_family(f: Tensor, families: Sequence[str], tasks: Sequence[int], seed: int = 0) -> float:
    """Compute the accuracy of multinomial logistic regression from latents to task families.

    Args:
        f: Function codes, or other features, [n, features].
        families: Task family of each network.
        tasks: Task of each network; no task is on both sides of one of 5 shuffled folds.
        seed: Of the folds.

    Returns:
        Share of networks whose family is predicted, in [0, 1]; chance is the share of the most frequent family.

    Raises:
        NetGraphError: When lengths differ, a value is not finite, or there are fewer than 5 tasks or 2 families.

    Example:
        >>> probe_family(torch.tensor([[-1.0], [1.0]] * 5), ["a", "b"] * 5, range(10))
        1.0
    """
    from sklearn.linear_model import LogisticRegression

    if len(set(families)) < 2:
        raise NetGraphError("probe_family: all networks are of one family")
    predicted = _predict(LogisticRegression(max_iter=2000), f, families, tasks, seed)
    return float((predicted == np.asarray(families)).mean())


def probe_error(f: Tensor, validation_r2: Tensor, tasks: Sequence[int], seed: int = 0) -> float:
    """Compute the R^2 of ridge regression from latents to validation R^2; arguments and errors as :func:`probe_family`.

    The validation error of a standardized target is 1 minus its R^2; the figure is the same for both.

    Example:
        >>> f = torch.arange(10.0)[:, None]
        >>> probe_error(f, 0.1 * f[:, 0], range(10)) > 0.9
        True
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.metrics import r2_score

    predicted = _predict(RidgeCV(PENALTIES), f, validation_r2, tasks, seed)
    return float(r2_score(validation_r2.detach().cpu(), predicted))


def predictor_tau(features: Tensor, validation_r2: Tensor, seed: int = 0) -> float:
    """Compute Kendall's tau of predicted and true validation R^2 of networks of one task.

    The predictor is gradient boosting, as of Unterthiner et al. (2020), out of 5 shuffled folds.

    Args:
        features: Latents or :func:`weight_statistics` of networks trained in varied ways, [n, features].
        validation_r2: R^2 of each network on the validation rows, [n].
        seed: Of folds and predictor.

    Returns:
        A value in [-1, 1]; 0 where all predictions are equal.

    Raises:
        NetGraphError: When lengths differ, a value is not finite, or there are fewer than 5 networks.

    Example:
        >>> predictor_tau(torch.arange(60.0)[:, None], torch.arange(60.0)) > 0.5
        True
    """
    from scipy.stats import kendalltau
    from sklearn.ensemble import HistGradientBoostingRegressor

    model = HistGradientBoostingRegressor(random_state=seed)
    predicted = _predict(model, features, validation_r2, range(len(features)), seed)
    return float(np.nan_to_num(kendalltau(validation_r2.detach().cpu(), predicted).statistic))


def weight_statistics(graphs: Graphs) -> Tensor:
    """Compute mean, variance and quartiles of every tensor of the canonical state (Unterthiner et al. 2020).

    Returns:
        Features in the order of the tensors, [n, 7 * most tensors] float64; 0 beyond the tensors of a network.

    Example:
        >>> weight_statistics([netgraph.from_module(torch.nn.Linear(2, 1))]).shape
        torch.Size([1, 14])
    """
    quantiles, rows = torch.linspace(0, 1, 5, dtype=torch.float64), []
    for graph in map(canonicalize, as_list(graphs, "weight_statistics")):
        tensors = [graph.tensor(spec).detach().cpu().double().flatten() for spec in graph.architecture.tensors]
        moments = [torch.stack([values.mean(), values.var(correction=0)]) for values in tensors]
        parts = zip(moments, (values.quantile(quantiles) for values in tensors), strict=True)
        rows.append(torch.cat([part for both in parts for part in both]))
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)


def _predict(
    model: "BaseEstimator", features: Tensor, target: Tensor | Sequence[str], tasks: Sequence[int], seed: int
) -> npt.NDArray[np.float64]:
    """Return out-of-fold predictions from standardized features, no task on both sides of a fold."""
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    if features.ndim != 2 or not len(features) == len(target) == len(tasks):
        shape = tuple(features.shape)
        raise NetGraphError(f"features of shape {shape} for {len(target)} targets of networks of {len(tasks)} tasks")
    if not all(bool(v.isfinite().all()) for v in (features, target) if isinstance(v, Tensor)):
        raise NetGraphError("features or targets hold NaN or infinity")
    if len(set(tasks)) < FOLDS:
        raise NetGraphError(
            f"{len(set(tasks))} tasks, or networks of one; a cross-validation of {FOLDS} folds takes at least {FOLDS}"
        )
    x = features.detach().cpu().double().numpy()
    y = target.detach().cpu().double().numpy() if isinstance(target, Tensor) else np.asarray(target)
    folds = GroupKFold(FOLDS, shuffle=True, random_state=seed)
    with threadpool_limits(1, user_api="openmp"):  # several threads stall where another process wants a core
        predicted: npt.NDArray[np.float64] = cross_val_predict(
            make_pipeline(StandardScaler(), model), x, y, groups=np.asarray(tasks), cv=folds
        )
    return predicted

"""Ensembles: one network that adds up several, weighted by stacked regression (Breiman 1996)."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from netgraph.graph.edit import output_layer, weighted_sum
from netgraph.search.data import TabularData
from netgraph.search.scoring import Candidate, best

#: Root of the weight of the constraint that the stacking weights sum to 1; chosen: large.
STRICTNESS = 10.0
#: Ridge penalty of stacking weights in units of the least error, for many rows, and the rows at which it is 1 more;
#: measured on 200 tables apart from the benchmarks, as were the sizes.
SHRINKAGE, FEW_ROWS = 0.2, 100
#: Members of the ensembles.
SIZES = (2, 4, 8, 16)


def stacking_weights(predictions: Tensor, data: TabularData) -> Tensor:
    """Return non-negative weights of sum 1 of least loss, shrunk towards equal weights.

    Args:
        predictions: Out-of-fold predictions, finite, [n, rows, outputs].
        data: The rows.

    Returns:
        Weights, [n] float64; equal ones where the regression fails.
    """
    count, rows = predictions.shape[:2]
    least = data.mean(data.losses(predictions)).min()
    penalty = float((SHRINKAGE + (FEW_ROWS / rows) ** 2) * least)
    solve = _least_log_loss if data.has_classes else _least_squares
    weights = solve(predictions.double(), data, penalty)
    return weights / weights.sum() if weights.sum() > 0 else torch.full_like(weights, 1 / count)


def _least_squares(predictions: Tensor, data: TabularData, penalty: float) -> Tensor:
    """Return the weights of least mean squared error, [n], by non-negative least squares."""
    from scipy.optimize import nnls

    count, rows, outputs = predictions.shape
    share = torch.ones(rows) if data.sample_weight is None else data.sample_weight
    root = (share.double() / share.sum() / outputs).sqrt()[:, None]
    x, target = (predictions * root).flatten(1).numpy(), (data.y * root).flatten().numpy()
    design = np.vstack([x.T, np.full(count, STRICTNESS), np.eye(count) * penalty**0.5])
    try:
        return torch.from_numpy(nnls(design, np.concatenate([target, [STRICTNESS], np.zeros(count)]))[0])
    except RuntimeError:  # no convergence
        return torch.zeros(count, dtype=torch.float64)


def _least_log_loss(predictions: Tensor, data: TabularData, penalty: float) -> Tensor:
    """Return the weights of least log loss, [n], by a bounded quasi-Newton method; the problem is convex."""
    from scipy.optimize import minimize

    @torch.enable_grad()
    def objective(values: np.ndarray) -> tuple[float, np.ndarray]:
        weights = torch.tensor(values, requires_grad=True)
        loss = data.mean(data.losses(torch.einsum("n,nrk->rk", weights, predictions)))
        loss = loss + penalty * weights.square().sum() + (STRICTNESS * (weights.sum() - 1)).square()
        return loss.item(), torch.autograd.grad(loss, weights)[0].numpy()

    count = len(predictions)
    found = minimize(objective, np.full(count, 1 / count), jac=True, method="L-BFGS-B", bounds=[(0, None)] * count)
    return torch.from_numpy(found.x)


def ensembles(candidates: Sequence[Candidate], data: TabularData) -> list[Candidate]:
    """Return ensembles of the best 2, 4, 8 and 16 candidates, or of all where there are fewer, the largest last.

    Args:
        candidates: Networks without a linear output layer with a bias are left out.
        data: The rows that they are scored on.
    """
    usable = [one for one in candidates if one.score < torch.inf and output_layer(one.graph.architecture) is not None]
    members, result = best(usable, SIZES[-1]), []
    for size in sorted({min(size, len(members)) for size in SIZES} - {0, 1}):
        predictions = torch.stack([one.prediction for one in members[:size]])
        weights = stacking_weights(predictions, data)
        used = [(one.graph, float(weight)) for one, weight in zip(members, weights, strict=False) if weight > 0]
        prediction = torch.einsum("n,nrk->rk", weights, predictions)
        result.append(Candidate.of(weighted_sum(*zip(*used, strict=True)), prediction, data, "ensemble"))
    return result

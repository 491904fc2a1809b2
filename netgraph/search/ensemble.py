"""Ensembles: one network that adds up several, weighted by stacked regression (Breiman 1996)."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from netgraph.graph.edit import output_layer, weighted_sum
from netgraph.search.data import TabularData
from netgraph.search.scoring import Candidate, best
from netgraph.tasks.losses import get_loss

#: Root of the weight of the constraint that the stacking weights sum to 1; chosen: large.
STRICTNESS = 10.0
#: Ridge penalty of stacking weights in units of the least error, for many rows, and the rows at which it is 1 more;
#: measured on 200 tables apart from the benchmarks, as were the sizes.
SHRINKAGE, FEW_ROWS = 0.2, 100
#: Members of the ensembles.
SIZES = (2, 4, 8, 16)


def stacking_weights(predictions: Tensor, data: TabularData) -> Tensor:
    """Return non-negative least-squares weights of sum 1, shrunk towards equal weights.

    Args:
        predictions: Out-of-fold predictions, finite, [n, rows, outputs]; of classes, probabilities are fitted.
        data: The rows.

    Returns:
        Weights, [n] float64; equal ones where the regression fails.
    """
    from scipy.optimize import nnls

    values = get_loss(data.loss).predict(predictions.double())
    count, rows, outputs = values.shape
    share = torch.ones(rows) if data.sample_weight is None else data.sample_weight
    root = (share.double() / share.sum() / outputs).sqrt()[:, None]
    x, target = (values * root).flatten(1).numpy(), (data.y * root).flatten().numpy()
    penalty = (SHRINKAGE + (FEW_ROWS / rows) ** 2) * np.square(x - target).sum(axis=1).min()
    design = np.vstack([x.T, np.full(count, STRICTNESS), np.eye(count) * penalty**0.5])
    try:
        weights = torch.from_numpy(nnls(design, np.concatenate([target, [STRICTNESS], np.zeros(count)]))[0])
    except RuntimeError:  # no convergence
        weights = torch.zeros(count, dtype=torch.float64)
    return weights / weights.sum() if weights.sum() > 0 else torch.full_like(weights, 1 / count)


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

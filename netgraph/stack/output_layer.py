"""Output layers of many networks at once in closed form: ridge regression of a target on their hidden activations.

No gradient step is needed to fit a linear layer, and the fit has a gradient: hidden layers can learn to be good to
regress on (Bertinetto et al. 2019). The leave-one-out residuals of all rows follow from one
fit (PRESS; Allen 1974).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from netgraph.graph.edit import output_node
from netgraph.stack.stack import Stack

#: Penalties to choose from, relative to the total variance of a network's hidden activations.
PENALTIES = tuple(10.0**power for power in (-6, -5, -4, -3, -2, -1, 0))
#: Least length of the scores along a principal axis, relative to the greatest, with which the axis is known.
SMALLEST_LENGTH = 1e-7
#: Least share of a row's target that the other rows are taken to leave open.
SMALLEST_REST = 1e-9


class OutputLayer:
    """Index of the weights and biases of output layers in concatenated states.

    Args:
        stack: The executor of M architectures.

    Attributes:
        given: Which networks end in one linear node with a bias, [M].
    """

    def __init__(self, stack: Stack) -> None:
        last = [output_node(architecture) for architecture in stack.architectures]
        self.given = torch.tensor([layer is not None for layer in last], device=stack.device)
        weights = torch.full((len(stack), int(stack.hidden_size.max())), -1)
        biases = torch.full((len(stack),), -1)
        for i, (start, layer) in enumerate(zip(stack.state_ptr[:-1].tolist(), last, strict=True)):
            if layer is not None:
                weight, size, bias = layer
                weights[i, :size] = torch.arange(start + weight, start + weight + size)
                biases[i] = start + bias
        self._weights, self._biases = weights.to(stack.device), biases.to(stack.device)

    def read(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return weights, [M, largest fan-in], zero padded, and biases, [M], of states, [sum P]; 0 where not given."""
        padded = torch.cat([state, state.new_zeros(1)])
        return padded[self._weights], padded[self._biases]

    def write(self, state: Tensor, weights: Tensor, biases: Tensor) -> Tensor:
        """Return states, [sum P], with other weights and biases, in the shapes of :meth:`read`, where given."""
        padded = torch.cat([state, state.new_zeros(1)])
        padded[self._weights] = weights.to(padded)
        padded[self._biases] = biases.to(padded)
        return padded[:-1]


@dataclass(frozen=True)
class Solved:
    """Networks whose output layers fit a target.

    Attributes:
        state: Their states, concatenated, [sum P].
        prediction: Leave-one-out predictions, [M, rows] float64. Of a network that does not end in one linear node with
            a bias, or is not finite, its output as it was.
    """

    state: Tensor
    prediction: Tensor


@torch.no_grad()
def solve_output_layers(stack: Stack, state: Tensor, x: Tensor, y: Tensor, weight: Tensor | None = None) -> Solved:
    """Fit the output layers of networks to the rows of a data set; networks without a linear output node do not change.

    Args:
        stack: The executor of M networks with one output.
        state: Their states, concatenated, [sum P].
        x: Rows, [rows, inputs], or [M, rows, inputs].
        y: Target, [rows], or [M, rows].
        weight: Weight of each row in the squared error, positive, in the shape of ``y``; all the same when None.

    Example:
        >>> graph = netgraph.from_module(torch.nn.Linear(1, 1))
        >>> x = torch.linspace(-1, 1, 10)[:, None]
        >>> solved = solve_output_layers(Stack([graph.architecture]), graph.state, x, 3 * x[:, 0] + 1)
        >>> torch.allclose(solved.state, torch.tensor([3.0, 1.0]), atol=1e-4)
        True
    """
    last = OutputLayer(stack)
    output, hidden = stack(state, x, return_hidden=True)
    target = y.to(stack.device).expand(len(stack), -1)
    row_weight = None if weight is None else weight.to(stack.device).double().expand(len(stack), -1)
    fit = fit_ridge(hidden.double().nan_to_num(0.0, 0.0, 0.0), target.double(), weight=row_weight)
    finite = hidden.isfinite().all(dim=(1, 2)) & output.isfinite().all(dim=(1, 2))
    fitted = last.given & finite & fit.residual.isfinite().all(dim=1)
    old_weights, old_biases = last.read(state)
    weights = torch.where(fitted[:, None], fit.weights[:, : old_weights.shape[1]].to(state), old_weights)
    biases = torch.where(fitted, fit.biases.to(state), old_biases)
    prediction = torch.where(fitted[:, None], target - fit.residual, output[:, :, 0].double())
    return Solved(last.write(state, weights, biases), prediction)


@dataclass(frozen=True)
class RidgeFit:
    """Output layers that fit a target.

    Attributes:
        weights: Of each network, [M, width].
        biases: Of each network, [M].
        residual: Leave-one-out residuals, [M, rows]; residuals of the fit where the penalty was given.
    """

    weights: Tensor
    biases: Tensor
    residual: Tensor

    def predict(self, hidden: Tensor) -> Tensor:
        """Return outputs, [M, rows], of hidden activations, [M, rows, width]."""
        return (hidden @ self.weights[..., None])[..., 0] + self.biases[:, None]


def fit_ridge(hidden: Tensor, y: Tensor, penalty: float | None = None, weight: Tensor | None = None) -> RidgeFit:
    """Regress targets on hidden activations, M networks at once.

    Weighted least squares are ordinary ones of rows times the roots of their weights, brought to mean 1.

    Args:
        hidden: Finite activations, [M, rows, width].
        y: Targets, [M, rows].
        penalty: Relative to the total variance of a network's activations; the fit can then be differentiated. When
            None, each network takes the one of :data:`PENALTIES` of least leave-one-out error.
        weight: Weights of the rows, positive, [M, rows]; all the same when None.

    Example:
        >>> hidden = torch.tensor([[[0.0], [1.0], [2.0]]])
        >>> fit_ridge(hidden, torch.tensor([[1.0, 3.0, 5.0]]), 1e-6).predict(hidden).round(decimals=2)
        tensor([[1., 3., 5.]])
    """
    share = y.new_ones(()) if weight is None else (weight / weight.mean(dim=1, keepdim=True))[..., None]
    root = share.sqrt()
    center, mean = ((x * share).mean(dim=1, keepdim=True) for x in (hidden, y[..., None]))
    centered, target = (hidden - center) * root, (y[..., None] - mean) * root
    weights, residual = _chosen(centered, target, share) if penalty is None else _fixed(centered, target, penalty)
    biases = mean[:, 0, 0] - (center[:, 0] * weights[..., 0]).sum(dim=1)
    return RidgeFit(weights[..., 0], biases, (residual / root)[..., 0])


def _fixed(centered: Tensor, target: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    """Return weights, [M, width, 1], and residuals, [M, rows, 1], for one penalty, by Cholesky decomposition."""
    rows, width = centered.shape[1:]
    covariance = centered.mT @ centered / rows
    shrinkage = penalty * covariance.diagonal(dim1=1, dim2=2).sum(dim=1) + 1e-6
    factor = torch.linalg.cholesky(covariance + torch.diag_embed(shrinkage[:, None].expand(-1, width)))
    weights = torch.cholesky_solve(centered.mT @ target / rows, factor)
    return weights, target - centered @ weights


def _chosen(centered: Tensor, target: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Return weights, [M, width, 1], and leave-one-out residuals, [M, rows, 1], by eigendecomposition."""
    rows = centered.shape[1]
    variances, axes = _principal(centered)
    rotated = centered @ axes  # [M, rows, K]
    penalties = variances.new_tensor(PENALTIES) * variances.sum(dim=1)[:, None]
    shrunk = variances[..., None] + penalties[:, None] + 1e-12  # [M, K, penalties]
    coefficients = rotated.mT @ target / rows / shrunk
    leverage = (share + rotated.square() @ (1 / shrunk)) / rows  # [M, rows, penalties]
    residuals = (target - rotated @ coefficients) / (1 - leverage).clamp(min=SMALLEST_REST)
    best = residuals.square().mean(dim=1).argmin(dim=1)[:, None, None]
    coefficients, residual = (x.take_along_dim(best, dim=2) for x in (coefficients, residuals))
    return axes @ coefficients, residual


def _principal(centered: Tensor) -> tuple[Tensor, Tensor]:
    """Return the variances along the principal axes of centered values, [M, rows, width], and the axes.

    Returns:
        Variances, [M, K], and axes, [M, width, K], K the smaller of rows and width.
    """
    rows, width = centered.shape[1:]
    if width <= rows:
        variances, axes = torch.linalg.eigh(centered.mT @ centered / rows)
        return variances.clamp(min=0.0), axes
    variances, scores = torch.linalg.eigh(centered @ centered.mT / rows)
    variances = variances.clamp(min=0.0)
    lengths = (variances * rows).sqrt()[:, None]
    known = lengths > SMALLEST_LENGTH * lengths.amax(dim=2, keepdim=True)
    return variances, torch.where(known, centered.mT @ scores / lengths, 0.0)

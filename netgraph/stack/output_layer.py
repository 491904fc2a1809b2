"""Output layers of many networks at once in closed form: ridge regression of targets on their hidden activations.

No gradient step is needed to fit a linear layer, and the fit has a gradient: hidden layers can learn to be good to
regress on (Bertinetto et al. 2019). The leave-one-out residuals of all rows follow from one
fit (PRESS; Allen 1974).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from netgraph.graph.edit import output_layer
from netgraph.lines import Compact
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
        given: Which networks end in a linear layer with a bias, [M].
    """

    def __init__(self, stack: Stack) -> None:
        last = [output_layer(architecture) for architecture in stack.architectures]
        self.given = torch.tensor([layer is not None for layer in last], device=stack.device)
        weights = torch.full((len(stack), int(stack.hidden_size.max()), stack.max_outputs), -1)
        biases = torch.full((len(stack), stack.max_outputs), -1)
        for i, (start, layer) in enumerate(zip(stack.state_ptr[:-1].tolist(), last, strict=True)):
            if layer is not None:
                weight, bias = layer
                own = torch.arange(start + weight.offset, start + weight.offset + weight.size).view(bias.size, -1)
                weights[i, : own.shape[1], : bias.size] = own.T
                biases[i, : bias.size] = torch.arange(start + bias.offset, start + bias.offset + bias.size)
        self._weights, self._biases = weights.to(stack.device), biases.to(stack.device)

    def read(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return weights, [M, largest fan-in, outputs], zero padded, and biases, [M, outputs]; 0 where not given.

        Args:
            state: Concatenated states, [sum P].
        """
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
    """Networks whose output layers fit targets.

    Attributes:
        state: Their states, concatenated, [sum P].
        prediction: Leave-one-out predictions, [M, rows, outputs] float64. Of a network that does not end in such a
            layer, or is not finite, its outputs as they were.
    """

    state: Tensor
    prediction: Tensor


@torch.no_grad()
def solve_output_layers(stack: Stack, state: Tensor, x: Tensor, y: Tensor, weight: Tensor | None = None) -> Solved:
    """Fit the output layers of networks to the rows of a data set; networks without a linear one do not change.

    Args:
        stack: The executor of M networks.
        state: Their states, concatenated, [sum P].
        x: Rows, [rows, inputs], or [M, rows, inputs].
        y: Targets, [rows, outputs], or [M, rows, outputs], as many as the most outputs of a network.
        weight: Weight of each row in the squared error, positive, [rows] or [M, rows]; all the same when None.

    Example:
        >>> graph = netgraph.from_module(torch.nn.Linear(1, 1))
        >>> x = torch.linspace(-1, 1, 10)[:, None]
        >>> solved = solve_output_layers(Stack([graph.architecture]), graph.state, x, 3 * x + 1)
        >>> torch.allclose(solved.state, torch.tensor([3.0, 1.0]), atol=1e-4)
        True
    """
    last = OutputLayer(stack)
    output, hidden = stack(state, x, return_hidden=True)
    target = y.to(stack.device).expand(len(stack), -1, -1)
    row_weight = None if weight is None else weight.to(stack.device).double().expand(len(stack), -1)
    fit = fit_ridge(hidden.double().nan_to_num(0.0, 0.0, 0.0), target.double(), weight=row_weight)
    finite = hidden.isfinite().all(dim=(1, 2)) & output.isfinite().all(dim=(1, 2))
    fitted = (last.given & finite & fit.residual.isfinite().all(dim=(1, 2)))[:, None, None]
    old_weights, old_biases = last.read(state)
    weights = torch.where(fitted, fit.weights[:, : old_weights.shape[1]].to(state), old_weights)
    biases = torch.where(fitted[:, 0], fit.biases.to(state), old_biases)
    prediction = torch.where(fitted, target - fit.residual, output.double())
    return Solved(last.write(state, weights, biases), prediction)


@dataclass(frozen=True, repr=False)
class RidgeFit(Compact):
    """Output layers that fit targets.

    Attributes:
        weights: Of each network, [M, width, outputs].
        biases: Of each network, [M, outputs].
        residual: Leave-one-out residuals, [M, rows, outputs]; residuals of the fit where the penalty was given.
    """

    weights: Tensor
    biases: Tensor
    residual: Tensor

    def predict(self, hidden: Tensor) -> Tensor:
        """Return outputs, [M, rows, outputs], of hidden activations, [M, rows, width]."""
        return hidden @ self.weights + self.biases[:, None]


def fit_ridge(hidden: Tensor, y: Tensor, penalty: float | None = None, weight: Tensor | None = None) -> RidgeFit:
    """Regress targets on hidden activations, M networks at once.

    Weighted least squares are ordinary ones of rows times the roots of their weights, brought to mean 1.

    Args:
        hidden: Finite activations, [M, rows, width].
        y: Targets, [M, rows, outputs].
        penalty: Relative to the total variance of a network's activations; the fit can then be differentiated. When
            None, each output of each network takes the one of :data:`PENALTIES` of least leave-one-out error.
        weight: Weights of the rows, positive, [M, rows]; all the same when None.

    Example:
        >>> hidden = torch.tensor([[[0.0], [1.0], [2.0]]])
        >>> fit_ridge(hidden, torch.tensor([[[1.0], [3.0], [5.0]]]), 1e-6).predict(hidden).round(decimals=2)[..., 0]
        tensor([[1., 3., 5.]])
    """
    share = y.new_ones(()) if weight is None else (weight / weight.mean(dim=1, keepdim=True))[..., None]
    root = share.sqrt()
    center, mean = ((x * share).mean(dim=1, keepdim=True) for x in (hidden, y))
    centered, target = (hidden - center) * root, (y - mean) * root
    weights, residual = _chosen(centered, target, share) if penalty is None else _fixed(centered, target, penalty)
    biases = mean[:, 0] - (center.mT * weights).sum(dim=1)
    return RidgeFit(weights, biases, residual / root)


def _fixed(centered: Tensor, target: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    """Return weights, [M, width, outputs], and residuals, [M, rows, outputs], for one penalty, by Cholesky."""
    rows, width = centered.shape[1:]
    covariance = centered.mT @ centered / rows
    shrinkage = penalty * covariance.diagonal(dim1=1, dim2=2).sum(dim=1) + 1e-6
    factor = torch.linalg.cholesky(covariance + torch.diag_embed(shrinkage[:, None].expand(-1, width)))
    weights = torch.cholesky_solve(centered.mT @ target / rows, factor)
    return weights, target - centered @ weights


def _chosen(centered: Tensor, target: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Return weights, [M, width, outputs], and leave-one-out residuals, [M, rows, outputs], by eigendecomposition."""
    rows = centered.shape[1]
    variances, axes = _principal(centered)
    rotated = centered @ axes  # [M, rows, K]
    penalties = variances.new_tensor(PENALTIES) * variances.sum(dim=1)[:, None]
    shrunk = variances[..., None] + penalties[:, None] + 1e-12  # [M, K, penalties]
    leverage = (share + rotated.square() @ (1 / shrunk)) / rows  # [M, rows, penalties]
    chosen = []
    for column in target.split(1, dim=2):  # one output at a time: residuals of all penalties are many numbers
        coefficients = rotated.mT @ column / rows / shrunk
        residuals = (column - rotated @ coefficients) / (1 - leverage).clamp(min=SMALLEST_REST)
        best = residuals.square().mean(dim=1).argmin(dim=1)[:, None, None]
        chosen.append([x.take_along_dim(best, dim=2) for x in (coefficients, residuals)])
    coefficients, residual = (torch.cat(parts, dim=2) for parts in zip(*chosen, strict=True))
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

"""Output layers of many networks at once in closed form: ridge regression of a target on their hidden activations.

No gradient step is needed to fit a linear layer, and the fit has a gradient of its own: what lies before it can learn
to be good to regress on (Bertinetto et al. 2019, "Meta-learning with differentiable closed-form solvers"). The error of
leaving one row out follows for all rows from one fit (Allen 1974, PRESS).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from netgraph.graph.edit import output_node
from netgraph.stack.stack import Stack

#: Penalties that are tried, relative to the total variance of a network's hidden activations.
PENALTIES = tuple(10.0**power for power in (-6, -5, -4, -3, -2, -1, 0))
#: Least length of the scores along a principal axis, relative to the greatest, with which the axis is known.
SMALLEST_LENGTH = 1e-7
#: Least share of a row's target that the other rows are taken to leave open.
SMALLEST_REST = 1e-9


class LastLayer:
    """Where the numbers of the last layers lie in concatenated states.

    Args:
        stack: The executor of M architectures.

    Attributes:
        given: Which networks end in one linear vertex with a bias, [M].
    """

    def __init__(self, stack: Stack) -> None:
        width = int(stack.hidden_size.max())
        found = [output_node(architecture) for architecture in stack.architectures]
        self.given = torch.tensor([place is not None for place in found], device=stack.device)
        weights = torch.full((len(stack), width), -1)
        biases = torch.full((len(stack),), -1)
        for i, (start, place) in enumerate(zip(stack.state_ptr[:-1].tolist(), found, strict=True)):
            if place is not None:
                weight, size, bias = place
                weights[i, :size] = torch.arange(start + weight, start + weight + size)
                biases[i] = start + bias
        self._weights, self._biases = weights.to(stack.device), biases.to(stack.device)

    def read(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return weights, [M, largest fan-in], zero padded, and biases, [M], of states, [sum P]; 0 where not given."""
        padded = torch.cat([state, state.new_zeros(1)])
        return padded[self._weights], padded[self._biases]

    def write(self, state: Tensor, weights: Tensor, biases: Tensor) -> Tensor:
        """Return states, [sum P], with other weights and biases, as :meth:`read` gives them, where they are given."""
        padded = torch.cat([state, state.new_zeros(1)])
        padded[self._weights] = weights.to(padded)
        padded[self._biases] = biases.to(padded)
        return padded[:-1]


@dataclass(frozen=True)
class Solved:
    """Networks whose last layers fit a target.

    Attributes:
        state: Their states, concatenated, [sum P].
        left_out: What each row is predicted to be when the others alone are fitted, [M, rows] float64. Of a network
            that does not end in one linear vertex with a bias, or is not finite, its output as it was.
    """

    state: Tensor
    left_out: Tensor


@torch.no_grad()
def solve_last_layers(stack: Stack, state: Tensor, x: Tensor, y: Tensor, weight: Tensor | None = None) -> Solved:
    """Fit the last layers of networks to the rows of a data set; those that are not linear stay as they are.

    Args:
        stack: The executor of M networks with one output.
        state: Their states, concatenated, [sum P].
        x: Rows, [rows, inputs], or [M, rows, inputs].
        y: Target, [rows], or [M, rows].
        weight: Of the rows in the squared error, positive, in the shape of ``y``; all the same when None.
    """
    last = LastLayer(stack)
    output, hidden = stack(state, x, return_hidden=True)
    wanted = y.to(stack.device).expand(len(stack), -1)
    counts = None if weight is None else weight.to(stack.device).double().expand(len(stack), -1)
    weights, biases, rest = _ridge(hidden.double().nan_to_num(0.0, 0.0, 0.0), wanted.double(), counts)
    finite = hidden.isfinite().all(dim=(1, 2)) & output.isfinite().all(dim=(1, 2))
    fitted = last.given & finite & rest.isfinite().all(dim=1)
    old_weights, old_biases = last.read(state)
    weights = torch.where(fitted[:, None], weights[:, : old_weights.shape[1]].to(state), old_weights)
    biases = torch.where(fitted, biases.to(state), old_biases)
    left_out = torch.where(fitted[:, None], wanted - rest, output[:, :, 0].double())
    return Solved(last.write(state, weights, biases), left_out)


def _ridge(hidden: Tensor, y: Tensor, weight: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Regress targets, [M, rows], on hidden activations, [M, rows, width], with the penalty of least error.

    Weighted least squares are those of rows times the roots of their weights, [M, rows], brought to mean 1.

    Returns:
        Weights, [M, width], biases, [M], and what is left of each row when it is left out, [M, rows].
    """
    rows = hidden.shape[1]
    share = y.new_ones(()) if weight is None else (weight / weight.mean(dim=1, keepdim=True))[..., None]
    root = share.sqrt()
    center, mean = ((x * share).mean(dim=1, keepdim=True) for x in (hidden, y[..., None]))
    centered, target = hidden - center, (y[..., None] - mean) * root
    if weight is not None:
        centered *= root
    variances, axes = _principal(centered)
    rotated = centered @ axes  # [M, rows, K]
    penalties = variances.new_tensor(PENALTIES) * variances.sum(dim=1)[:, None]
    shrunk = variances[..., None] + penalties[:, None] + 1e-12  # [M, K, penalties]
    coefficients = rotated.mT @ target / rows / shrunk
    residual = target - rotated @ coefficients
    leverage = (share + rotated.square() @ (1 / shrunk)) / rows  # [M, rows, penalties]
    rests = residual / (1 - leverage).clamp(min=SMALLEST_REST)
    best = rests.square().mean(dim=1).argmin(dim=1)
    at = torch.arange(len(best), device=best.device)
    weights = (axes @ coefficients[at, :, best][..., None])[..., 0]
    return weights, mean[:, 0, 0] - (center[:, 0] * weights).sum(dim=1), (rests / root)[at, :, best]


def _principal(centered: Tensor) -> tuple[Tensor, Tensor]:
    """Return the principal axes of centered values, [M, rows, width], and the variances along them.

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


@dataclass(frozen=True)
class RidgeFit:
    """Output layers that fit a target.

    Attributes:
        weights: Of each network, [M, width].
        biases: Of each network, [M].
    """

    weights: Tensor
    biases: Tensor

    def predict(self, hidden: Tensor) -> Tensor:
        """Return outputs, [M, rows], of hidden activations, [M, rows, width]."""
        return (hidden @ self.weights[..., None])[..., 0] + self.biases[:, None]


def fit_ridge(hidden: Tensor, y: Tensor, penalty: float = 1e-3) -> RidgeFit:
    """Regress targets on hidden activations; the fit can be differentiated.

    Args:
        hidden: Finite activations, [M, rows, width].
        y: Targets, [M, rows].
        penalty: Relative to the total variance of a network's activations.
    """
    rows, width = hidden.shape[1:]
    center, mean = hidden.mean(dim=1, keepdim=True), y.mean(dim=1, keepdim=True)
    centered, target = hidden - center, y - mean
    covariance = centered.mT @ centered / rows
    shrinkage = penalty * covariance.diagonal(dim1=1, dim2=2).sum(dim=1) + 1e-6
    factor = torch.linalg.cholesky(covariance + torch.diag_embed(shrinkage[:, None].expand(-1, width)))
    weights = torch.cholesky_solve(centered.mT @ target[..., None] / rows, factor)
    return RidgeFit(weights[..., 0], mean[:, 0] - (center[:, 0] * weights[..., 0]).sum(dim=1))

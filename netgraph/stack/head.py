"""The last layers of many networks at once, in closed form: ridge regression of a target on their hidden activations.

No gradient step is needed to fit a linear layer (Bertinetto et al. 2019 use the same to learn from few rows). Penalties
are chosen by the error of leaving one row out, which a ridge regression gives for all rows from one fit (Allen 1974).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from netgraph.stack.last_layer import LastLayer
from netgraph.stack.stack import Stack

#: Penalties that are tried, relative to the total variance of a network's hidden activations.
PENALTIES = tuple(10.0**power for power in (-6, -5, -4, -3, -2, -1, 0))
#: Least share of a row's target that the other rows are taken to leave open.
SMALLEST_REST = 1e-9


@dataclass(frozen=True)
class Solved:
    """Networks whose last layers fit a target.

    Attributes:
        state: Their states, concatenated, [sum P].
        error: Mean squared error on rows that are left out one by one, [M]; inf for a network that is not finite. Of a
            network that does not end in one linear vertex with a bias, its error as it was.
    """

    state: Tensor
    error: Tensor


@torch.no_grad()
def solve_last_layers(stack: Stack, state: Tensor, x: Tensor, y: Tensor) -> Solved:
    """Fit the last layers of networks to the rows of a data set; those that are not linear stay as they are.

    Args:
        stack: The executor of M networks with one output.
        state: Their states, concatenated, [sum P].
        x: Rows, [rows, inputs], or [M, rows, inputs].
        y: Target, [rows], or [M, rows].
    """
    last = LastLayer(stack)
    output, hidden = stack(state, x, return_hidden=True)
    wanted = y.to(stack.device).expand(len(stack), -1)
    weights, biases, error = _ridge(hidden.double().nan_to_num(0.0, 0.0, 0.0), wanted.double())
    finite = hidden.isfinite().all(dim=(1, 2)) & output.isfinite().all(dim=(1, 2))
    fitted = last.given & finite & error.isfinite()
    before = (output[:, :, 0] - wanted).square().mean(dim=1).double()
    old_weights, old_biases = last.read(state)
    weights = torch.where(fitted[:, None], weights[:, : old_weights.shape[1]].to(state), old_weights)
    biases = torch.where(fitted, biases.to(state), old_biases)
    error = torch.where(fitted, error, before).nan_to_num(torch.inf, torch.inf)
    return Solved(last.write(state, weights, biases), error)


def _ridge(hidden: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Regress targets, [M, rows], on hidden activations, [M, rows, width]; weights, biases and errors of the best."""
    rows = hidden.shape[1]
    center, mean = hidden.mean(dim=1, keepdim=True), y.mean(dim=1, keepdim=True)
    centered, target = hidden - center, y - mean
    variances, axes = torch.linalg.eigh(centered.mT @ centered / rows)
    variances = variances.clamp(min=0.0)
    rotated = centered @ axes
    along = (rotated * target[..., None]).mean(dim=1)  # [M, width]
    found = [_penalized(rotated, target, variances, along, penalty) for penalty in PENALTIES]
    coefficients, errors = (torch.stack(part) for part in zip(*found, strict=True))  # [penalties, M, width], [., M]
    error, best = errors.min(dim=0)
    chosen = coefficients.gather(0, best[None, :, None].expand(1, -1, coefficients.shape[-1]))[0]
    weights = (axes @ chosen[..., None])[..., 0]
    return weights, mean[:, 0] - (center[:, 0] * weights).sum(dim=1), error


def _penalized(
    rotated: Tensor, target: Tensor, variances: Tensor, along: Tensor, penalty: float
) -> tuple[Tensor, Tensor]:
    """Give coefficients along the axes, [M, width], and the error of leaving one row out, [M]."""
    shrunk = variances + penalty * variances.sum(dim=1, keepdim=True) + 1e-12
    coefficients = along / shrunk
    residual = target - (rotated * coefficients[:, None]).sum(dim=-1)
    leverage = (1 + (rotated.square() / shrunk[:, None]).sum(dim=-1)) / rotated.shape[1]  # [M, rows]
    return coefficients, (residual / (1 - leverage).clamp(min=SMALLEST_REST)).square().mean(dim=1)

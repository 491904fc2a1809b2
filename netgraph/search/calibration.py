"""Probabilities of classes from outputs: a scale and a bias for each class (vector scaling; Guo et al. 2017).

They are fitted to out-of-fold outputs, as in Platt (1999), and become part of the network's output layer, which then
gives logits.
"""

import torch
from torch import Tensor

from netgraph.stack import OutputLayer, Stack

#: Newton steps; chosen: the loss no longer falls then.
STEPS = 8
#: Ridge on the Hessian, relative to standardized outputs: without it, the biases are known but for a constant.
RIDGE = 1e-3


def fit_calibration(output: Tensor, y: Tensor, weight: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Fit logits ``scale * output + bias`` to classes by Newton's method, M networks at once.

    One row in all is spread over the classes, so that outputs that tell all rows apart keep finite logits. A scale is
    not negative: the mean of the other rows is smallest for a row's own class, and would tell it.

    Args:
        output: Outputs, [M, rows, classes].
        y: One-hot classes, [rows, classes] or [M, rows, classes].
        weight: Weights of the rows, [rows] or [M, rows]; all the same when None.

    Returns:
        Scales, [M] float64, 0 or more, and biases, [M, classes] float64; 1 and 0 where an output is not finite.

    Example:
        >>> output = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [0.1, 0.0], [0.1, 0.0]]])
        >>> scale, bias = fit_calibration(output, torch.tensor([[1.0, 0], [0, 1], [1, 0], [0, 1]]))
        >>> bool(scale > 1)
        True
    """
    count, rows, classes = output.shape
    usable = output.isfinite().all(dim=2).all(dim=1)
    values = output.double().nan_to_num(0.0, 0.0, 0.0)
    values = values - values.mean(dim=2, keepdim=True)
    spread = values.square().mean(dim=(1, 2)).sqrt()
    spread = spread.clamp(min=torch.finfo(torch.float32).tiny)
    values = values / spread[:, None, None]
    target = (1 - 1 / rows) * y.double() + 1 / (rows * classes)
    share = torch.full((rows,), 1 / rows).double() if weight is None else weight / weight.sum(dim=-1, keepdim=True)
    share = share.to(values)[..., None]
    theta = values.new_zeros(count, classes + 1)
    best, least = theta, values.new_full((count,), torch.inf)
    for _ in range(STEPS):
        log_p = (theta[:, :1, None] * values + theta[:, None, 1:]).log_softmax(dim=2)
        loss = -(share * target * log_p).sum(dim=(1, 2))
        best, least = best.where((loss >= least)[:, None], theta), loss.minimum(least)
        p = log_p.exp()
        gradient = share * (p - target)
        mean = (p * values).sum(dim=2, keepdim=True)
        hessian = values.new_zeros(count, classes + 1, classes + 1)
        hessian[:, 0, 0] = (share * p * (values - mean).square()).sum(dim=(1, 2))
        hessian[:, 0, 1:] = hessian[:, 1:, 0] = (share * p * (values - mean)).sum(dim=1)
        hessian[:, 1:, 1:] = torch.diag_embed((share * p).sum(dim=1)) - (share * p).mT @ p
        slope = torch.cat([(gradient * values).sum(dim=(1, 2))[:, None], gradient.sum(dim=1)], dim=1)
        ridge = RIDGE * torch.eye(classes + 1, dtype=hessian.dtype, device=hessian.device)
        theta = theta - torch.linalg.solve(hessian + ridge, slope)
    useful = best[:, :1] > 0  # frequencies of the classes where outputs are of no use
    frequencies = (share * target).sum(dim=-2).log().expand(count, -1)
    scale, bias = best[:, :1].clamp(min=0.0) / spread[:, None], best[:, 1:].where(useful, frequencies)
    return scale[:, 0].where(usable, 1.0), bias.where(usable[:, None], 0.0)


def calibrate(
    stack: Stack, state: Tensor, prediction: Tensor, y: Tensor, weight: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return networks whose outputs are calibrated logits, those with an output layer to write them into.

    Args:
        stack: The executor of M networks.
        state: Their states, concatenated, [sum P].
        prediction: Their out-of-fold outputs, [M, rows, classes].
        y: One-hot classes, [rows, classes] or [M, rows, classes].
        weight: Weights of the rows, [rows] or [M, rows].

    Returns:
        States, [sum P], and out-of-fold logits, [M, rows, classes].
    """
    last = OutputLayer(stack)
    scale, bias = fit_calibration(prediction, y.to(prediction.device), weight)
    scale, bias = scale.where(last.given, 1.0), bias.where(last.given[:, None], 0.0)
    weights, biases = last.read(state)
    state = last.write(state, scale[:, None, None] * weights, scale[:, None] * biases + bias)
    return state, scale[:, None, None] * prediction + bias[:, None]

"""Fitting networks to functions: a few gradient steps of variable projection through the stack.

The output layer is a linear regression, solved in closed form in every step; the gradient reaches the hidden weights
through the solution (Golub & Pereyra 1973).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from netgraph.stack import OutputLayer, RidgeFit, Stack, fit_ridge

#: Ridge penalty of the output layer, relative to the variance of its inputs (chosen: functions have no noise).
PENALTY = 1e-4
#: Relative error below which a network has little to gain.
LEAST_ERROR = 1e-3
#: Parts of the rows, one of which is used in each step in turn (chosen: half the time at the same error).
TURNS = 2
#: Peak learning rate of Adam in standardized weights; it falls along a straight line (chosen on held-out tasks: 0.05 is
#: slower, R^2 0.961 for 0.984 after 50 steps).
LEARNING_RATE = 0.1
#: Hidden activations are cut here, so that a network that overflows breaks no solution.
LARGEST_ACTIVATION = 50.0


def project(stack: Stack, last: OutputLayer, state: Tensor, x: Tensor, target: Tensor) -> tuple[RidgeFit, Tensor]:
    """Regress targets on the last hidden values; differentiable. Return output layers, and outputs, [M, rows, outputs].

    Args:
        stack: The executor of M networks.
        last: Their output layers; only linear ones with a bias are fitted.
        state: Their states, concatenated, [sum P].
        x: Rows, [rows, inputs] or [M, rows, inputs].
        target: Targets of the first rows, [M, fitted rows, outputs].
    """
    output, hidden = stack(state, x, return_hidden=True)
    hidden = hidden.clamp(-LARGEST_ACTIVATION, LARGEST_ACTIVATION).nan_to_num(0.0).double()
    fit = fit_ridge(hidden[:, : target.shape[1]], target.double(), PENALTY)
    return fit, torch.where(last.given[:, None, None], fit.predict(hidden).to(target), output)


def relative_error(output: Tensor, target: Tensor) -> Tensor:
    """Return the squared error relative to the variance of the targets, [M, rows, outputs] -> [M]."""
    variance = target.var(dim=1, correction=0).sum(dim=1)
    return (output - target).square().mean(dim=1).sum(dim=1) / variance.clamp(min=1e-6)


def fit_functions(
    stack: Stack,
    restore: Callable[[Tensor], Tensor],
    standardized: Tensor,
    given: Tensor,
    x: Tensor,
    target: Tensor,
    steps: int,
) -> Tensor:
    """Fit networks to functions by Adam on the hidden weights, solve their output layers, and return states, [sum P].

    Args:
        stack: The executor of M architectures.
        restore: Maps standardized states to states.
        standardized: Initial standardized states, [sum P].
        given: Mask of the elements that stay, [sum P]; output layers are solved all the same.
        x: Rows, [rows, inputs] or [M, rows, inputs].
        target: Outputs of the functions there, [M, rows, outputs].
        steps: Steps of Adam.
    """
    last, free = OutputLayer(stack), (~given).to(standardized)
    with torch.enable_grad():
        weights = standardized.detach().clone().requires_grad_()
        optimizer = torch.optim.Adam([weights], LEARNING_RATE)
        for step in range(steps):
            optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - step / steps)
            rows = slice(step % TURNS, None, TURNS)
            _, output = project(stack, last, restore(weights), x[..., rows, :], target[:, rows])
            loss = (relative_error(output, target[:, rows]) + LEAST_ERROR).log().sum()
            (gradient,) = torch.autograd.grad(loss, weights)
            weights.grad = gradient.nan_to_num(0.0, 0.0, 0.0) * free
            optimizer.step()
    with torch.no_grad():
        state = restore(weights.detach())
        fit, _ = project(stack, last, state, x, target)
        return last.write(state, fit.weights, fit.biases)

"""How a network responds to common rows: the mean and the deviation of its output, two numbers of the latent.

A sum over hundreds of weights decides them, so that small errors of a latent move them far, while trained networks
hardly differ in them: their targets are standardized. The latent therefore holds them apart, and decoding sets them, by
a scale and a shift of the last layer (weight normalization with statistics of data, Salimans & Kingma 2016).
"""

import math

import torch
from torch import Tensor

from netgraph.stack import LastLayer, Stack, probe

#: Deviation below which an output counts as constant.
SMALLEST = 1e-3
#: Largest logarithm of a change of scale: more would magnify what a nearly constant network does elsewhere.
MOST = math.log(100.0)
_ROWS, _SEED = 128, 20_011


def _rows(stack: Stack) -> Tensor:
    """Common rows, [M, rows, inputs]."""
    return probe(stack.max_inputs, _ROWS, _SEED).to(stack.device).expand(len(stack.architectures), -1, -1)


@torch.no_grad()
def respond(stack: Stack, state: Tensor) -> Tensor:
    """Measure the response of networks' first outputs.

    Args:
        stack: The executor of M architectures.
        state: Their states, concatenated, [sum P].

    Returns:
        Mean and log-deviation, [M, 2]; 0 and the smallest where an output is not finite.
    """
    output = stack(state, _rows(stack))[:, :, 0]
    mean, deviation = output.mean(dim=1), output.std(dim=1)
    found = torch.stack([mean, deviation.clamp(min=SMALLEST).log()], dim=1)
    broken = ~found.isfinite().all(dim=1, keepdim=True)
    return torch.where(broken, found.new_tensor([0.0, math.log(SMALLEST)]), found)


@torch.no_grad()
def calibrate(stack: Stack, state: Tensor, response: Tensor) -> Tensor:
    """Scale and shift the last layer of networks so that their first outputs respond as asked.

    The scale changes at most a hundredfold. Networks that do not end in one linear vertex with a bias are left alone.

    Args:
        stack: The executor of M architectures.
        state: Their states, concatenated, [sum P].
        response: What is asked, [M, 2].

    Returns:
        States, [sum P].
    """
    now, last = respond(stack, state), LastLayer(stack)
    scale = (response[:, 1] - now[:, 1]).clamp(-MOST, MOST).exp()
    weights, biases = last.read(state)
    return last.write(state, weights * scale[:, None], response[:, 0] + (biases - now[:, 0]) * scale)

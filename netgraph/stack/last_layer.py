"""The last layers of a stack's networks, where they are one linear vertex with a bias: read and written all at once."""

import torch
from torch import Tensor

from netgraph.graph.architecture import Architecture
from netgraph.stack.stack import Stack


class LastLayer:
    """Where the numbers of the last layers lie in concatenated states.

    Args:
        stack: The executor of M architectures.

    Attributes:
        given: Which networks end in one linear vertex with a bias, [M].
    """

    def __init__(self, stack: Stack) -> None:
        width = int(stack.hidden_size.max())
        found = [last_vertex(architecture) for architecture in stack.architectures]
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
        """Give weights, [M, largest fan-in], zero padded, and biases, [M], of states, [sum P]; 0 where not given."""
        padded = torch.cat([state, state.new_zeros(1)])
        return padded[self._weights], padded[self._biases]

    def write(self, state: Tensor, weights: Tensor, biases: Tensor) -> Tensor:
        """Give states, [sum P], with other weights and biases, as :meth:`read` gives them."""
        padded = torch.cat([state, state.new_zeros(1)])
        padded[self._weights] = weights.to(padded)
        padded[self._biases] = biases.to(padded)
        return padded[:-1]


def last_vertex(architecture: Architecture) -> tuple[int, int, int] | None:
    """Say where weights begin, how many there are, and where the bias is, if the last layer is one linear vertex."""
    last = len(architecture.layers) - 1
    found = [tensor for tensor in architecture.tensors if tensor.layer == last]
    if architecture.layers[last].type != "Linear" or architecture.n_outputs > 1 or len(found) < 2:
        return None
    weight, bias = found
    return weight.offset, weight.size, bias.offset

"""Random multilayer perceptrons: a plain teacher, and a draw from a Bayesian network's prior."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Generator, Tensor

from netgraph.tasks.families.base import Problem, TaskFamily
from netgraph.tasks.inputs import choice, integer, log_uniform, normal, uniform
from netgraph.tasks.settings import Between, Range, Whole, some_of
from netgraph.tasks.task import Description

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "elu": torch.nn.functional.elu,
    "sin": torch.sin,
}


@dataclass(frozen=True)
class MLPTeacher(TaskFamily):
    """The output of a random multilayer perceptron: weights N(0, s^2 / fan_in), biases N(0, b^2).

    Attributes:
        depth: Hidden layers.
        width: Units of each hidden layer.
        weight_scale: s, drawn evenly; near 1 the target is nearly linear, at 3 it is rugged.
        bias_scale: b, drawn evenly.
        activations: Names to choose from.
    """

    name: ClassVar[str] = "mlp_teacher"
    depth: Annotated[Whole, Between(1, 16)] = (1, 3)
    width: Annotated[Whole, Between(1, 4096)] = (8, 32)
    weight_scale: Annotated[Range, Between(0.01, 100)] = (1.0, 2.5)
    bias_scale: Annotated[Range, Between(0, 100)] = (0.5, 0.5)
    activations: Annotated[tuple[str, ...], some_of(ACTIVATIONS)] = tuple(ACTIVATIONS)

    def draw(self, z: Tensor, generator: Generator) -> Problem:
        """See :meth:`TaskFamily.draw`."""
        depth, width = integer(*self.depth, generator), integer(*self.width, generator)
        activation = choice(self.activations, generator)
        weight_scale, bias_scale = uniform(*self.weight_scale, generator), uniform(*self.bias_scale, generator)
        hidden = z
        for _ in range(depth):
            hidden = ACTIVATIONS[activation](_affine(hidden, width, weight_scale, bias_scale, generator))
        drawn: Description = {"depth": depth, "width": width, "activation": activation}
        drawn |= {"weight_scale": weight_scale, "bias_scale": bias_scale}
        return Problem(z, hidden @ normal(width, generator=generator), drawn)


@dataclass(frozen=True)
class BayesianNetwork(TaskFamily):
    """A draw from the prior of a Bayesian tanh network, with a scale of its own for each input and each layer.

    The weights of input i are N(0, (a_i s_1)^2 / fan_in) with its relevance a_i, those of a later layer l
    N(0, s_l^2 / fan_in), the biases of layer l N(0, s_l^2). Every scale has a log-uniform hyper-prior.

    Source: Neal, Bayesian Learning for Neural Networks (1996), section 4.3: automatic relevance determination.

    Attributes:
        depth: Hidden layers.
        width: Units of each hidden layer.
        weight_scale: s, one for each layer.
        relevance: a, one for each input.
    """

    name: ClassVar[str] = "bayesian_network"
    depth: Annotated[Whole, Between(1, 16)] = (1, 3)
    width: Annotated[Whole, Between(1, 4096)] = (8, 64)
    weight_scale: Annotated[Range, Between(0.01, 100)] = (0.7, 4.0)
    relevance: Annotated[Range, Between(0.01, 100)] = (0.2, 1.0)

    def draw(self, z: Tensor, generator: Generator) -> Problem:
        """See :meth:`TaskFamily.draw`."""
        depth, width = integer(*self.depth, generator), integer(*self.width, generator)
        relevance = [log_uniform(*self.relevance, generator) for _ in range(z.shape[1])]
        scales = [log_uniform(*self.weight_scale, generator) for _ in range(depth)]
        hidden = z * torch.tensor(relevance, dtype=z.dtype)
        for scale in scales:
            hidden = torch.tanh(_affine(hidden, width, scale, scale, generator))
        drawn: Description = {"depth": depth, "width": width}
        drawn |= {"weight_scale": _numbers(scales), "relevance": _numbers(relevance)}
        return Problem(z, hidden @ normal(width, generator=generator), drawn)


def _affine(hidden: Tensor, width: int, weight_scale: float, bias_scale: float, generator: Generator) -> Tensor:
    """Random linear layer, [rows, fan_in] -> [rows, width]."""
    weight = normal(hidden.shape[1], width, generator=generator) * weight_scale / math.sqrt(hidden.shape[1])
    return hidden @ weight + bias_scale * normal(width, generator=generator)


def _numbers(values: list[float]) -> str:
    return ",".join(f"{value:.4g}" for value in values)

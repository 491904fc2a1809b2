"""The terms of the loss."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from netgraph.graph.architecture import TENSOR_KINDS
from netgraph.model.batch import NetBatch
from netgraph.model.config import LossWeights
from netgraph.model.fitting import project, relative_error
from netgraph.stack import OutputLayer, Stack

_COUNT = TENSOR_KINDS.index("count")
NOT_MEASURED = "its sensitivity is NaN: measure it with netgraph.sensitivity before training"
#: Sensitivities are cut here, after scaling to mean 1, so that one neuron cannot be the whole loss.
MAX_SENSITIVITY = 5.0
#: Relative error of outputs below which the hypernet has little to gain (chosen: variable projection does the rest).
LEAST_ERROR = 0.02
#: Common rows, drawn in each step, to which the written networks' output layers are fitted, and as many that test them.
LOSS_ROWS = 128
#: Share of networks of whose weights a part is given to the hypernet.
GIVEN = 0.3


@dataclass(frozen=True)
class Losses:
    """The terms of the loss, each a scalar, unweighted.

    Attributes:
        index: Cross-entropy of the nodes' index (sizes of layers), nats.
        type: Cross-entropy of layer types, nats a network.
        parent: Cross-entropy of the parent pointer, nats a network.
        weight: Sensitivity-weighted squared error of standardized weights that follow given ones, mean over elements.
        output: Logarithm of the relative error of the written networks' outputs, mean over networks.
        kl: KL divergence of q(a | network) from N(0, I), nats a network.
    """

    index: Tensor
    type: Tensor
    parent: Tensor
    weight: Tensor
    output: Tensor
    kl: Tensor

    def items(self) -> list[tuple[str, Tensor]]:
        """Return the terms by name."""
        return [(field.name, getattr(self, field.name)) for field in fields(self)]

    def total(self, weights: LossWeights) -> Tensor:
        """Return the weighted sum of the terms."""
        structure = weights.structure * (self.index + self.type + self.parent)
        return structure + weights.output * self.output + weights.weight * self.weight + weights.kl * self.kl


def draw_given(batch: NetBatch) -> Tensor:
    """Return a random mask of the elements that the weight code gives, [sum P]: prefixes of some networks' states."""
    size = batch.structure.state_ptr.diff()
    chosen = torch.rand(len(size), device=size.device)
    length = torch.where(chosen < GIVEN, torch.rand_like(chosen) * size, torch.zeros_like(chosen))
    return batch.structure.element_position < length[batch.structure.element_network]


def weight_error(written: Tensor, true: Tensor, given: Tensor, batch: NetBatch, by_sensitivity: bool) -> Tensor:
    """Compute the (sensitivity-weighted) mean squared error of standardized weights that are written beside given ones.

    Networks without a given weight do not count: many weights compute their function. The sensitivity is scaled to mean
    1 over the elements of each network and cut at :data:`MAX_SENSITIVITY`.

    Args:
        written: Standardized states, [sum P].
        true: Those of the networks, [sum P].
        given: Mask of the elements that the weight code gives, [sum P].
        batch: The networks.
        by_sensitivity: Whether elements are weighted by the sensitivity of their node.
    """
    network = batch.structure.element_network
    importance = (batch.structure.in_networks_with(given) & ~given).float() * (batch.structure.element_kind != _COUNT)
    if by_sensitivity:
        sums = torch.stack([torch.ones_like(batch.state), batch.sensitivity], dim=1)
        size, total = sums.new_zeros(len(batch), 2).index_add(0, network, sums).unbind(dim=1)
        scale = (size / total.clamp(min=1e-12))[network]
        importance = importance * (batch.sensitivity * scale).clamp(max=MAX_SENSITIVITY)
    return (importance * (written - true).square()).sum() / importance.sum().clamp(min=1.0)


def output_error(stack: Stack, state: Tensor, rows: Tensor, target: Tensor) -> Tensor:
    """Compute the mean logarithm of the relative error of outputs, output layers fitted to other rows; a scalar.

    Args:
        stack: The executor of B networks.
        state: Their states, [sum P].
        rows: Common rows, [R, inputs].
        target: Outputs of the functions there, [B, R, outputs].
    """
    order = torch.randperm(len(rows), device=target.device)[: 2 * LOSS_ROWS]
    half, target = len(order) // 2, target[:, order]
    _, output = project(stack, OutputLayer(stack), state, rows[order], target[:, :half])
    return (relative_error(output[:, half:], target[:, half:]) + LEAST_ERROR).log().mean()

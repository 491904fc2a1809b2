"""The direct path: a place's slot as a linear image of the neuron's own weights, and back.

It starts out as a choice, the bias, the weight that the network's first output gives the neuron, and the first incoming
weights, and is then trained like everything else. What does not fit is left to the transformers.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from netgraph.graph.architecture import SLOT_KINDS
from netgraph.model.config import VAEConfig
from netgraph.model.slots import is_linear

_BIAS = SLOT_KINDS.index("bias")


def _choice(slot_size: int, columns: list[int], width: int) -> Tensor:
    """A matrix that copies ``columns`` of an input of ``width`` to the first places of a slot, [slot, width]."""
    chosen = torch.zeros(slot_size, width)
    for row, column in enumerate(columns[:slot_size]):
        chosen[row, column] = 1.0
    return chosen


def _held(config: VAEConfig) -> Tensor:
    """The choice for a linear layer's vertex, which holds incoming weights, a bias, and the weight to the output."""
    fan = config.max_fan
    return _choice(config.slot_size, [fan, fan + 1, *range(fan)], fan + 2)


def _norm(config: VAEConfig) -> Tensor:
    """The choice for any other vertex, which holds one number of each kind: they come last in the slot."""
    kept = [SLOT_KINDS.index(kind) for kind in ("edge", "bias", "mean", "variance")]
    return _choice(config.slot_size, kept, len(SLOT_KINDS)).flip(0)


class DirectEncoder(nn.Module):
    """What a vertex's own numbers say of its slot.

    Args:
        config: The model's sizes.
    """

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.linear, self.other = nn.Parameter(_held(config)), nn.Parameter(_norm(config))

    def forward(self, held: Tensor, own: Tensor, carriers: Tensor) -> Tensor:
        """Give each carrier's share of its slot, [B, C, slot].

        Args:
            held: Incoming weights, bias and weight to the output, [B, C, max_fan + 2].
            own: Numbers of each kind that a vertex of another layer holds, [B, C, kinds].
            carriers: Features of the carriers, [B, C, 8].
        """
        return torch.where(is_linear(carriers)[..., None], held @ self.linear.T, own @ self.other.T)


class DirectDecoder(nn.Module):
    """What a slot says of its vertex's own numbers.

    Args:
        config: The model's sizes.
    """

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.linear, self.other = nn.Parameter(_held(config)), nn.Parameter(_norm(config))

    def forward(self, slots: Tensor, carriers: Tensor) -> Tensor:
        """Give each carrier's incoming weights, its weight to the output, and its numbers of each kind.

        Args:
            slots: The slot of each carrier's place, [B, C, slot].
            carriers: Features of the carriers, [B, C, 8].

        Returns:
            [B, C, max_fan + 1 + kinds].
        """
        held, own = slots @ self.linear, slots @ self.other
        incoming, bias, outgoing = held[..., :-2], held[..., -2:-1], held[..., -1:]
        of_linear = functional.pad(bias, (_BIAS, own.shape[-1] - _BIAS - 1))
        return torch.cat([incoming, outgoing, torch.where(is_linear(carriers)[..., None], of_linear, own)], dim=-1)

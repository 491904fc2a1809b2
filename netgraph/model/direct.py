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
#: Numbers of a linear vertex's slot: its bias, the weight that the first output gives it, its first incoming weight.
OWN_BIAS, OUTGOING, FIRST_INCOMING = range(3)
#: Numbers of the slot of a vertex of another layer, from its end.
OTHERS = {"edge": 1, "bias": 2, "mean": 3, "variance": 4}


def _choice(config: VAEConfig, places: list[int]) -> Tensor:
    """A matrix that copies each number of an input to its place in a slot, [slot, numbers]; -1 and beyond for none."""
    chosen = torch.zeros(config.slot_size, len(places))
    for number, place in enumerate(places):
        if 0 <= place < config.slot_size:
            chosen[place, number] = 1.0
    return chosen


class _Direct(nn.Module):
    """The matrices of one direction: they start out with the bias first, the outgoing weight next, incoming ones then.

    Vertices of other layers hold one number of each kind, which come last in the slot.
    """

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.incoming = nn.Parameter(_choice(config, [FIRST_INCOMING + i for i in range(config.max_fan)]))
        self.outgoing = nn.Parameter(_choice(config, [OUTGOING]))
        self.bias = nn.Parameter(_choice(config, [OWN_BIAS]))
        others = [config.slot_size - OTHERS[kind] if kind in OTHERS else -1 for kind in SLOT_KINDS]
        self.other = nn.Parameter(_choice(config, others))


class DirectEncoder(_Direct):
    """What a vertex's own numbers say of its slot.

    Args:
        config: The model's sizes.
    """

    def forward(self, incoming: Tensor, own: Tensor, outgoing: Tensor, carriers: Tensor) -> Tensor:
        """Give each carrier's share of its slot, [B, C, slot].

        Args:
            incoming: Incoming weights, [B, C, max_fan].
            own: Numbers of each kind that are a carrier's own and no edge, [B, C, kinds].
            outgoing: Weight that the first output gives it, [B, C, 1].
            carriers: Features of the carriers, [B, C, 8].
        """
        of_linear = incoming @ self.incoming.T + own[..., _BIAS, None] @ self.bias.T
        share = torch.where(is_linear(carriers)[..., None], of_linear, own @ self.other.T)
        return share + outgoing @ self.outgoing.T


class DirectDecoder(_Direct):
    """What a slot says of its vertex's own numbers.

    Args:
        config: The model's sizes.
    """

    def forward(self, slots: Tensor, carriers: Tensor) -> Tensor:
        """Give each carrier's incoming weights, its weight to the output, and its numbers of each kind.

        Args:
            slots: The slot of each carrier's place, [B, C, slot].
            carriers: Features of the carriers, [B, C, 8].

        Returns:
            [B, C, max_fan + 1 + kinds].
        """
        of_linear = functional.pad(slots @ self.bias, (_BIAS, len(SLOT_KINDS) - _BIAS - 1))
        own = torch.where(is_linear(carriers)[..., None], of_linear, slots @ self.other)
        return torch.cat([slots @ self.incoming, slots @ self.outgoing, own], dim=-1)

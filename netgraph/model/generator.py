"""The generator: from noise and the rows of a data set to the slots of a network that fits it, in one pass.

A hypernetwork (Ha et al. 2017) that writes latents instead of weights. It is trained by what its networks are worth:
they are decoded, their last layers are solved on the rows that it saw, and the error on other rows of the same data set
is the loss.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from netgraph.model.attention import Block
from netgraph.model.batch import StructureBatch
from netgraph.model.config import GeneratorConfig, VAEConfig
from netgraph.model.direct import FIRST_INCOMING
from netgraph.model.layout import LINEAR
from netgraph.model.rows import RowEncoder
from netgraph.model.slots import Slots, carrier_embedding, holders

#: Largest deviation of a slot's numbers from those of encoded networks, in their standard deviations.
MOST = 4.0


class Generator(nn.Module):
    """Writes the slots of places, given an architecture and rows: what it is given as noise, and a correction.

    The correction starts out small, so that neurons of a layer differ from the first step on.

    Args:
        config: The model's sizes.
        sizes: Its own.
    """

    def __init__(self, config: VAEConfig, sizes: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        width, slot = sizes.width, config.slot_size
        self.rows = RowEncoder(sizes, width, min(config.max_fan, slot - FIRST_INCOMING))
        self.condition = nn.Linear(config.prior.width, width)
        self.read, self.known_network = nn.Linear(slot, width), nn.Linear(slot, width)
        self.slot = nn.Parameter(torch.randn(config.layout_slots + 1, width) * 0.1)
        self.embed = carrier_embedding(config, width)
        self.spilled = nn.Embedding(config.place_slots + 1, width) if config.spill else None
        self.blocks = nn.ModuleList(Block(width, sizes.heads, reduced=True) for _ in range(sizes.layers))
        self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, slot)
        self.neuron, self.column = nn.Linear(width, width), nn.Linear(width, width)
        nn.init.zeros_(self.out.weight)

    def forward(
        self, noise: Tensor, network: Tensor, batch: StructureBatch, condition: Tensor, tokens: Tensor, real: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Write slots.

        Args:
            noise: Drawn from N(0, I), [B, K, slot].
            network: Standardized slots of the layout, and one of the response, [B, G + 1, slot].
            batch: B architectures.
            condition: Embedded condition, [B, width of the prior].
            tokens: What :class:`~netgraph.model.rows.RowEncoder` gives, [B, columns, tokens, width].
            real: Which columns are real, [B, columns].

        Returns:
            Standardized slots, [B, K, slot], within :data:`MOST`, and which there are, [B, K, 1].
        """
        carriers = holders(batch.carriers)
        slots = Slots(carriers, self.config, batch.spilled_place)
        columns, each = tokens.shape[1:3]
        more = [] if self.spilled is None else [self.spilled(batch.spilled_place + 1)]
        start = slots.read(noise)
        own = torch.cat([self.embed(carriers), *more], dim=1) + self.read(start)
        known = torch.cat([own, self.known_network(network) + self.slot, tokens.flatten(1, 2)], dim=1)
        known = known + self.condition(condition)[:, None]
        mask = torch.cat([slots.real, slots.real.new_ones(network.shape[:2]), real.repeat_interleave(each, 1)], dim=1)
        for block in self.blocks:
            known = block(known, mask[:, None, None, :])
        hidden = self.norm(known)
        neurons = hidden[:, : own.shape[1]]
        of_columns = hidden[:, -columns * each :].unflatten(1, (columns, each)).mean(dim=2)
        raw = start + self.out(neurons) + self._incoming(neurons, of_columns, carriers, real)
        return slots.mean(MOST * torch.tanh(raw / MOST)), slots.filled

    def _incoming(self, neurons: Tensor, columns: Tensor, carriers: Tensor, real: Tensor) -> Tensor:
        """What each neuron of a first layer takes from each column, at their places in its slot, [B, C, slot]."""
        scores = self.neuron(neurons) @ self.column(columns).mT / columns.shape[-1] ** 0.5
        first = functional.pad(carriers[..., LINEAR] == 1, (0, neurons.shape[1] - carriers.shape[1]))
        after = self.config.slot_size - FIRST_INCOMING - columns.shape[1]
        return functional.pad(scores * first[..., None] * real[:, None], (FIRST_INCOMING, after))

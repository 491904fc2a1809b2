"""The weight decoder: all weights at once, an edge's from the states of its two vertices, and their standardization.

Weights shrink with the root of their vertex's fan-in, and their tails are heavy: a weight w is read as asinh(w
sqrt(fan_in)), then standardized per layer kind, with statistics that are stored with the model.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from netgraph.graph.architecture import SLOT_KINDS
from netgraph.model.attention import Block
from netgraph.model.batch import StructureBatch
from netgraph.model.config import VAEConfig
from netgraph.model.layout import N_SCALES
from netgraph.model.slots import Direct, Slots, carrier_embedding, split

_VARIANCE = SLOT_KINDS.index("variance")
_COUNT = SLOT_KINDS.index("count")
#: Elements that a rare kind borrows from all elements of its slot kind.
PRIOR_COUNT = 200.0
SMALLEST_VARIANCE = 1e-3
#: Largest asinh that is inverted, so that a wild latent gives no infinite weight.
LARGEST = 7.0


class Scales(nn.Module):
    """Mean and deviation of every layer kind: slot kind, layer type, type of the feeding and of the reading layer."""

    mean: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(N_SCALES))
        self.register_buffer("scale", torch.ones(N_SCALES))

    def fit(self, state: Tensor, kinds: Tensor, fan: Tensor) -> None:
        """Take the statistics of training states, [P], whose entries of the table are ``kinds``, [P].

        A kind with few elements is drawn towards all elements of its slot kind.
        """
        state = torch.asinh(state.double() * fan.sqrt())
        per_slot = N_SCALES // len(SLOT_KINDS)
        count, total, square = (_sums(values, kinds) for values in (torch.ones_like(state), state, state.square()))
        for slot in range(len(SLOT_KINDS)):
            inside = slice(slot * per_slot, (slot + 1) * per_slot)
            n = count[inside].sum()
            if n == 0:
                continue
            prior_mean, prior_square = total[inside].sum() / n, square[inside].sum() / n
            weight = count[inside] + PRIOR_COUNT
            mean = (total[inside] + PRIOR_COUNT * prior_mean) / weight
            variance = (square[inside] + PRIOR_COUNT * prior_square) / weight - mean.square()
            self.mean[inside] = mean.float()
            self.scale[inside] = variance.clamp(min=1e-6).sqrt().float()

    def standardize(self, state: Tensor, structure: StructureBatch) -> Tensor:
        """Standardize states, [sum P]."""
        squashed = torch.asinh(state * structure.slot_fan.sqrt())
        return (squashed - self.mean[structure.slot_scale]) / self.scale[structure.slot_scale]

    def restore(self, standardized: Tensor, structure: StructureBatch) -> Tensor:
        """Invert :meth:`standardize`; running variances stay positive, counts of batches become 0."""
        squashed = standardized * self.scale[structure.slot_scale] + self.mean[structure.slot_scale]
        state = torch.sinh(squashed.clamp(-LARGEST, LARGEST)) / structure.slot_fan.sqrt()
        state = torch.where(structure.slot_kind == _VARIANCE, state.clamp(min=SMALLEST_VARIANCE), state)
        return torch.where(structure.slot_kind == _COUNT, torch.zeros_like(state), state)


def _sums(values: Tensor, kinds: Tensor) -> Tensor:
    return values.new_zeros(N_SCALES).index_add(0, kinds, values)


class WeightDecoder(nn.Module):
    """p(weights | z, architecture): the standardized state of every network.

    Args:
        config: The model's sizes.
    """

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.embed = carrier_embedding(config)
        self.place = nn.Linear(config.slot_size, width)
        self.layout = nn.Linear(config.slot_size, width)
        self.layout_slot = nn.Parameter(torch.randn(config.layout_slots, width) * 0.1)
        self.blocks = nn.ModuleList(Block(width, config.heads) for _ in range(config.weight_layers))
        self.norm = nn.LayerNorm(width)
        self.edge = BilinearEdges(width, config.edge_rank)
        self.vertex = nn.Linear(width, len(SLOT_KINDS))
        self.direct = Direct(config) if config.direct else None
        if config.direct:
            nn.init.zeros_(self.vertex.weight)

    def forward(self, z: Tensor, condition: Tensor, batch: StructureBatch) -> Tensor:
        """Decode.

        Args:
            z: Latents, [B, latent], or codes.
            condition: Embedded meta-features, [B, width].
            batch: B architectures.

        Returns:
            Their standardized states, [sum P].
        """
        layout, places = split(z, self.config)
        slots = Slots(batch.carriers, self.config)
        own = slots.read(places)  # [B, C, slot]
        tokens = self.embed(batch.carriers) + self.place(own) + condition[:, None, :]
        tokens = torch.cat([self.layout(layout) + self.layout_slot, tokens], dim=1)
        mask = functional.pad(slots.real, (self.config.layout_slots, 0), value=True)[:, None, None, :]
        for block in self.blocks:
            tokens = block(tokens, mask)
        hidden = self.norm(tokens[:, self.config.layout_slots :])  # [B, C, width]
        heads = torch.cat([self.edge(hidden).flatten(), self.vertex(hidden).flatten()])
        state = heads.index_select(0, batch.slot_gather)
        if self.direct is not None:
            direct = self.direct.decode(own, batch.carriers).flatten()
            state = state + torch.cat([direct, direct.new_zeros(1)])[batch.slot_direct]
        if len(batch.spilled):
            state = state.index_add(0, batch.spilled, places.flatten()[batch.spilled_cell])
        return state


class BilinearEdges(nn.Module):
    """The weight of every edge as the product of a projection of its target and one of its source.

    Args:
        width: Width of the vertices' states.
        rank: Width of the projections.
    """

    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        self.target, self.source = nn.Linear(width, rank), nn.Linear(width, rank)
        nn.init.normal_(self.target.weight, std=0.02)

    def forward(self, hidden: Tensor) -> Tensor:
        """Score every pair, [B, C, width] as [B, target, source]."""
        source = self.source(hidden)
        scores: Tensor = self.target(hidden) @ source.transpose(1, 2) / source.shape[-1] ** 0.5
        return scores

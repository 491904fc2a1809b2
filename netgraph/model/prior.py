"""The prior: a flow that carries noise from N(0, I) to where encoded networks lie.

Flow matching (Lipman et al. 2023; rectified flow, Liu et al. 2023): on the straight path x_t = (1 - t) noise + t z, a
transformer learns the velocity z - noise, and an ordinary differential equation carries noise along it. There are two
flows: the slots of the layout come first; they decide on an architecture, and the slots of its places follow, given
both.
"""

import math
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from netgraph.model.attention import Block
from netgraph.model.batch import StructureBatch
from netgraph.model.condition import Condition
from netgraph.model.config import RESPONSE, VAEConfig
from netgraph.model.slots import Slots, carrier_embedding, holders, split

#: Deviation below which a latent number is not scaled up: nothing is stored there.
SMALLEST_DEVIATION = 0.1
#: Draws of noise and time for each network's few slots, beside one for its places.
DRAWS = 8
_FREQUENCIES = 16


class Time(nn.Module):
    """Embeds times, [B] in [0, 1], as [B, width].

    Args:
        width: Width of the embedding.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(2 * _FREQUENCIES, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, time: Tensor) -> Tensor:
        """Embed sines and cosines of rising frequency."""
        angle = time[:, None] * math.pi * 2 ** torch.linspace(0, 6, _FREQUENCIES, device=time.device)
        return cast(Tensor, self.embed(torch.cat([angle.sin(), angle.cos()], dim=1)))


class Velocity(nn.Module):
    """A transformer over tokens that are told the time and the condition; its last layer starts at 0.

    Args:
        config: The model's sizes.
        layers: Its layers.
        reduced: Whether its products are computed in bfloat16 where the device is fast at it.
    """

    def __init__(self, config: VAEConfig, layers: int, reduced: bool = False) -> None:
        super().__init__()
        width = config.prior.width
        self.read, self.time = nn.Linear(config.slot_size, width), Time(width)
        self.blocks = nn.ModuleList(Block(width, config.prior.heads, reduced) for _ in range(layers))
        self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, config.slot_size)
        nn.init.zeros_(self.out.weight)

    def forward(self, slots: Tensor, tokens: Tensor, time: Tensor, mask: Tensor) -> Tensor:
        """Return the velocity of slots, [B, T, slot].

        Args:
            slots: Where they are, [B, T, slot].
            tokens: What is known of each, then tokens that have no slot, [B, T + n, width].
            time: Times, [B].
            mask: Which tokens are real, [B, T + n].
        """
        count = slots.shape[1]
        tokens = (
            tokens + functional.pad(self.read(slots), (0, 0, 0, tokens.shape[1] - count)) + self.time(time)[:, None]
        )
        for block in self.blocks:
            tokens = block(tokens, mask[:, None, None, :])
        return cast(Tensor, self.out(self.norm(tokens[:, :count])))


class FlowPrior(nn.Module):
    """p(z) and p(z | meta-features, number of inputs).

    Args:
        config: The model's sizes.
    """

    network_mean: Tensor
    network_scale: Tensor
    place_mean: Tensor
    place_scale: Tensor

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        width, slot = config.prior.width, config.slot_size
        self.register_buffer("network_mean", torch.zeros(config.layout_slots + 1, slot))
        self.register_buffer("network_scale", torch.ones(config.layout_slots + 1, slot))
        self.register_buffer("place_mean", torch.zeros(slot))
        self.register_buffer("place_scale", torch.ones(slot))
        self.condition = Condition(config.n_meta_features, width, config.condition_dropout)
        self.n_inputs = nn.Embedding(config.max_nodes + 1, width)  # 0: not known
        self.slot = nn.Parameter(torch.randn(config.layout_slots + 1, width) * 0.1)
        self.network = Velocity(config, config.prior.layout_layers)
        self.embed = carrier_embedding(config, width)
        self.known_network = nn.Linear(slot, width)
        self.spilled = nn.Embedding(config.place_slots + 1, width) if config.spill else None
        self.place = Velocity(config, config.prior.place_layers, reduced=True)

    def of_network(self, z: Tensor) -> Tensor:
        """Return the input of the first flow: the layout's slots, and one of the response, [B, G + 1, slot]."""
        response = functional.pad(z[:, self.config.code_size :], (0, self.config.slot_size - RESPONSE))
        return torch.cat([split(z, self.config)[0], response[:, None]], dim=1)

    def standardize_network(self, network: Tensor) -> Tensor:
        """Standardize what the first flow carries, [B, G + 1, slot]."""
        return (network - self.network_mean) / self.network_scale

    def restore_places(self, standardized: Tensor) -> Tensor:
        """Invert the standardization of slots of places, [B, K, slot]."""
        return standardized * self.place_scale + self.place_mean

    def fit(self, network: Tensor, places: Tensor, meta_features: Tensor) -> None:
        """Take what to standardize by, of networks, [n, G + 1, slot], of places, [m, slot], and meta-features."""
        for name, slots in (("network", network), ("place", places)):
            getattr(self, f"{name}_mean").copy_(slots.mean(dim=0))
            getattr(self, f"{name}_scale").copy_(slots.std(dim=0, correction=0).clamp(min=SMALLEST_DEVIATION))
        self.condition.fit(meta_features)

    def embed_condition(
        self, meta_features: Tensor, n_inputs: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Embed meta-features, [B, features], NaN for none, and numbers of inputs, [B], 0 for none, as [B, width]."""
        if self.training:
            kept = torch.rand(len(n_inputs), generator=generator, device=n_inputs.device) >= self.condition.dropout
            n_inputs = n_inputs * kept
        return cast(Tensor, self.condition(meta_features, generator) + self.n_inputs(n_inputs))

    def losses(self, z: Tensor, batch: StructureBatch, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Mean squared errors of the velocities of encoded networks' slots, of the layout and of places.

        Args:
            z: Latents, [B, latent].
            batch: Their architectures.
            condition: Embedded condition, [B, width].
        """
        network = self.standardize_network(self.of_network(z))
        places = (split(z, self.config)[1] - self.place_mean) / self.place_scale
        wish = condition.repeat(DRAWS, 1)
        error = _error(lambda x, t: self._network_velocity(x, t, wish), network.repeat(DRAWS, 1, 1))
        velocity, filled = self._place_velocity(network, batch, condition)
        place_error = _error(velocity, places) * filled
        return error.mean(), place_error.sum() / (filled.sum() * self.config.slot_size)

    def _network_velocity(self, slots: Tensor, time: Tensor, condition: Tensor) -> Tensor:
        tokens = self.slot + condition[:, None, :]
        return cast(Tensor, self.network(slots, tokens, time, torch.ones_like(tokens[..., 0], dtype=torch.bool)))

    def _place_velocity(
        self, network: Tensor, batch: StructureBatch, condition: Tensor
    ) -> tuple[Callable[[Tensor, Tensor], Tensor], Tensor]:
        """Return the velocity field of the places' slots, and the mask of occupied slots, [B, K, 1]."""
        carriers = holders(batch.carriers)
        slots = Slots(carriers, self.config, batch.spilled_place)
        more = [] if self.spilled is None else [self.spilled(batch.spilled_place + 1)]
        known = torch.cat([self.embed(carriers), *more, self.known_network(network) + self.slot], dim=1)
        known = known + condition[:, None, :]
        mask = functional.pad(slots.real, (0, network.shape[1]), value=True)

        def velocity(places: Tensor, time: Tensor) -> Tensor:
            return slots.mean(self.place(slots.read(places), known, time, mask))

        return velocity, slots.filled

    def carry_network(self, noise: Tensor, condition: Tensor) -> Tensor:
        """Carry noise, [B, G + 1, slot], to the slots of layouts, and one that holds the response."""
        steps = self.config.prior.steps
        carried = _solve(lambda x, time: self._network_velocity(x, time, condition), noise, steps)
        return carried * self.network_scale + self.network_mean

    def carry_places(self, noise: Tensor, network: Tensor, batch: StructureBatch, condition: Tensor) -> Tensor:
        """Carry noise, [B, K, slot], to the slots of places.

        Args:
            noise: Drawn from N(0, I), [B, K, slot].
            network: What :meth:`carry_network` gave, [B, G + 1, slot].
            batch: The architectures that the layouts decode to.
            condition: Embedded condition, [B, width].

        Returns:
            Slots, [B, K, slot]; 0 for places that an architecture has not.
        """
        velocity, filled = self._place_velocity(self.standardize_network(network), batch, condition)
        carried = _solve(velocity, noise, self.config.prior.steps)
        return self.restore_places(carried) * filled


def _error(velocity: Callable[[Tensor, Tensor], Tensor], data: Tensor) -> Tensor:
    """Squared error of a velocity somewhere on the way from noise to data, [B, T, slot]."""
    noise = torch.randn_like(data)
    time = torch.sigmoid(torch.randn(len(data), device=data.device))  # Esser et al. 2024: more of the middle
    share = time[:, None, None]
    return (velocity((1 - share) * noise + share * data, time) - (data - noise)).square()


def _solve(velocity: Callable[[Tensor, Tensor], Tensor], x: Tensor, steps: int) -> Tensor:
    """Integrate from time 0 to 1 by the midpoint rule."""
    for step in range(steps):
        time = x.new_full((len(x),), step / steps)
        middle = x + velocity(x, time) / (2 * steps)
        x = x + velocity(middle, time + 1 / (2 * steps)) / steps
    return x

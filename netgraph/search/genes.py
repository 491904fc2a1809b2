"""Noise from few numbers, so that a search which handles few can look through all of N(0, I).

A latent has some thousand numbers of noise; a handful of directions among them would hardly move it. A gene is instead
a whole circle of draws for one part of the network: its number draws two independent points of N(0, I), its angle mixes
them, cos(angle) a + sin(angle) b, which is a draw from N(0, I) again. Any genes give noise that the prior would give
too; exchanging genes exchanges parts of networks, and a slightly different angle gives a slightly different part.
"""

from collections.abc import Mapping
from math import cos, pi, remainder, sin

import numpy as np
import torch
from torch import Generator, Tensor

from netgraph.model.config import VAEConfig
from netgraph.search.strategies import clip_to_prior

#: Numbers of genes are below it.
NUMBERS = 2**31
#: Smallest and largest angle.
ANGLES = (-pi, pi)
#: Deviation of the step that a child's angles take.
STEP = 0.3


class Genes:
    """The genes of a model's noise: one for the network as a whole, and one for each depth of linear layers.

    The first holds the slots of the inputs and of the whole network and the response, the last the slot of the output
    layer, the others a depth's slot of the layout and those of its places.

    Args:
        config: The model's sizes.

    Attributes:
        count: How many there are.
    """

    def __init__(self, config: VAEConfig) -> None:
        self.size = config.latent_size
        depths = torch.arange(1, config.place_depths + 1)
        whole, output = torch.tensor([0]), depths[-1:] + 1
        slots = [whole, depths, whole, depths.repeat_interleave(config.place_positions), output]
        gene = torch.cat(slots).repeat_interleave(config.slot_size)
        gene = torch.cat([gene, whole.expand(self.size - len(gene))])
        self.count = int(output) + 1
        self._places = [(gene == i).nonzero()[:, 0] for i in range(self.count)]
        self._slots = torch.arange(self.size) // config.slot_size

    @property
    def names(self) -> tuple[tuple[str, str], ...]:
        """What the number and the angle of each gene are called."""
        return tuple((f"gene_{i}", f"angle_{i}") for i in range(self.count))

    def noise(self, values: Mapping[str, float]) -> Tensor:
        """Give the noise of genes, [latent], within the trust region of :func:`.strategies.clip_to_prior`.

        Args:
            values: Numbers, whole and from 0 to 2^31 - 1, and angles, by name.
        """
        noise = torch.empty(self.size)
        for i, (places, (number, angle)) in enumerate(zip(self._places, self.names, strict=True)):
            generator = Generator().manual_seed(int(values[number]) + NUMBERS * i)
            first, second = torch.randn(2, len(places), generator=generator)
            noise[places] = cos(values[angle]) * first + sin(values[angle]) * second
        return clip_to_prior(noise[None], self._slots)[0]

    def child(
        self, first: Mapping[str, float], second: Mapping[str, float], rng: np.random.Generator
    ) -> dict[str, float]:
        """Cross and mutate: whole genes of two parents, one of them drawn anew on average, the angles a step further.

        The share of the second parent is drawn for each child from U(0, 1/2).
        """
        share, found = rng.uniform(0.0, 0.5), dict[str, float]()
        for number, angle in self.names:
            parent = second if rng.random() < share else first
            found[number], found[angle] = parent[number], remainder(parent[angle] + STEP * rng.normal(), 2 * pi)
            if rng.random() < 1 / self.count:
                found[number], found[angle] = int(rng.integers(NUMBERS)), rng.uniform(*ANGLES)
        return found

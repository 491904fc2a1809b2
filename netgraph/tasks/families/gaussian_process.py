"""Draws from Gaussian processes, by random Fourier features."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Generator, Tensor

from netgraph.tasks.families.base import Problem, TaskFamily
from netgraph.tasks.inputs import integer, log_uniform, normal, uniform
from netgraph.tasks.settings import Between, Range, Whole

N_WAVES = 128


@dataclass(frozen=True)
class GaussianProcess(TaskFamily):
    """A draw from a Gaussian process with a Matern kernel of random length scale, by 128 random Fourier features.

    A Matern kernel of smoothness nu has a spectral density that falls as Student's t with 2 nu degrees of freedom:
    few give a rough target, many the squared exponential kernel's. The kernel is either that of the distance over
    all columns or the product of one kernel a column.

    Sources: Rahimi and Recht, Random features for large-scale kernel machines, NeurIPS 2007; Rasmussen and Williams,
    Gaussian Processes for Machine Learning (2006), equation 4.15.

    Attributes:
        length_scale: In units of the square root of the number of columns, so that wide problems are no rougher;
            drawn log-uniformly.
        spectral_decay: 2 nu, drawn evenly.
        product: Probability of the product kernel.
    """

    name: ClassVar[str] = "gaussian_process"
    length_scale: Annotated[Range, Between(0.01, 1000)] = (0.5, 3.0)
    spectral_decay: Annotated[Whole, Between(1, 1000)] = (2, 30)
    product: Annotated[float, Between(0, 1)] = 0.5

    def draw(self, z: Tensor, generator: Generator) -> Problem:
        """See :meth:`TaskFamily.draw`."""
        length_scale = log_uniform(*self.length_scale, generator)
        decay = integer(*self.spectral_decay, generator)
        product = uniform(0.0, 1.0, generator) < self.product
        frequency = normal(z.shape[1], N_WAVES, generator=generator) / (length_scale * math.sqrt(z.shape[1]))
        # A normal number over the root mean square of others has Student's distribution.
        others = normal(decay, z.shape[1] if product else 1, N_WAVES, generator=generator)
        frequency = frequency / others.square().mean(dim=0).sqrt()
        phase = 2 * math.pi * torch.rand(N_WAVES, generator=generator, dtype=torch.float64)
        waves = math.sqrt(2 / N_WAVES) * torch.cos(z @ frequency + phase)  # [rows, n_waves]
        drawn = {"length_scale": length_scale, "spectral_decay": decay, "kernel": "product" if product else "isotropic"}
        return Problem(z, waves @ normal(N_WAVES, generator=generator), drawn)

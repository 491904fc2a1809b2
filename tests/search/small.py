"""Small models with initial weights, sources of a few lines, and rows."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Generator, Tensor

from netgraph import NetGraph, NetVAE
from netgraph.search import Candidates, Random
from netgraph.search.data import TabularData
from netgraph.zoo import ArchitectureRecipe
from tests.model import small

CONFIG = replace(small.CONFIG, max_inputs=16)


def untrained(inputs: int = 16) -> NetVAE:
    """A model that covers networks of linear layers and tanh, and up to so many inputs."""
    model = small.untrained(CONFIG)
    counts = frozenset(range(1, inputs + 1))
    model.decoder.architecture.coverage = replace(
        small.EVERYTHING, types=frozenset({"Input", "Linear", "Tanh"}), inputs=counts
    )
    return model


def random_networks(
    n: int, seed: int, n_inputs: int = 4, recipe: ArchitectureRecipe | None = None, n_outputs: int = 1
) -> list[NetGraph]:
    """Networks with initial weights."""
    return Random(recipe or ArchitectureRecipe()).sample(n, torch.empty(0, n_inputs), torch.empty(0, n_outputs), seed)


def rows(n: int = 60, columns: int = 4, noise: float = 0.1) -> TabularData:
    """A target that bends along the first column and falls along the second."""
    X = torch.randn(n, columns, generator=Generator().manual_seed(0))
    y = torch.tanh(2 * X[:, 0]) - X[:, 1] + noise * torch.randn(n, generator=Generator().manual_seed(1))
    return TabularData(X, y[:, None])


def class_rows(n: int = 90, columns: int = 4, noise: float = 0.3) -> TabularData:
    """Three classes, each around a point of its own."""
    generator = Generator().manual_seed(0)
    labels = torch.arange(n) % 3
    X = noise * torch.randn(n, columns, generator=generator) + torch.eye(columns)[labels]
    return TabularData(X, torch.eye(3)[labels], loss="cross_entropy")


class Few(Candidates):
    """Random networks of small architectures, at most so many in all of a call."""

    def __init__(self, most: int = 1000, recipe: ArchitectureRecipe | None = None) -> None:
        self.most, self.recipe = most, recipe

    def sample(self, n: int, X: Tensor, y: Tensor, seed: int) -> list[NetGraph]:
        return random_networks(min(n, self.most), seed, X.shape[1], self.recipe, y.shape[1])


def clock(step: float = 1.0) -> Callable[[], float]:
    """A clock that goes on by so many seconds at every look."""
    seconds = iter(range(10**6))
    return lambda: step * next(seconds)

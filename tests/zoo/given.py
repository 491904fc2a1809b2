"""Networks as they are trained elsewhere, untrained here."""

import torch
from torch import Tensor, nn
from torch.nn import functional

X, Y = torch.randn(40, 3, generator=torch.Generator().manual_seed(0)), torch.linspace(-1, 1, 40)


class Convolutional(nn.Module):
    """A network that is not feed-forward."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(functional.relu(self.norm(self.first(x))).flatten(1))


IMAGES = torch.randn(12, 1, 4, 4, generator=torch.Generator().manual_seed(1))


def modules(n: int, inputs: int = 3, outputs: int = 1) -> list[nn.Module]:
    """Feed-forward networks of a few architectures."""
    with torch.random.fork_rng():
        torch.manual_seed(n)
        layers = [(nn.Linear(inputs, 3 + i % 2), nn.Tanh(), nn.Linear(3 + i % 2, outputs)) for i in range(n)]
        return [nn.Sequential(*parts) for parts in layers]


def convolutional(n: int) -> list[nn.Module]:
    """Convolutional networks of one architecture."""
    with torch.random.fork_rng():
        torch.manual_seed(n)
        return [Convolutional().eval() for _ in range(n)]

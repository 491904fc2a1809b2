import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.graph.zoo_of_modules.exact import assert_exact, prepared


def conv(a, b, k=3, stride=1, groups=1):
    return nn.Sequential(nn.Conv2d(a, b, k, stride, k // 2, groups=groups, bias=False), nn.BatchNorm2d(b), nn.ReLU())


class DenseBlock(nn.Module):
    """Huang et al. 2017."""

    def __init__(self, channels, growth, n):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(channels + i * growth), nn.ReLU(), nn.Conv2d(channels + i * growth, 2 * growth, 1),
                nn.BatchNorm2d(2 * growth), nn.ReLU(), nn.Conv2d(2 * growth, growth, 3, padding=1), nn.Dropout2d(0.2),
            )
            for i in range(n)
        )  # fmt: skip

    def forward(self, x):
        features = [x]
        for layer in self.layers:
            features.append(layer(torch.cat(features, 1)))
        return torch.cat(features, 1)


def densenet():
    transition = nn.Sequential(nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 8, 1), nn.AvgPool2d(2))
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), DenseBlock(8, 4, 2), transition, DenseBlock(8, 4, 2), Head(16))


class Head(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.classifier = nn.Linear(channels, 10)

    def forward(self, x):
        return self.classifier(F.adaptive_avg_pool2d(F.relu(x), (1, 1)).flatten(1))


class DualPath(nn.Module):
    """DPN (Chen et al. 2017): a residual and a dense path."""

    def __init__(self, inputs, inner, out, dense, first):
        super().__init__()
        self.out, self.dense = out, dense
        self.body = nn.Sequential(
            conv(inputs, inner, 1), conv(inner, inner, groups=2), nn.Conv2d(inner, out + dense, 1)
        )
        self.shortcut = nn.Conv2d(inputs, out + dense, 1) if first else nn.Identity()

    def forward(self, x):
        a, b = self.shortcut(x), self.body(x)
        d = self.out
        return F.relu(torch.cat([a[:, :d, :, :] + b[:, :d, :, :], a[:, d:, :, :], b[:, d:, :, :]], 1))


def dpn():
    return nn.Sequential(conv(3, 8), DualPath(8, 8, 8, 4, True), DualPath(16, 8, 8, 4, False), Head(20))


class Tree(nn.Module):
    """DLA's iterative aggregation (Yu et al. 2018)."""

    def __init__(self, a, b, level):
        super().__init__()
        self.left = conv(a, b) if level == 1 else Tree(a, b, level - 1)
        self.right = conv(b, b) if level == 1 else Tree(b, b, level - 1)
        self.root = conv(2 * b, b, 1)

    def forward(self, x):
        left = self.left(x)
        right = self.right(left)
        return self.root(torch.cat([left, right], dim=1)) + right


def dla():
    return nn.Sequential(conv(3, 8), Tree(8, 8, 1), nn.MaxPool2d(2), Tree(8, 16, 2), Head(16))


class Fractal(nn.Module):
    """FractalNet (Larsson et al. 2017): the mean of a short and a long path."""

    def __init__(self, channels, depth):
        super().__init__()
        self.short = conv(channels, channels)
        self.long = nn.Sequential(*(Fractal(channels, depth - 1) for _ in range(2))) if depth > 1 else None

    def forward(self, x):
        if self.long is None:
            return self.short(x)
        return torch.stack([self.short(x), self.long(x)]).mean(dim=0)


class HighResolution(nn.Module):
    """HRNet's exchange unit (Sun et al. 2019)."""

    def __init__(self):
        super().__init__()
        self.high, self.low = conv(3, 8), conv(3, 16, stride=2)
        self.up, self.down = nn.Conv2d(16, 8, 1), nn.Conv2d(8, 16, 3, 2, 1)

    def forward(self, x):
        high, low = self.high(x), self.low(x)
        fused = high + F.interpolate(self.up(low), scale_factor=2, mode="nearest")
        return fused, F.relu(low + self.down(high))


NETWORKS = {
    "DenseNet": densenet,
    "DPN": dpn,
    "DLA": dla,
    "FractalNet": lambda: nn.Sequential(conv(3, 8), Fractal(8, 3), Head(8)),
    "HRNet": HighResolution,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_densely_connected_networks_are_exact(name):
    example = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert_exact(prepared(NETWORKS[name]()), example)

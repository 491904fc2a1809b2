import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.graph.zoo_of_modules.exact import assert_exact, prepared


def conv(a, b, k=3, stride=1, groups=1, act=nn.ReLU):
    layers = [nn.Conv2d(a, b, k, stride, k // 2, groups=groups, bias=False), nn.BatchNorm2d(b)]
    return nn.Sequential(*layers, *([act()] if act else []))


def separable(a, b, stride=1):
    """MobileNet's depthwise separable convolution (Howard et al. 2017)."""
    return nn.Sequential(conv(a, a, stride=stride, groups=a), conv(a, b, 1))


class Excite(nn.Module):
    def __init__(self, channels, gate):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.reduce, self.expand = nn.Conv2d(channels, channels // 4, 1), nn.Conv2d(channels // 4, channels, 1)
        self.gate = gate()

    def forward(self, x):
        return self.gate(self.expand(F.silu(self.reduce(self.pool(x))))) * x


class Inverted(nn.Module):
    """MobileNet v2 (Sandler 2018); with excitation v3 (Howard 2019) and EfficientNet (Tan & Le 2019)."""

    def __init__(self, a, b, stride=1, expand=2, k=3, act=nn.ReLU6, gate=None, drop=0.0):
        super().__init__()
        inner, self.drop = a * expand, drop
        self.residual = stride == 1 and a == b
        self.body = nn.Sequential(
            conv(a, inner, 1, act=act),
            conv(inner, inner, k, stride, inner, act),
            Excite(inner, gate) if gate else nn.Identity(),
            conv(inner, b, 1, act=None),
        )

    def forward(self, x):
        out = self.body(x)
        if not self.residual:
            return out
        if self.drop and self.training:
            keep = 1 - self.drop
            out = out.div(keep) * torch.rand((x.shape[0], 1, 1, 1), device=x.device).add_(keep).floor_()
        return x + out


class Shuffle1(nn.Module):
    """ShuffleNet v1 (Zhang et al. 2018)."""

    def __init__(self, channels, groups=2):
        super().__init__()
        self.groups = groups
        self.conv1, self.conv2 = (
            conv(channels, channels, 1, groups=groups),
            conv(channels, channels, 3, 1, channels, None),
        )
        self.conv3 = conv(channels, channels, 1, groups=groups, act=None)

    def forward(self, x):
        out = self.conv1(x)
        b, c, h, w = out.size()
        out = out.view(b, self.groups, c // self.groups, h, w).transpose(1, 2).contiguous().view(b, -1, h, w)
        return F.relu(x + self.conv3(self.conv2(out)))


class Shuffle2(nn.Module):
    """ShuffleNet v2 (Ma et al. 2018)."""

    def __init__(self, channels):
        super().__init__()
        half = channels // 2
        self.branch = nn.Sequential(conv(half, half, 1), conv(half, half, 3, 1, half, None), conv(half, half, 1))
        self.shuffle = nn.ChannelShuffle(2)

    def forward(self, x):
        kept, changed = x.chunk(2, dim=1)
        return self.shuffle(torch.cat((kept, self.branch(changed)), dim=1))


class Ghost(nn.Module):
    """GhostNet (Han et al. 2020)."""

    def __init__(self, a, b):
        super().__init__()
        self.primary, self.cheap = conv(a, b // 2, 1), conv(b // 2, b // 2, 3, 1, b // 2)

    def forward(self, x):
        x = self.primary(x)
        return torch.cat([x, self.cheap(x)], dim=1)


def network(*blocks, channels=16, act=nn.ReLU):
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(channels, 10))
    return nn.Sequential(conv(3, 8, 3, 2, act=act), *blocks, *head)


NETWORKS = {
    "MobileNet v1": lambda: network(separable(8, 8), separable(8, 16, 2)),
    "MobileNet v2": lambda: network(Inverted(8, 8), Inverted(8, 16, 2)),
    "MobileNet v3": lambda: network(
        Inverted(8, 8, act=nn.Hardswish, gate=nn.Hardsigmoid), Inverted(8, 16, 2, 3, 5, nn.Hardswish), act=nn.Hardswish
    ),
    "EfficientNet": lambda: network(
        Inverted(8, 8, act=nn.SiLU, gate=nn.Sigmoid, drop=0.2), Inverted(8, 16, 2, act=nn.SiLU, gate=nn.Sigmoid)
    ),
    "MnasNet": lambda: network(Inverted(8, 16, 1, 3, 5, nn.ReLU), Inverted(16, 16, 1, 3, 3, nn.ReLU)),
    "ShuffleNet v1": lambda: network(Shuffle1(8), Shuffle1(8), channels=8),
    "ShuffleNet v2": lambda: network(Shuffle2(8), Shuffle2(8), channels=8),
    "GhostNet": lambda: network(Ghost(8, 16), Ghost(16, 16)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_mobile_networks_are_exact(name):
    example = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert_exact(prepared(NETWORKS[name]()), example)

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.graph.zoo_of_modules.exact import assert_exact, prepared


class Basic(nn.Module):
    def __init__(self, a, b, stride=1):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b)
        self.conv2, self.bn2 = nn.Conv2d(b, b, 3, 1, 1, bias=False), nn.BatchNorm2d(b)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or a != b:
            self.downsample = nn.Sequential(nn.Conv2d(a, b, 1, stride, bias=False), nn.BatchNorm2d(b))

    def forward(self, x):
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


class Bottleneck(nn.Module):
    def __init__(self, a, b, stride=1, groups=1, width=1.0, se=False):
        super().__init__()
        inner = int(b // 4 * width)
        self.conv1, self.bn1 = nn.Conv2d(a, inner, 1, bias=False), nn.BatchNorm2d(inner)
        self.conv2, self.bn2 = nn.Conv2d(inner, inner, 3, stride, 1, groups=groups, bias=False), nn.BatchNorm2d(inner)
        self.conv3, self.bn3 = nn.Conv2d(inner, b, 1, bias=False), nn.BatchNorm2d(b)
        self.se = SqueezeExcite(b) if se else nn.Identity()
        self.shortcut = nn.Sequential(nn.Conv2d(a, b, 1, stride, bias=False), nn.BatchNorm2d(b))

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        return F.relu(self.se(self.bn3(self.conv3(out))) + self.shortcut(x))


class SqueezeExcite(nn.Module):
    """Hu et al. 2018."""

    def __init__(self, channels, reduction=4):
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(channels, channels // reduction),
            nn.ReLU(),
            nn.Linear(channels // reduction, channels),
            nn.Sigmoid(),
        )

    def forward(self, x):
        b, c, _, _ = x.shape
        return x * self.fc(x.mean((2, 3))).view(b, c, 1, 1)


class PreActivation(nn.Module):
    def __init__(self, a, b, stride=1):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(a), nn.Conv2d(a, b, 3, stride, 1, bias=False)
        self.bn2, self.conv2 = nn.BatchNorm2d(b), nn.Conv2d(b, b, 3, 1, 1, bias=False)
        if stride != 1 or a != b:
            self.shortcut = nn.Conv2d(a, b, 1, stride, bias=False)

    def forward(self, x):
        out = F.relu(self.bn1(x))
        shortcut = self.shortcut(out) if hasattr(self, "shortcut") else x
        out = self.conv1(out)
        return self.conv2(F.relu(self.bn2(out))) + shortcut


class Res2Block(nn.Module):
    """Res2Net's hierarchical split (Gao et al. 2019)."""

    def __init__(self, channels, scale=4):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(channels // scale, channels // scale, 3, 1, 1) for _ in range(scale - 1))
        self.scale = scale

    def forward(self, x):
        parts = list(torch.chunk(x, self.scale, 1))
        outs = [parts[0]]
        for part, conv in zip(parts[1:], self.convs, strict=True):
            outs.append(F.relu(conv(part if len(outs) == 1 else part + outs[-1])))
        return torch.cat(outs, 1) + x


class ResidualAttention(nn.Module):
    """CBAM (Woo et al. 2018): channel, then spatial attention."""

    def __init__(self, channels):
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Conv2d(channels, channels // 2, 1), nn.ReLU(), nn.Conv2d(channels // 2, channels, 1)
        )
        self.conv = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x):
        x = x * torch.sigmoid(self.mlp(F.adaptive_avg_pool2d(x, 1)) + self.mlp(F.adaptive_max_pool2d(x, 1)))
        pooled = torch.cat([x.mean(1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)
        return x * self.conv(pooled).sigmoid()


class StochasticDepth(nn.Module):
    """Huang et al. 2016."""

    def __init__(self, block, p=0.3):
        super().__init__()
        self.block, self.p = block, p

    def forward(self, x):
        out = self.block(x)
        if self.training:
            mask = out.new_empty((x.shape[0], 1, 1, 1)).bernoulli_(1 - self.p)
            out = out * mask / (1 - self.p)
        return x + out


class ResNet(nn.Module):
    """He et al. 2016."""

    def __init__(self, *blocks):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        )
        self.layers = nn.Sequential(*blocks)
        self.pool, self.fc = nn.AdaptiveAvgPool2d((1, 1)), nn.LazyLinear(10)

    def forward(self, x):
        x = self.pool(self.layers(self.stem(x)))
        return self.fc(torch.flatten(x, 1))


NETWORKS = {
    "ResNet": lambda: ResNet(Basic(8, 8), Basic(8, 16, 2)),
    "ResNet bottleneck": lambda: ResNet(Bottleneck(8, 16), Bottleneck(16, 32, 2)),
    "pre-activation ResNet": lambda: ResNet(PreActivation(8, 8), PreActivation(8, 16, 2)),
    "ResNeXt": lambda: ResNet(Bottleneck(8, 32, groups=4, width=2), Bottleneck(32, 32, 2, groups=4)),
    "Wide ResNet": lambda: ResNet(PreActivation(8, 24), nn.Dropout(0.3), PreActivation(24, 24)),
    "SE-Net": lambda: ResNet(Bottleneck(8, 16, se=True), Bottleneck(16, 32, 2, se=True)),
    "Res2Net": lambda: ResNet(Res2Block(8), Res2Block(8)),
    "CBAM": lambda: ResNet(Basic(8, 8), ResidualAttention(8)),
    "stochastic depth": lambda: ResNet(StochasticDepth(PreActivation(8, 8)), StochasticDepth(PreActivation(8, 8))),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_residual_networks_are_exact(name):
    module = NETWORKS[name]()
    example = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    module.eval()(example)
    assert_exact(prepared(module), example)

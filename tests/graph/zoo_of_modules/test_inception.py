import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.graph.zoo_of_modules.exact import assert_exact, prepared


class ConvBlock(nn.Module):
    def __init__(self, a, b, **kwargs):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(a, b, bias=False, **kwargs), nn.BatchNorm2d(b, eps=0.001)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Inception(nn.Module):
    """Szegedy et al. 2015."""

    def __init__(self, a, b):
        super().__init__()
        self.branch1 = ConvBlock(a, b, kernel_size=1)
        self.branch2 = nn.Sequential(ConvBlock(a, b, kernel_size=1), ConvBlock(b, b, kernel_size=3, padding=1))
        self.branch3 = nn.Sequential(ConvBlock(a, b, kernel_size=1), ConvBlock(b, b, kernel_size=5, padding=2))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1), ConvBlock(a, b, kernel_size=1))

    def forward(self, x):
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class GoogLeNet(nn.Module):
    """With the auxiliary head that only training uses."""

    def __init__(self):
        super().__init__()
        self.stem = ConvBlock(3, 8, kernel_size=7, stride=2, padding=3)
        self.inception1, self.inception2 = Inception(8, 4), Inception(16, 4)
        self.aux, self.dropout, self.fc = nn.Linear(16, 10), nn.Dropout(0.4), nn.Linear(16, 10)

    def forward(self, x):
        x = self.inception1(F.max_pool2d(self.stem(x), 3, 2, 1))
        aux = self.aux(x.mean((2, 3))) if self.training else None
        x = F.adaptive_avg_pool2d(self.inception2(x), 1)
        out = self.fc(self.dropout(torch.flatten(x, 1)))
        return (out, aux) if self.training else out


class Factorized(nn.Module):
    """Inception v3's factorized 7 x 7 (Szegedy et al. 2016)."""

    def __init__(self, a, b):
        super().__init__()
        self.tall, self.wide = (
            ConvBlock(a, b, kernel_size=(7, 1), padding=(3, 0)),
            ConvBlock(b, b, kernel_size=(1, 7), padding=(0, 3)),
        )
        self.pool = ConvBlock(a, b, kernel_size=1)

    def forward(self, x):
        return torch.cat([self.wide(self.tall(x)), self.pool(F.avg_pool2d(x, kernel_size=3, stride=1, padding=1))], 1)


class Separable(nn.Module):
    def __init__(self, a, b, k):
        super().__init__()
        self.depthwise, self.pointwise = (
            nn.Conv2d(a, a, k, padding=k // 2, groups=a, bias=False),
            nn.Conv2d(a, b, 1, bias=False),
        )
        self.bn = nn.BatchNorm2d(b)

    def forward(self, x):
        return self.bn(self.pointwise(self.depthwise(F.relu(x))))


class PNASCell(nn.Module):
    """PNASNet-5's cell (Liu et al. 2018), from its figure: five sums of two operations on two inputs."""

    def __init__(self, before, now, out):
        super().__init__()
        self.prev, self.cur = ConvBlock(before, out, kernel_size=1), ConvBlock(now, out, kernel_size=1)
        self.s5, self.s7 = Separable(out, out, 5), Separable(out, out, 7)
        self.s5b, self.s3, self.s3b, self.s3c = (Separable(out, out, k) for k in (5, 3, 3, 3))
        self.one = nn.Conv2d(out, out, 1)

    def forward(self, before, now):
        p, c = self.prev(before), self.cur(now)
        a = self.s5(p) + F.max_pool2d(p, 3, 1, 1)
        b = self.s7(c) + F.max_pool2d(c, 3, stride=1, padding=1)
        d = self.s5b(c) + self.s3(c)
        e = self.s3b(d) + F.max_pool2d(c, 3, 1, 1)
        f = self.s3c(p) + self.one(c)
        return torch.cat([a, b, d, e, f], 1)


class PNASNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.cells = nn.ModuleList([PNASCell(8, 8, 4), PNASCell(8, 20, 4)])
        self.fc = nn.Linear(20, 10)

    def forward(self, x):
        before = now = self.stem(x)
        for cell in self.cells:
            before, now = now, cell(before, now)
        return self.fc(F.relu(now).mean([2, 3]))


class Xception(nn.Module):
    """Chollet 2017."""

    def __init__(self):
        super().__init__()
        self.stem, self.sep1, self.sep2 = ConvBlock(3, 8, kernel_size=3), Separable(8, 16, 3), Separable(16, 16, 3)
        self.skip, self.fc = nn.Conv2d(8, 16, 1, 2, bias=False), nn.Linear(16, 10)

    def forward(self, x):
        x = self.stem(x)
        x = F.max_pool2d(self.sep2(self.sep1(x)), 3, 2, 1) + self.skip(x)
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, (1, 1)), 1))


NETWORKS = {
    "GoogLeNet": GoogLeNet,
    "Inception v3": lambda: nn.Sequential(Factorized(3, 8), Factorized(16, 8), nn.AdaptiveAvgPool2d(1)),
    "PNASNet": PNASNet,
    "Xception": Xception,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_inception_networks_are_exact(name):
    example = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert_exact(prepared(NETWORKS[name]()), example)

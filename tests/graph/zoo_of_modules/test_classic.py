import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.graph.zoo_of_modules.exact import assert_exact, prepared


class LeNet(nn.Module):
    """LeNet-5 (LeCun et al. 1998)."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(256, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(torch.tanh(self.conv1(x)), 2)
        x = F.max_pool2d(torch.tanh(self.conv2(x)), 2)
        x = torch.tanh(self.fc1(torch.flatten(x, 1)))
        return self.fc3(torch.tanh(self.fc2(x)))


class AlexNet(nn.Module):
    """AlexNet (Krizhevsky et al. 2012), an eighth as wide."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 11, 4, 2), nn.ReLU(inplace=True), nn.LocalResponseNorm(5), nn.MaxPool2d(3, 2),
            nn.Conv2d(8, 24, 5, padding=2, groups=2), nn.ReLU(inplace=True), nn.LocalResponseNorm(5),
            nn.MaxPool2d(3, 2), nn.Conv2d(24, 48, 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(48, 32, 3, padding=1, groups=2), nn.ReLU(inplace=True),
            nn.Conv2d(32, 32, 3, padding=1, groups=2), nn.ReLU(inplace=True),
        )  # fmt: skip
        self.avgpool = nn.AdaptiveAvgPool2d((3, 3))
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Linear(288, 64), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(64, 64),
            nn.ReLU(inplace=True), nn.Linear(64, 10),
        )  # fmt: skip

    def forward(self, x):
        x = self.avgpool(self.features(x))
        return self.classifier(x.view(x.size(0), -1))


def vgg(plan=(8, "M", 16, "M", 32, 32, "M")):
    """VGG (Simonyan & Zisserman 2015), with batch normalisation."""
    layers, channels = [], 3
    for entry in plan:
        if entry == "M":
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers += [nn.Conv2d(channels, entry, 3, padding=1), nn.BatchNorm2d(entry), nn.ReLU(True)]
            channels = entry
    head = [nn.Flatten(), nn.Linear(channels * 16, 32), nn.ReLU(True), nn.Dropout(), nn.Linear(32, 10)]
    return nn.Sequential(nn.Sequential(*layers), nn.Sequential(*head))


def nin():
    """Network in network (Lin et al. 2014)."""

    def block(a, b, k):
        return [
            nn.Conv2d(a, b, k, padding=k // 2),
            nn.ReLU(),
            nn.Conv2d(b, b, 1),
            nn.ReLU(),
            nn.Conv2d(b, b, 1),
            nn.ReLU(),
        ]

    return nn.Sequential(
        *block(3, 12, 5), nn.MaxPool2d(3, 2, ceil_mode=True), nn.Dropout(0.5), *block(12, 10, 3),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )  # fmt: skip


class Fire(nn.Module):
    def __init__(self, inputs, squeeze, expand):
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeeze, 1)
        self.expand1x1, self.expand3x3 = nn.Conv2d(squeeze, expand, 1), nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x):
        x = F.relu(self.squeeze(x))
        return torch.cat([F.relu(self.expand1x1(x)), F.relu(self.expand3x3(x))], 1)


def squeezenet():
    """SqueezeNet (Iandola et al. 2016)."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, ceil_mode=True), Fire(16, 4, 8),
        Fire(16, 4, 8), nn.Dropout(0.5), nn.Conv2d(16, 10, 1), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1)),
        nn.Flatten(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("build", "size"),
    [(LeNet, (1, 28)), (AlexNet, (3, 96)), (vgg, (3, 32)), (nin, (3, 16)), (squeezenet, (3, 32))],
    ids=["LeNet", "AlexNet", "VGG", "NiN", "SqueezeNet"],
)
def test_classic_networks_are_exact(build, size):
    channels, width = size
    example = torch.randn(2, channels, width, width, generator=torch.Generator().manual_seed(0))
    assert_exact(prepared(build()), example)

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.graph.zoo_of_modules.exact import assert_exact, prepared


def double(a, b, conv=nn.Conv2d, norm=nn.BatchNorm2d):
    return nn.Sequential(
        conv(a, b, 3, padding=1), norm(b), nn.ReLU(True), conv(b, b, 3, padding=1), norm(b), nn.ReLU(True)
    )


class UNet(nn.Module):
    """Ronneberger et al. 2015."""

    def __init__(self):
        super().__init__()
        self.down1, self.down2, self.bottom = double(3, 8), double(8, 16), double(16, 32)
        self.up2, self.dec2 = nn.ConvTranspose2d(32, 16, 2, stride=2), double(32, 16)
        self.up1, self.dec1 = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), double(24, 8)
        self.out = nn.Conv2d(8, 2, 1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        c = self.up2(self.bottom(F.max_pool2d(b, 2)))
        dy, dx = b.size(2) - c.size(2), b.size(3) - c.size(3)
        c = F.pad(c, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
        b = self.dec2(torch.cat([b, c], dim=1))
        return self.out(self.dec1(torch.cat([a, self.up1(b)], dim=1)))


class VNet(nn.Module):
    """V-Net (Milletari et al. 2016), three dimensions, PReLU."""

    def __init__(self):
        super().__init__()
        self.enc = nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.InstanceNorm3d(4, affine=True), nn.PReLU(4))
        self.down, self.up = nn.Conv3d(4, 8, 2, 2), nn.ConvTranspose3d(8, 4, 2, 2)
        self.act, self.out = nn.PReLU(), nn.Conv3d(8, 2, 1)

    def forward(self, x):
        a = self.enc(x)
        b = self.act(self.up(self.act(self.down(a))))
        return F.softmax(self.out(torch.cat([a, b], 1)), dim=1)


class SegNet(nn.Module):
    """Badrinarayanan et al. 2017: the decoder unpools to where the encoder found its maxima."""

    def __init__(self):
        super().__init__()
        self.enc, self.dec = double(3, 8), nn.Conv2d(8, 4, 3, padding=1)
        self.pool, self.unpool = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)

    def forward(self, x):
        x, indices = self.pool(self.enc(x))
        return self.dec(self.unpool(x, indices))


class FCN(nn.Module):
    """Long et al. 2015: upsampled scores are added."""

    def __init__(self):
        super().__init__()
        self.a, self.b = double(3, 8), double(8, 16)
        self.score_a, self.score_b = nn.Conv2d(8, 4, 1), nn.Conv2d(16, 4, 1)
        self.up = nn.ConvTranspose2d(4, 4, 4, 2, 1, bias=False, groups=4)

    def forward(self, x):
        a = self.a(x)
        b = self.b(F.max_pool2d(a, 2))
        return self.up(self.score_b(b)) + self.score_a(a)


class Pyramid(nn.Module):
    """DeepLab's atrous spatial pyramid (Chen et al. 2017)."""

    def __init__(self):
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Conv2d(3, 6, 3, padding=d, dilation=d, padding_mode=mode)
            for d, mode in ((1, "reflect"), (2, "zeros"), (3, "circular"))
        )
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(3, 6, 1))
        self.project = nn.Sequential(nn.Conv2d(24, 8, 1), nn.GroupNorm(2, 8), nn.ReLU())

    def forward(self, x):
        outs = [branch(x) for branch in self.branches]
        pooled = F.interpolate(self.pool(x), size=x.shape[-2:], mode="bilinear", align_corners=False)
        return self.project(torch.cat([*outs, pooled], dim=1))


def generator():
    """DCGAN's generator (Radford et al. 2016)."""
    return nn.Sequential(
        nn.ConvTranspose2d(10, 16, 4, 1, 0, bias=False), nn.BatchNorm2d(16), nn.ReLU(True),
        nn.ConvTranspose2d(16, 8, 4, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(True),
        nn.ConvTranspose2d(8, 3, 4, 2, 1, bias=False), nn.Tanh(),
    )  # fmt: skip


class VAE(nn.Module):
    """Kingma & Welling 2014, convolutional; it draws numbers in forward."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(512, 8))
        self.decoder = nn.Sequential(nn.Linear(4, 512), nn.Unflatten(1, (8, 8, 8)), nn.ConvTranspose2d(8, 3, 4, 2, 1))

    def forward(self, x):
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        std = torch.exp(0.5 * log_variance)
        z = mean + torch.randn_like(std) * std if self.training else mean
        return torch.sigmoid(self.decoder(z)), mean, log_variance


class SuperResolution(nn.Module):
    """ESPCN (Shi et al. 2016): sub-pixel convolution."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 5, padding=2), nn.Tanh(), nn.Conv2d(8, 12, 3, padding=1), nn.PixelShuffle(2)
        )

    def forward(self, x):
        return self.body(x).clamp(0, 1)


IMAGE, VOLUME = (2, 3, 16, 16), (2, 1, 8, 8, 8)
NETWORKS = {
    "U-Net": (UNet, IMAGE),
    "V-Net": (VNet, VOLUME),
    "SegNet": (SegNet, IMAGE),
    "FCN": (FCN, IMAGE),
    "DeepLab": (Pyramid, IMAGE),
    "DCGAN": (generator, (2, 10, 1, 1)),
    "VAE": (VAE, IMAGE),
    "ESPCN": (SuperResolution, IMAGE),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_image_to_image_networks_are_exact(name):
    build, shape = NETWORKS[name]
    assert_exact(prepared(build()), torch.randn(shape, generator=torch.Generator().manual_seed(0)))

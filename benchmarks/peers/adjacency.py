"""A convolutional VAE over the adjacency matrix."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from netgraph import NetGraph
from netgraph.training import Example
from peers.base import Peer
from peers.fit import Schedule, in_parts, kl, masked_error, noisy, seeded, shuffled, train_for
from peers.grid import N_TRAITS, Grid, Scaler
from peers.plan import ACTIVATIONS, Bounds, Plan, plan_of

#: Channels of the matrix: weight, presence, one for each activation, and whether there is an Add.
CHANNELS = 3 + len(ACTIVATIONS)
#: Weight of the KL term, in nats for each network.
BETA = 1e-5


@dataclass(frozen=True)
class Entries:
    """The entries of adjacency matrices that are there, padded by an entry beyond the matrix's end.

    Attributes:
        pixel: Row times side plus column, [n, entries] long.
        value: Standardized weight, [n, entries].
        types: Activation (one-hot) and Add of each column's vertex, [n, types, side].
    """

    pixel: Tensor
    value: Tensor
    types: Tensor


class AdjacencyVAE(Peer):
    """A VAE (Kingma and Welling 2014) with 2-D convolutions over the dense weighted adjacency matrix.

    Each vertex of the largest network has a row and a column of its own: inputs, hidden units, output. Two more rows
    hold biases and those of LayerNorms, the diagonal their gains. Beside the weights, standardized layer by layer,
    channels say which entries are there and, in the columns of a hidden layer, which activation follows. Errors of
    weights and types are taken where the true matrix has entries. The architecture is read from the presence of
    biases and of input edges. A linear path from the weights to the latent and back runs beside the convolutions,
    which alone are slow to learn weights.
    """

    name = "adjacency-matrix convolutional VAE"

    def __init__(self, latent_size: int, seed: int = 0, bounds: Bounds = Bounds(), width: int = 16) -> None:
        super().__init__(latent_size, seed)
        self.grid, self.width = Grid(bounds), width
        self.output = bounds.inputs + bounds.depth * bounds.width
        self.side = -(-(self.output + 3) // 8) * 8

    def fit(self, train: Sequence[Example], seconds: float) -> None:
        """Train it; matrices are filled in batch by batch."""
        graphs = [example.graph for example in train]
        self.scaler = Scaler(self.grid, self.grid.lay(graphs))
        entries = self._entries(graphs)
        with seeded(self.seed) as generator:
            self.encoder = ConvolutionEncoder(self.latent_size, self.width, self.side)
            self.decoder = ConvolutionDecoder(self.latent_size, self.width, self.side)

            def loss(batch: Tensor) -> Tensor:
                image = self._image(entries, batch)
                mean, log_variance = self.encoder(image)
                seen = self.decoder(noisy(mean, log_variance, generator))
                return image_error(seen, image) + BETA * kl(mean, log_variance)

            module = nn.ModuleList([self.encoder, self.decoder])
            train_for(module, loss, shuffled(len(graphs), 16), Schedule(seconds, 3e-3), generator)

    def encode(self, graphs: Sequence[NetGraph]) -> Tensor:
        """Give the means."""
        entries = self._entries(graphs)
        return in_parts(lambda batch: self.encoder(self._image(entries, batch))[0], torch.arange(len(graphs)))

    def decode(self, z: Tensor) -> list[NetGraph | None]:
        """Read the architectures, and then the weights where these have them."""
        found: list[NetGraph | None] = []
        for part in z.split(256):
            images = in_parts(self.decoder, part)
            found += [self._network(image) for image in images]
        return found

    def _network(self, image: Tensor) -> NetGraph | None:
        plan = self.grid.read_code(self._codes(image[1:].sigmoid())) if bool(image.isfinite().all()) else None
        if plan is None:
            return None
        at, _ = self.grid.places(plan)
        values = torch.zeros(self.grid.size)
        values[at] = image[0].flatten()[self._pixels(plan)]
        return self.grid.network(plan, self.scaler.restore(values))

    def _codes(self, channels: Tensor) -> Tensor:
        """Read an architecture's codes from the probabilities of presence and types, [channels - 1, side, side]."""
        bounds, presence = self.grid.bounds, channels[0]
        units = slice(bounds.inputs, self.output)
        sure = slice(bounds.inputs, bounds.inputs + bounds.least_width)
        unit = presence[self.output + 1, units].unflatten(0, (bounds.depth, bounds.width))
        weight = unit / unit.sum(dim=1, keepdim=True)  # how much each unit has to say of its layer, [depth, width]
        gain = presence.diagonal()[units].unflatten(0, unit.shape)
        types = channels[1:, self.output + 1, units].unflatten(1, unit.shape)
        traits = (torch.cat([types[:-1], gain[None], types[-1:]]) * weight).sum(dim=2).T  # [depth, traits]
        return torch.cat([presence[: bounds.inputs, sure].mean(dim=1), torch.cat([unit, traits], dim=1).flatten()])

    def _entries(self, graphs: Sequence[NetGraph]) -> Entries:
        most = max(graph.architecture.state_size for graph in graphs)
        standardized = self.scaler.standardize(self.grid.lay(graphs))
        pixel, value = torch.full((len(graphs), most), self.side**2), torch.zeros(len(graphs), most)
        types = torch.zeros(len(graphs), CHANNELS - 2, self.side)
        for i, graph in enumerate(graphs):
            plan = plan_of(graph.architecture)
            at, _ = self.grid.places(plan)
            pixel[i, : len(at)], value[i, : len(at)] = self._pixels(plan), standardized[i, at]
            types[i, :, self.grid.bounds.inputs : self.output] = self._types(plan)
        return Entries(pixel, value, types)

    def _types(self, plan: Plan) -> Tensor:
        """Give the types of the hidden units' columns, [types, depth * width]."""
        bounds = self.grid.bounds
        rows = self.grid.code(plan)[bounds.inputs :].unflatten(0, (bounds.depth, bounds.width + N_TRAITS))
        traits = rows[:, bounds.width :].T
        return torch.cat([traits[:-2], traits[-1:]]).repeat_interleave(bounds.width, dim=1)

    def _pixels(self, plan: Plan) -> Tensor:
        """Give the entry that each state element stands in, [P]."""
        grid, bounds = self.grid, self.grid.bounds
        at, _ = grid.places(plan)
        unit, column = at // grid.columns, at % grid.columns
        level = torch.where(unit == grid.units - 1, len(plan.levels), unit // bounds.width)
        before = torch.where(level == 0, 0, bounds.inputs + (level - 1) * bounds.width)
        target = bounds.inputs + unit
        special = torch.stack([torch.full_like(unit, self.output + 1), target, torch.full_like(unit, self.output + 2)])
        which = (column - grid.fan).clamp(min=0)
        source = torch.where(column < grid.fan, before + column, special.gather(0, which[None])[0])
        return source * self.side + target

    def _image(self, entries: Entries, batch: Tensor) -> Tensor:
        """Fill in the matrices of some networks, [batch, channels, side, side]."""
        pixel = entries.pixel[batch]
        flat = torch.zeros(2, len(batch), self.side**2 + 1)
        flat[0].scatter_(1, pixel, entries.value[batch])
        flat[1].scatter_(1, pixel, 1.0)
        weight, presence = flat[..., :-1].unflatten(2, (self.side, self.side))
        types = entries.types[batch][:, :, None] * presence[:, None]
        return torch.cat([weight[:, None], presence[:, None], types], dim=1)


def image_error(seen: Tensor, true: Tensor) -> Tensor:
    """Add the errors of weights, presence and types, [n, channels, side, side] each."""
    mask = true[:, 1:2]
    types = F.binary_cross_entropy_with_logits(seen[:, 2:], true[:, 2:], reduction="none") * mask
    presence = F.binary_cross_entropy_with_logits(seen[:, 1], true[:, 1])
    # A layer's entries all say the same of its type; presence is decided at few of the many entries.
    return masked_error(seen[:, :1], true[:, :1], mask) + 10 * presence + types.sum() / mask.sum().clamp(min=1)


class ConvolutionEncoder(nn.Module):
    """Three convolutions of stride 2 and a linear layer to mean and log-variance; a linear path for the weights."""

    def __init__(self, latent_size: int, width: int, side: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise((CHANNELS, width, 2 * width, 4 * width)):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.GroupNorm(4, after), nn.GELU()]
        self.convolutions = nn.Sequential(*layers, nn.Flatten())
        self.leave = nn.Linear(4 * width * (side // 8) ** 2, 2 * latent_size)
        self.straight = nn.Linear(side**2, latent_size)
        nn.init.constant_(self.leave.bias[latent_size:], -4.0)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Give mean and log-variance, [n, latent] each."""
        mean, log_variance = self.leave(self.convolutions(image)).chunk(2, dim=1)
        return mean + self.straight(image[:, 0].flatten(1)), log_variance.clamp(-12, 4)


class ConvolutionDecoder(nn.Module):
    """The mirror image."""

    def __init__(self, latent_size: int, width: int, side: int) -> None:
        super().__init__()
        self.shape = (4 * width, side // 8, side // 8)
        self.enter = nn.Linear(latent_size, 4 * width * (side // 8) ** 2)
        self.straight = nn.Linear(latent_size, side**2)
        layers: list[nn.Module] = []
        for before, after in pairwise((4 * width, 2 * width, width)):
            layers += [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1), nn.GroupNorm(4, after), nn.GELU()]
        self.convolutions = nn.Sequential(*layers, nn.ConvTranspose2d(width, CHANNELS, 4, stride=2, padding=1))

    def forward(self, z: Tensor) -> Tensor:
        """Give weights and logits, [n, channels, side, side]."""
        image = self.convolutions(F.gelu(self.enter(z)).unflatten(1, self.shape))
        weight = image[:, :1] + self.straight(z).view_as(image[:, :1])
        return torch.cat([weight, image[:, 1:]], dim=1)

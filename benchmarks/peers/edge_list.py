"""A transformer over the list of edges."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from netgraph import NetGraph
from netgraph.errors import NetGraphError
from netgraph.training import Example
from peers.base import Peer
from peers.edges import NOTHING, candidates, edges_of, level_of, types_of
from peers.fit import Schedule, by_length, in_parts, kl, masked_error, noisy, seeded, train_for
from peers.grid import Grid
from peers.plan import Bounds, Plan, plan_of

#: Latent numbers of a slot.
SLOT = 8
#: Weight of the KL term, in nats for each network.
BETA = 1e-5


@dataclass(frozen=True)
class Lists:
    """Edges of networks, standardized: source, target, weight and type, [n, longest, 4], and their number, [n]."""

    tokens: Tensor
    length: Tensor

    @property
    def mask(self) -> Tensor:
        """Whether a place of a list holds an edge, [n, longest]."""
        return torch.arange(self.tokens.shape[1]) < self.length[:, None]

    def take(self, batch: Tensor) -> "Lists":
        """Give some of the lists, cut to the longest among them."""
        length = self.length[batch]
        return Lists(self.tokens[batch, : int(length.max())], length)


class EdgeList(Peer):
    """The first implementation of a graph VAE over network weights: a transformer VAE whose token is an edge.

    As it was: an edge is four numbers (source, target, weight, type), and the loss is the mean squared error of all
    four. Repaired so that it runs: biases and LayerNorms are edges too (from a vertex of their own, and from a unit
    to itself); the type says which activation follows; the four numbers are standardized; each network's latent is
    its own, attention pooled, in place of that of the batch's first network; lists are as long as the longest
    network needs rather than 350. To give it more steps in its time, places of the list are decoded side by side
    from the latent, and of them an eighth at random in a step. What it decodes becomes the network within the
    bounds whose edges are the nearest to the decoded sources and targets; types are averaged over a layer. A linear
    path from the list to the latent and back runs beside the transformers, as in every peer that is trained.
    """

    name = "edge-list transformer VAE"

    def __init__(self, latent_size: int, seed: int = 0, bounds: Bounds = Bounds(), width: int = 48) -> None:
        super().__init__(latent_size, seed)
        if latent_size % SLOT:
            raise NetGraphError(f"latent size {latent_size} is not a multiple of the edge list's slots of {SLOT}")
        self.grid, self.width = Grid(bounds), width

    def fit(self, train: Sequence[Example], seconds: float) -> None:
        """Train it on batches of networks of similar length."""
        graphs = [example.graph for example in train]
        self.longest = max(graph.architecture.state_size for graph in graphs)
        self.mean, self.deviation = torch.zeros(4), torch.ones(4)
        present = (found := self._lists(graphs)).tokens[found.mask]
        self.mean, self.deviation = present.mean(dim=0), present.std(dim=0).clamp(min=1e-3)
        lists = self._lists(graphs)
        with seeded(self.seed) as generator:
            self.encoder = ListEncoder(self.latent_size, self.width, self.longest)
            self.decoder = ListDecoder(self.latent_size, self.width, self.longest)

            def loss(batch: Tensor) -> Tensor:
                mean, log_variance = self.encoder(lists.take(batch))
                places = torch.randperm(self.longest, generator=generator)[: max(16, self.longest // 8)]
                seen = self.decoder(noisy(mean, log_variance, generator), places)
                true, mask = lists.tokens[batch][:, places], lists.mask[batch][:, places, None].expand(-1, -1, 4)
                error = masked_error(seen, true, mask) + masked_error(seen, true, ~mask)
                return error + BETA * kl(mean, log_variance)

            module = nn.ModuleList([self.encoder, self.decoder])
            train_for(module, loss, by_length(lists.length, 16), Schedule(seconds, 1e-3, warmup=0.1), generator)

    def encode(self, graphs: Sequence[NetGraph]) -> Tensor:
        """Give the means."""
        lists = self._lists(graphs)
        return in_parts(lambda batch: self.encoder(lists.take(batch))[0], torch.arange(len(graphs)), 64)

    def decode(self, z: Tensor) -> list[NetGraph | None]:
        """Read the nearest networks."""
        tokens = in_parts(self.decoder, z, 64)
        sizes, table = candidates(self.grid.bounds, self.longest)
        table = ((table - self.mean[:2]) / self.deviation[:2]).flatten(1)
        squares = table.square().sum(dim=1)
        nearest = in_parts(lambda part: (squares - 2 * part @ table.T).argmin(dim=1), tokens[..., :2].flatten(1))
        raw = tokens * self.deviation + self.mean
        return [self._network(row, *sizes[i]) for row, i in zip(raw, nearest.tolist(), strict=True)]

    def _network(self, tokens: Tensor, inputs: int, widths: tuple[int, ...]) -> NetGraph | None:
        """Read types and weights of a network of known sizes from its list, [longest, 4]."""
        if not tokens.isfinite().all():
            return None
        bare = edges_of(Plan(inputs, tuple(level_of(width, 0) for width in widths)), self.grid)
        level = torch.from_numpy(bare.level)
        numbers = [float(tokens[: len(level), 3][level == i].mean()) for i in range(len(widths))]
        plan = Plan(inputs, tuple(map(level_of, widths, numbers)))
        place = torch.from_numpy(edges_of(plan, self.grid).place)[: len(tokens)]
        values = torch.zeros(self.grid.size)
        values[place] = tokens[: len(place), 2]
        return self.grid.network(plan, values)

    def _lists(self, graphs: Sequence[NetGraph]) -> Lists:
        """List the edges of networks; what is beyond the longest list is left out."""
        tables = self.grid.lay(graphs)
        raw = torch.zeros(len(graphs), self.longest, 4) + self.mean
        raw[..., :2] = NOTHING
        for row, values, graph in zip(raw, tables.values, graphs, strict=True):
            plan = plan_of(graph.architecture)
            edges = edges_of(plan, self.grid)
            columns = (
                torch.from_numpy(edges.source),
                torch.from_numpy(edges.target),
                values[edges.place],
                types_of(plan)[edges.level],
            )
            token = torch.stack([column.float() for column in columns], dim=1)[: self.longest]
            row[: len(token)] = token
        length = torch.tensor([graph.architecture.state_size for graph in graphs]).clamp(max=self.longest)
        return Lists((raw - self.mean) / self.deviation, length)


def waves(x: Tensor, width: int) -> Tensor:
    """Give sines and cosines of numbers of order 1, with wavelengths from 16 to 1/16, [...] to [..., width]."""
    angle = x[..., None] * torch.logspace(-4, 4, width // 2, base=2.0) * (2 * torch.pi)
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


class ListEncoder(nn.Module):
    """A transformer over the edges and attention pooling into slots; a linear path beside them."""

    def __init__(self, latent_size: int, width: int, longest: int, layers: int = 2) -> None:
        super().__init__()
        self.width = width
        self.enter = nn.Linear(4 + 2 * width, width)
        self.mix = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        self.transformer = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.query = nn.Parameter(torch.randn(latent_size // SLOT, width))
        self.pool = nn.MultiheadAttention(width, 4, batch_first=True)
        self.leave = nn.Linear(width, 2 * SLOT)
        self.straight, self.longest = nn.Linear(4 * longest, latent_size), longest
        nn.init.constant_(self.leave.bias[SLOT:], -4.0)

    def forward(self, lists: Lists) -> tuple[Tensor, Tensor]:
        """Give mean and log-variance, [n, latent] each."""
        padding = ~lists.mask
        ends = waves(lists.tokens[..., :2], self.width).flatten(2)
        tokens = self.enter(torch.cat([lists.tokens, ends], dim=-1))
        tokens = self.transformer(tokens + self.mix(tokens), src_key_padding_mask=padding)
        query = self.query.expand(len(tokens), -1, -1)
        slots, _ = self.pool(query, tokens, tokens, key_padding_mask=padding, need_weights=False)
        mean, log_variance = self.leave(slots).split(SLOT, dim=-1)
        whole = F.pad(lists.tokens * lists.mask[..., None], (0, 0, 0, self.longest - lists.tokens.shape[1]))
        return mean.flatten(1) + self.straight(whole.flatten(1)), log_variance.flatten(1).clamp(-12, 4)


class ListDecoder(nn.Module):
    """A transformer over the slots, which the places of the list then read; a linear path beside them."""

    def __init__(self, latent_size: int, width: int, longest: int, layers: int = 2) -> None:
        super().__init__()
        self.enter, self.whole = nn.Linear(SLOT, width), nn.Linear(latent_size, width)
        self.slot = nn.Parameter(torch.randn(latent_size // SLOT, width) / 4)
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        self.transformer = nn.TransformerEncoder(layer, 1, nn.LayerNorm(width), enable_nested_tensor=False)
        self.place = nn.Embedding.from_pretrained(waves(torch.linspace(-2, 2, longest), width), freeze=False)
        self.readers = nn.ModuleList([Reader(width) for _ in range(layers)])
        self.leave, self.straight = nn.Linear(width, 4), nn.Linear(latent_size, 4 * longest)

    def forward(self, z: Tensor, places: Tensor | None = None) -> Tensor:
        """Give the four numbers of some places of the list, all of them when None, [n, places, 4]."""
        slots = self.transformer(self.enter(z.unflatten(1, (-1, SLOT))) + self.slot)
        place = self.place.weight if places is None else self.place(places)
        x = place + self.whole(z)[:, None]  # [n, places, width]
        for reader in self.readers:
            x = reader(x, slots)
        straight = self.straight(z).unflatten(1, (-1, 4))
        return self.leave(x) + (straight if places is None else straight[:, places])


class Reader(nn.Module):
    """A decoder layer without self-attention."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.forward_part = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, slots: Tensor) -> Tensor:
        """Let every place read the slots, [n, places, width] and [n, slots, width]."""
        seen, _ = self.attention(self.before(x), slots, slots, need_weights=False)
        x = x + seen
        return x + self.forward_part(self.between(x))

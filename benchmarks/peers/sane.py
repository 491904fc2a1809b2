"""Chunked tokens of weights, in the manner of SANE."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from netgraph import NetGraph
from netgraph.errors import NetGraphError
from netgraph.training import Example
from peers.base import Peer
from peers.fit import Schedule, code_error, in_parts, masked_error, seeded, shuffled, train_for
from peers.grid import Grid, Scaler, Tables
from peers.plan import Bounds


class SANE(Peer):
    """An autoencoder over tokens of weights (Schürholt, Mahoney and Borth 2024, arXiv 2406.09997).

    From the paper: a token is a unit's incoming weights, standardized layer by layer; tokens have latents of their own,
    which are the bottleneck; a transformer encodes and another decodes; it is trained on windows of the sequence
    and applied to all of it; the error counts what is no padding, and is divided by that. Changed so that it runs
    here: the architecture, which SANE takes as given, is written into a few tokens of its own, so that the padded
    sequence has the same length for every network and the latents of all tokens together have the size that all
    peers have. Left out: the contrastive term, without which it rebuilds better.
    """

    name = "SANE: chunked tokens, standardized layer by layer"

    def __init__(
        self, latent_size: int, seed: int = 0, bounds: Bounds = Bounds(), width: int = 64, layers: int = 2
    ) -> None:
        super().__init__(latent_size, seed)
        self.grid, self.width, self.layers = Grid(bounds), width, layers
        self.code_tokens = -(-self.grid.n_codes // self.grid.columns)
        self.tokens = self.grid.units + self.code_tokens
        if latent_size % self.tokens:
            raise NetGraphError(f"latent size {latent_size} is not a multiple of SANE's {self.tokens} tokens")

    def fit(self, train: Sequence[Example], seconds: float) -> None:
        """Train it on windows of half the sequence or more."""
        tables = self.grid.lay([example.graph for example in train])
        self.scaler = Scaler(self.grid, tables)
        tokens, mask, codes = self._tokens(tables), self._mask(tables), self._pad(tables.codes)
        coded = self._pad(torch.ones(1, self.grid.n_codes))[0].bool()  # what is no padding
        with seeded(self.seed) as generator:
            size = self.latent_size // self.tokens
            self.encoder = TokenMap(self.grid.columns, size, self.tokens, self.width, self.layers)
            self.decoder = TokenMap(size, self.grid.columns, self.tokens, self.width, self.layers)

            def loss(batch: Tensor) -> Tensor:
                window = self._window(generator)
                seen = self.decoder(self.encoder(tokens[batch][:, window], window), window)
                is_code = window >= self.grid.units
                units, written = window[~is_code], window[is_code] - self.grid.units
                weight = masked_error(seen[:, ~is_code], tokens[batch][:, units], mask[batch][:, units])
                read, true = seen[:, is_code][:, coded[written]], codes[batch][:, written][:, coded[written]]
                return weight + (code_error(read, true) if len(written) else 0)

            module = nn.ModuleList([self.encoder, self.decoder])
            train_for(module, loss, shuffled(len(tokens), 16), Schedule(seconds, 3e-3), generator)

    def _window(self, generator: torch.Generator) -> Tensor:
        """Draw the places of a window."""
        half = -(-self.tokens // 2)
        size = int(torch.randint(half, self.tokens + 1, (), generator=generator))
        return int(torch.randint(self.tokens - size + 1, (), generator=generator)) + torch.arange(size)

    def encode(self, graphs: Sequence[NetGraph]) -> Tensor:
        """Give the latents of all tokens, one after the other."""
        return in_parts(self.encoder, self._tokens(self.grid.lay(graphs))).flatten(1)

    def decode(self, z: Tensor) -> list[NetGraph | None]:
        """Read the tokens: units first, then the architecture."""
        tokens = in_parts(self.decoder, z.unflatten(1, (self.tokens, -1)))
        values, logits = tokens[:, : self.grid.units].flatten(1), tokens[:, self.grid.units :].flatten(1)
        return self.grid.read(self.scaler.restore(values), logits[:, : self.grid.n_codes].sigmoid())

    def _tokens(self, tables: Tables) -> Tensor:
        """Give the tokens, [n, tokens, columns]."""
        units = self.scaler.standardize(tables).unflatten(1, (self.grid.units, self.grid.columns))
        return torch.cat([units, 2 * self._pad(tables.codes) - 1], dim=1)

    def _mask(self, tables: Tables) -> Tensor:
        return tables.mask.unflatten(1, (self.grid.units, self.grid.columns))

    def _pad(self, codes: Tensor) -> Tensor:
        """Cut codes into tokens, [n, codes] to [n, code tokens, columns]."""
        padded = F.pad(codes, (0, self.code_tokens * self.grid.columns - codes.shape[1]))
        return padded.unflatten(1, (self.code_tokens, self.grid.columns))


class TokenMap(nn.Module):
    """A transformer that maps tokens to tokens, with a learned embedding of the place and a linear path beside it."""

    def __init__(self, inputs: int, outputs: int, places: int, width: int, layers: int) -> None:
        super().__init__()
        self.enter, self.place = nn.Linear(inputs, width), nn.Embedding(places, width)
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        self.transformer = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.leave, self.straight = nn.Linear(width, outputs), nn.Linear(inputs, outputs)

    def forward(self, tokens: Tensor, window: Tensor | None = None) -> Tensor:
        """Map tokens, [n, tokens, inputs] to [n, tokens, outputs], that stand at the places of a window, [tokens]."""
        places = self.place.weight if window is None else self.place(window)
        return self.leave(self.transformer(self.enter(tokens) + places)) + self.straight(tokens)

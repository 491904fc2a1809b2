"""The hypernet: from noise and the rows of a data set to the slots of a network that fits it, in one pass.

A hypernetwork (Ha et al. 2017) that writes latents instead of weights. It is trained by the errors of its networks:
they are decoded, their last layers are solved on the rows that it saw, and the error on other rows of the same data set
is the loss.

It reads the rows by a set transformer whose tokens do not depend on their order. Every value is a token that knows its
column, its row's target, what linear regression makes of both, what products of columns explain of the rest (principal
Hessian directions, Li 1992), and along which columns a kernel regression changes there (recursive feature machines,
Radhakrishnan et al. 2024). Attention runs in turns over the columns of a row and, through inducing points, over the
rows of a column (Lee et al. 2019, "Set Transformer"; turns as by Kossen et al. 2021 and Hollmann et al. 2025); pooling
by attention leaves a few tokens for each column.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn.aggr.utils import InducedSetAttentionBlock, PoolingByMultiheadAttention, SetAttentionBlock

from netgraph.errors import NetGraphError
from netgraph.model.attention import Block
from netgraph.model.batch import Movable, StructureBatch
from netgraph.model.config import GeneratorConfig, VAEConfig
from netgraph.model.layout import LINEAR
from netgraph.model.slots import FIRST_INCOMING, Slots, carrier_embedding, holders
from netgraph.stack import fit_kernel, fit_ridge

#: Penalty of the linear regression that the encoder is told of.
PENALTY = 1e-2
#: Values beyond it are those of no standardized data set.
LARGEST = 1e6
_CELL = 11


@dataclass(frozen=True)
class Rows(Movable):
    """Rows of B data sets, standardized.

    Attributes:
        x: Features, 0 in columns that a data set has not, [B, rows, columns].
        y: Targets, [B, rows].
        n_features: Columns of each, [B].
        tokens: What an encoder made of them, [B, columns, tokens, width]; None before that was done.
    """

    x: Tensor
    y: Tensor
    n_features: Tensor
    tokens: Tensor | None = None

    @classmethod
    def of(cls, x: Tensor, y: Tensor) -> "Rows":
        """Take one data set, x [rows, features] and y [rows].

        Raises:
            NetGraphError: When a shape is another, there are fewer than two rows, or a value is not finite.
        """
        if x.ndim != 2 or y.shape != x.shape[:1] or len(y) < 2 or not x.shape[1]:
            raise NetGraphError(f"rows x {tuple(x.shape)} and y {tuple(y.shape)}; expected [rows, features] and [rows]")
        x, y = x.float(), y.float()
        if not (x.abs().max() < LARGEST and y.abs().max() < LARGEST):
            raise NetGraphError(f"rows: a value is not finite, or beyond {LARGEST:g}; standardize columns and target")
        return cls(x[None], y[None], torch.tensor([x.shape[1]]))

    @property
    def real(self) -> Tensor:
        """Which columns are real, [B, columns]."""
        return torch.arange(self.x.shape[2], device=self.x.device) < self.n_features[:, None]

    def part(self, chosen: Tensor | list[int]) -> "Rows":
        """Return the rows of chosen data sets, which may occur more than once."""
        return self._map(lambda values: values[chosen])

    def first(self, count: int) -> "Rows":
        """Return the first rows of each data set, which have yet to be encoded."""
        return Rows(self.x[:, :count], self.y[:, :count], self.n_features)

    def __len__(self) -> int:
        return len(self.x)


class RowEncoder(nn.Module):
    """Encodes rows of any number as tokens, some for each column.

    Args:
        config: Its sizes.
        width: Width of the tokens.
        max_columns: Most columns of a data set.
    """

    def __init__(self, config: GeneratorConfig, width: int, max_columns: int) -> None:
        super().__init__()
        own, heads = config.row_width, config.row_heads
        self.max_columns = max_columns
        self.cell = nn.Sequential(nn.Linear(_CELL, own), nn.GELU(), nn.Linear(own, own))
        self.columns = nn.ModuleList(SetAttentionBlock(own, heads) for _ in range(config.row_rounds))
        self.rows = nn.ModuleList(
            InducedSetAttentionBlock(own, config.inducing_points, heads) for _ in range(config.row_rounds)
        )
        self.pool = PoolingByMultiheadAttention(own, config.column_tokens, heads)
        self.out = nn.Linear(own, width)
        self.position = nn.Parameter(torch.randn(max_columns, 1, width) * 0.1)
        self.kind = nn.Parameter(torch.randn(config.column_tokens, width) * 0.1)

    def forward(self, rows: Rows) -> Tensor:
        """Encode data sets, as [B, columns, tokens, width].

        Raises:
            NetGraphError: When there are more columns than the model was made for.
        """
        sets, count, columns = rows.x.shape
        if columns > self.max_columns:
            raise NetGraphError(f"a data set of {columns} columns; this model reads at most {self.max_columns}")
        real, in_row = rows.real, rows.real.repeat_interleave(count, dim=0)
        cells = self.cell(_cells(rows))  # [B, rows, columns, own]
        for over_columns, over_rows in zip(self.columns, self.rows, strict=True):
            cells = over_columns(cells.flatten(0, 1), in_row).unflatten(0, (sets, count)).transpose(1, 2)
            cells = _scattered(over_rows(cells[real]), real).transpose(1, 2)
        pooled = _scattered(self.out(self.pool(cells.transpose(1, 2)[real])), real)
        return pooled + self.position[:columns] + self.kind


def _scattered(values: Tensor, real: Tensor) -> Tensor:
    """Put what belongs to real columns, [sum of columns, ...], in its place, [B, columns, ...], 0 elsewhere."""
    return values.new_zeros(*real.shape, *values.shape[1:]).index_put((real,), values)


def _cells(rows: Rows) -> Tensor:
    """Return the inputs of each cell, [B, rows, columns, 11].

    Its value, and the slopes of two regressions along its column: of the quadratic form, and of the kernel's. Its row's
    target, what linear regression leaves of it, the quadratic form of that rest, and what the kernel leaves of the
    target. Its column's coefficient, correlation, curvature, and the root mean square of the kernel's slopes.
    """
    fit = fit_ridge(rows.x, rows.y, PENALTY)
    correlation = (rows.x * rows.y[..., None]).mean(dim=1)
    hessian = (rows.x * fit.left_out[..., None]).mT @ rows.x / rows.x.shape[1]  # [B, columns, columns]
    slope = rows.x @ hessian
    kernel = fit_kernel(rows.x.double(), rows.y.double())
    left_out, steepness = kernel.left_out.to(rows.y), kernel.gradients.to(rows.x)
    quadratic = (slope * rows.x).sum(dim=-1)
    of_row = torch.stack([rows.y, fit.left_out, quadratic, left_out], dim=-1)[:, :, None, :]
    curvature, relevance = hessian.diagonal(dim1=1, dim2=2), steepness.square().mean(dim=1).sqrt()
    of_column = torch.stack([fit.weights, correlation, curvature, relevance], dim=-1)[:, None]
    of_cell, shape = torch.stack([rows.x, slope, steepness], dim=-1), (*rows.x.shape, -1)
    return torch.cat([of_cell, of_row.expand(shape), of_column.expand(shape)], dim=-1)


#: Largest deviation of a slot's numbers from those of encoded networks, in their standard deviations.
MOST = 4.0


class Generator(nn.Module):
    """Writes the slots of places, given an architecture and rows: what it is given as noise, and a correction.

    The correction starts out small, so that neurons of a layer differ from the first step on.

    Args:
        config: The model's sizes.
        sizes: Its own.
    """

    def __init__(self, config: VAEConfig, sizes: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        width, slot = sizes.width, config.slot_size
        self.rows = RowEncoder(sizes, width, min(config.max_fan, slot - FIRST_INCOMING))
        self.condition = nn.Linear(config.prior.width, width)
        self.read, self.known_network = nn.Linear(slot, width), nn.Linear(slot, width)
        self.slot = nn.Parameter(torch.randn(config.layout_slots + 1, width) * 0.1)
        self.embed = carrier_embedding(config, width)
        self.spilled = nn.Embedding(config.place_slots + 1, width) if config.spill else None
        self.blocks = nn.ModuleList(Block(width, sizes.heads, reduced=True) for _ in range(sizes.layers))
        self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, slot)
        self.neuron, self.column = nn.Linear(width, width), nn.Linear(width, width)
        nn.init.zeros_(self.out.weight)

    def forward(
        self, noise: Tensor, network: Tensor, batch: StructureBatch, condition: Tensor, tokens: Tensor, real: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Write slots.

        Args:
            noise: Drawn from N(0, I), [B, K, slot].
            network: Standardized slots of the layout, and one of the response, [B, G + 1, slot].
            batch: B architectures.
            condition: Embedded condition, [B, width of the prior].
            tokens: What :class:`~netgraph.model.generator.RowEncoder` gives, [B, columns, tokens, width].
            real: Which columns are real, [B, columns].

        Returns:
            Standardized slots, [B, K, slot], within :data:`MOST`, and which there are, [B, K, 1].
        """
        carriers = holders(batch.carriers)
        slots = Slots(carriers, self.config, batch.spilled_place)
        columns, each = tokens.shape[1:3]
        more = [] if self.spilled is None else [self.spilled(batch.spilled_place + 1)]
        start = slots.read(noise)
        own = torch.cat([self.embed(carriers), *more], dim=1) + self.read(start)
        known = torch.cat([own, self.known_network(network) + self.slot, tokens.flatten(1, 2)], dim=1)
        known = known + self.condition(condition)[:, None]
        mask = torch.cat([slots.real, slots.real.new_ones(network.shape[:2]), real.repeat_interleave(each, 1)], dim=1)
        for block in self.blocks:
            known = block(known, mask[:, None, None, :])
        hidden = self.norm(known)
        neurons = hidden[:, : own.shape[1]]
        of_columns = hidden[:, -columns * each :].unflatten(1, (columns, each)).mean(dim=2)
        raw = start + self.out(neurons) + self._incoming(neurons, of_columns, carriers, real)
        return slots.mean(MOST * torch.tanh(raw / MOST)), slots.filled

    def _incoming(self, neurons: Tensor, columns: Tensor, carriers: Tensor, real: Tensor) -> Tensor:
        """Return the weights of a first layer's neurons for each column, at their places in the slot, [B, C, slot]."""
        scores = self.neuron(neurons) @ self.column(columns).mT / columns.shape[-1] ** 0.5
        first = functional.pad(carriers[..., LINEAR] == 1, (0, neurons.shape[1] - carriers.shape[1]))
        after = self.config.slot_size - FIRST_INCOMING - columns.shape[1]
        return functional.pad(scores * first[..., None] * real[:, None], (FIRST_INCOMING, after))

"""The operations of the executor, one for each layer type, each on a whole group of networks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from netgraph.graph.layers import LAYER_TYPES
from netgraph.stack.compile import Group, Position, concat_columns


@dataclass(frozen=True)
class Operands:
    """What a group's operation needs beside values and weights, as tensors.

    Attributes:
        width: Width of the register it writes.
        hyper: Its hyper-parameters.
        sizes: Layer size of each network, [G, 1, 1].
        inside: True within a network's own columns, [G, 1, width].
        columns: For Concat, which column of its operands each column takes, [G, width].
    """

    width: int
    hyper: dict[str, Any]
    sizes: Tensor
    inside: Tensor
    columns: Tensor | None = None

    @classmethod
    def of(
        cls, group: Group, position: Position, positions: Sequence[Position], tensor: Callable[[Any], Tensor]
    ) -> "Operands":
        """Prepare a group of a position."""
        columns = None
        if group.kind.name == "Concat":
            columns = tensor(concat_columns(group, [positions[i].width for i in group.inputs], position.width))
        return cls(
            width=position.width,
            hyper=group.hyper,
            sizes=tensor(group.sizes[:, None, None]),
            inside=tensor((np.arange(position.width) < group.sizes[:, None])[:, None, :]),
            columns=columns,
        )


@dataclass(frozen=True)
class Read:
    """One read of a register for all groups of a position: its rows, and which operand each piece of them is.

    Attributes:
        register: The register.
        rows: The rows to take, all as they stand when None.
        inverse: Where each row of the register went, one past the end for a row that is not read; None when a row is
            read twice.
        pieces: Rows of each piece.
        targets: Group and operand of each piece.
    """

    register: int
    rows: Tensor | None
    inverse: Tensor | None
    pieces: list[int]
    targets: list[tuple[int, int]]


def plan_reads(position: Position, positions: Sequence[Position], tensor: Callable[[Any], Tensor]) -> list[Read]:
    """Collect what the groups of a position read into one read for each register."""
    wanted: dict[int, list[tuple[int, int]]] = {}
    for g, group in enumerate(position.groups):
        for operand, register in enumerate(group.inputs):
            wanted.setdefault(register, []).append((g, operand))
    reads = []
    for register, targets in wanted.items():
        source = positions[register]
        rows = [source.row[position.groups[g].members] for g, _ in targets]
        flat = np.concatenate(rows)
        whole = len(flat) == len(source.members) and bool((flat == np.arange(len(flat))).all())
        inverse = np.full(len(source.members), len(flat))
        inverse[flat] = np.arange(len(flat))
        once = len(np.unique(flat)) == len(flat)
        index = None if whole else tensor(flat)
        reads.append(Read(register, index, tensor(inverse) if once else None, [len(row) for row in rows], targets))
    return reads


class _Take(torch.autograd.Function):
    """Rows of a register; the gradient of rows that are read once is a gather, which is faster than adding up."""

    @staticmethod
    def forward(ctx: Any, register: Tensor, rows: Tensor, inverse: Tensor | None) -> Tensor:
        ctx.inverse, ctx.rows, ctx.shape = inverse, rows, register.shape
        return register.index_select(0, rows)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        if ctx.inverse is None:
            return gradient.new_zeros(ctx.shape).index_add_(0, ctx.rows, gradient), None, None
        if len(ctx.inverse) > len(ctx.rows):
            gradient = torch.cat([gradient, gradient.new_zeros(1, *gradient.shape[1:])])
        return gradient.index_select(0, ctx.inverse), None, None


def read_operands(registers: Sequence[Tensor], reads: Sequence[Read]) -> dict[tuple[int, int], Tensor]:
    """Give the values of every operand of every group, by group and operand."""
    found: dict[tuple[int, int], Tensor] = {}
    for read in reads:
        register = registers[read.register]
        taken = register if read.rows is None else _Take.apply(register, read.rows, read.inverse)
        found.update(zip(read.targets, taken.split(read.pieces), strict=True))
    return found


Weights = Mapping[str, Tensor]
Operation = Callable[..., Tensor]


def fit(x: Tensor, width: int) -> Tensor:
    """Cut or zero pad the last dimension to a width."""
    if x.shape[-1] == width:
        return x
    return x[..., :width] if x.shape[-1] > width else F.pad(x, (0, width - x.shape[-1]))


def _linear(sources: list[Tensor], weights: Weights, operands: Operands, **run: Any) -> Tensor:
    if "bias" in weights:
        return torch.baddbmm(weights["bias"], sources[0], weights["weight"])
    return torch.bmm(sources[0], weights["weight"])


def _elementwise(name: str) -> Operation:
    kind = LAYER_TYPES[name]
    function = cast(Callable[..., Tensor], kind.function)

    def operation(sources: list[Tensor], weights: Weights, operands: Operands, **run: Any) -> Tensor:
        value = function(fit(sources[0], operands.width), **operands.hyper)
        return value if kind.keeps_zero else value * operands.inside

    return operation


def _dropout(
    sources: list[Tensor],
    weights: Weights,
    operands: Operands,
    training: bool,
    generator: torch.Generator | None,
) -> Tensor:
    x = fit(sources[0], operands.width)
    p = float(operands.hyper["p"])
    if not training:
        return x
    kept = torch.rand(x.shape, generator=generator, device=x.device, dtype=x.dtype) >= p
    return x * kept / max(1.0 - p, 1e-12)


def _layer_norm(sources: list[Tensor], weights: Weights, operands: Operands, **run: Any) -> Tensor:
    x = fit(sources[0], operands.width)
    centered = (x - x.sum(dim=-1, keepdim=True) / operands.sizes) * operands.inside
    variance = centered.square().sum(dim=-1, keepdim=True) / operands.sizes
    return centered * torch.rsqrt(variance + operands.hyper["eps"]) * weights["weight"] + weights["bias"]


def _batch_norm(
    sources: list[Tensor], weights: Weights, operands: Operands, training: bool, generator: torch.Generator | None
) -> Tensor:
    x = fit(sources[0], operands.width)
    if training:
        mean, variance = x.mean(dim=1, keepdim=True), x.var(dim=1, keepdim=True, unbiased=False)
    else:
        mean, variance = weights["running_mean"], weights["running_var"]
    return (x - mean) * torch.rsqrt(variance + operands.hyper["eps"]) * weights["weight"] + weights["bias"]


def _add(sources: list[Tensor], weights: Weights, operands: Operands, **run: Any) -> Tensor:
    total = fit(sources[0], operands.width)
    for source in sources[1:]:
        total = total + fit(source, operands.width)
    return total


def _concat(sources: list[Tensor], weights: Weights, operands: Operands, **run: Any) -> Tensor:
    side_by_side = F.pad(torch.cat(sources, dim=-1), (0, 1))
    columns = cast(Tensor, operands.columns)[:, None, :].expand(-1, side_by_side.shape[1], -1)
    return side_by_side.gather(-1, columns)


OPERATIONS: Mapping[str, Operation] = {
    **{name: _elementwise(name) for name, kind in LAYER_TYPES.items() if kind.kind == "elementwise"},
    "Linear": _linear,
    "Dropout": _dropout,
    "LayerNorm": _layer_norm,
    "BatchNorm1d": _batch_norm,
    "Add": _add,
    "Concat": _concat,
}

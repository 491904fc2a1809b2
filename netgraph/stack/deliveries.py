"""How the executor's registers reach the groups that read them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from netgraph.graph.architecture import Ints
from netgraph.stack.compile import Position

#: Position, group and operand of what a group reads.
Target = tuple[int, int, int]


@dataclass(frozen=True)
class Delivery:
    """Hands the rows of one register to all groups that read them: one gather, then views.

    Attributes:
        rows: The rows in the order of the pieces.
        identity: Whether they stand so already.
        first: The place in that order where each row of the register is read first, [rows of the register].
        again: The places in that order where a row is read once more.
        unread: Rows of the register that nobody reads.
        pieces: Rows of each piece.
        targets: Who reads it.
    """

    rows: Tensor
    identity: bool
    first: Tensor
    again: Tensor
    unread: Tensor
    pieces: list[int]
    targets: list[Target]

    def __call__(self, register: Tensor) -> Iterable[tuple[Target, Tensor]]:
        """Give each target's values."""
        if self.identity and len(self.pieces) == 1:
            return [(self.targets[0], register)]
        return zip(self.targets, _Deliver.apply(register, self), strict=True)


def _join(parts: Sequence[Tensor]) -> Tensor:
    """Concatenate tensors, without moving them when they are pieces of one tensor that follow each other."""
    first, end = parts[0], parts[0].storage_offset()
    for part in parts:
        same = part.untyped_storage().data_ptr() == first.untyped_storage().data_ptr()
        # Gradients that are differentiated once more have a history each, which a view of the first would lose.
        if torch.is_grad_enabled() or not (same and part.is_contiguous() and part.storage_offset() == end):
            return torch.cat(list(parts))
        end += part.numel()
    width, rows = first.shape[1:]
    return first.as_strided((sum(map(len, parts)), width, rows), (width * rows, rows, 1), first.storage_offset())


class _Deliver(torch.autograd.Function):
    """Rows of a register, in pieces; the gradient is a gather too, which is faster than adding up."""

    @staticmethod
    def forward(ctx: Any, register: Tensor, delivery: Delivery) -> tuple[Tensor, ...]:
        ctx.delivery = delivery
        taken = register if delivery.identity else register.index_select(0, delivery.rows)
        pieces: tuple[Tensor, ...] = taken.split(delivery.pieces)
        return pieces

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        delivery: Delivery = ctx.delivery
        gradient = _join(gradients)
        if delivery.identity:
            return gradient, None
        found = gradient.index_select(0, delivery.first)
        if len(delivery.unread):
            found.index_fill_(0, delivery.unread, 0.0)
        if len(delivery.again):
            found.index_add_(0, delivery.rows[delivery.again], gradient.index_select(0, delivery.again))
        return found, None


def plan_deliveries(positions: Sequence[Position], tensor: Callable[[Any], Tensor]) -> list[Delivery | None]:
    """Plan the delivery of every position's register; None where no group reads it."""
    readers: list[list[tuple[Target, Ints]]] = [[] for _ in positions]
    for p, position in enumerate(positions):
        for g, group in enumerate(position.groups):
            for operand, register in enumerate(group.inputs):
                readers[register].append(((p, g, operand), positions[register].row[group.members]))
    return [_plan(found, len(p.members), tensor) for found, p in zip(readers, positions, strict=True)]


def _plan(readers: list[tuple[Target, Ints]], size: int, tensor: Callable[[Any], Tensor]) -> Delivery | None:
    if not readers:
        return None
    rows = np.concatenate([rows for _, rows in readers])
    read, first = np.unique(rows, return_index=True)
    place = np.zeros(size, dtype=np.int64)
    place[read] = first
    return Delivery(
        rows=tensor(rows),
        identity=np.array_equal(rows, np.arange(size)),
        first=tensor(place),
        again=tensor(np.setdiff1d(np.arange(len(rows)), first)),
        unread=tensor(np.setdiff1d(np.arange(size), read)),
        pieces=[len(found) for _, found in readers],
        targets=[target for target, _ in readers],
    )

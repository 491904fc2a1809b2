"""Routes of values from the executor's buffers to the groups that read them."""

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
class Route:
    """Route of the rows of one buffer to all groups that read them: one gather, then views.

    Attributes:
        rows: The rows in the order of the pieces.
        identity: Whether the buffer has this order already.
        first: Index in that order at which each row of the buffer is read first, [rows of the buffer].
        again: Indices in that order at which a row is read again.
        unread: Rows of the buffer without a reader.
        pieces: Number of rows of each piece.
        targets: Reader of each piece.
    """

    rows: Tensor
    identity: bool
    first: Tensor
    again: Tensor
    unread: Tensor
    pieces: list[int]
    targets: list[Target]

    def __call__(self, buffer: Tensor) -> Iterable[tuple[Target, Tensor]]:
        """Return each target's values."""
        if self.identity and len(self.pieces) == 1:
            return [(self.targets[0], buffer)]
        return zip(self.targets, _Gather.apply(buffer, self), strict=True)


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


class _Gather(torch.autograd.Function):
    """Rows of a buffer, in pieces; the gradient is a gather too, which is faster than adding up."""

    @staticmethod
    def forward(ctx: Any, buffer: Tensor, route: Route) -> tuple[Tensor, ...]:
        ctx.route = route
        taken = buffer if route.identity else buffer.index_select(0, route.rows)
        pieces: tuple[Tensor, ...] = taken.split(route.pieces)
        return pieces

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        route: Route = ctx.route
        gradient = _join(gradients)
        if route.identity:
            return gradient, None
        result = gradient.index_select(0, route.first)
        if len(route.unread):
            result.index_fill_(0, route.unread, 0.0)
        if len(route.again):
            result.index_add_(0, route.rows[route.again], gradient.index_select(0, route.again))
        return result, None


def plan_routes(positions: Sequence[Position], tensor: Callable[[Any], Tensor]) -> list[Route | None]:
    """Return the route of every position's buffer; None where no group reads it."""
    readers: list[list[tuple[Target, Ints]]] = [[] for _ in positions]
    for p, position in enumerate(positions):
        for g, group in enumerate(position.groups):
            for operand, buffer in enumerate(group.inputs):
                readers[buffer].append(((p, g, operand), positions[buffer].row[group.members]))
    return [_plan(own, len(position.members), tensor) for own, position in zip(readers, positions, strict=True)]


def _plan(readers: list[tuple[Target, Ints]], size: int, tensor: Callable[[Any], Tensor]) -> Route | None:
    if not readers:
        return None
    rows = np.concatenate([rows for _, rows in readers])
    read, first = np.unique(rows, return_index=True)
    index = np.zeros(size, dtype=np.int64)
    index[read] = first
    return Route(
        rows=tensor(rows),
        identity=np.array_equal(rows, np.arange(size)),
        first=tensor(index),
        again=tensor(np.setdiff1d(np.arange(len(rows)), first)),
        unread=tensor(np.setdiff1d(np.arange(size), read)),
        pieces=[len(own) for _, own in readers],
        targets=[target for target, _ in readers],
    )

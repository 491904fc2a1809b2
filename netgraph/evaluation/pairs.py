"""Checks of graphs and rows that all metrics over pairs share, and networks run side by side."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F
from torch_geometric.data import Batch

from netgraph.errors import NetGraphError
from netgraph.graph.netgraph import NetGraph, as_graphs
from netgraph.stack import Stack

Graphs = NetGraph | Sequence[NetGraph]
Rows = Tensor | Sequence[Tensor]

#: Networks run at once: more of them leave the cache of a CPU.
CHUNK = 256


def as_list(graphs: Graphs, name: str) -> list[NetGraph]:
    """Take one graph or several, and refuse none at all.

    Raises:
        NetGraphError: When there is no graph, or something else than a graph.
    """
    one = isinstance(graphs, NetGraph) and not isinstance(graphs, Batch)
    found = as_graphs([graphs] if one else graphs, name)
    if not found:
        raise NetGraphError(f"{name}: no graphs")
    return found


def as_pairs(true: Graphs, generated: Graphs) -> tuple[list[NetGraph], list[NetGraph]]:
    """Take one pair or two sequences of the same length, of networks that can be compared.

    Raises:
        NetGraphError: When the lengths differ or one is empty, or the two of a pair differ in outputs.
    """
    left, right = as_list(true, "true"), as_list(generated, "generated")
    check_lengths(left, right)
    for i, (one, other) in enumerate(zip(left, right, strict=True)):
        if one.architecture.n_outputs != other.architecture.n_outputs:
            counts = f"{one.architecture.n_outputs} outputs, the generated one {other.architecture.n_outputs}"
            raise NetGraphError(f"pair {i}: the true network has {counts}; not to be compared")
    return left, right


def check_lengths(true: Sequence[NetGraph], generated: Sequence[NetGraph]) -> None:
    """Refuse other numbers of networks.

    Raises:
        NetGraphError: When the lengths differ.
    """
    if len(true) != len(generated):
        raise NetGraphError(f"{len(true)} true and {len(generated)} generated graphs; they are compared in pairs")


def check_outputs(*sets: Sequence[NetGraph]) -> None:
    """Refuse networks with other numbers of outputs, whose behavior cannot be compared.

    Raises:
        NetGraphError: With the first network that differs from the first of all.
    """
    expected = sets[0][0].architecture.n_outputs
    for graphs in sets:
        for i, graph in enumerate(graphs):
            if graph.architecture.n_outputs != expected:
                raise NetGraphError(f"graph {i} has {graph.architecture.n_outputs} outputs, others have {expected}")


def as_rows(true: Sequence[NetGraph], x: Rows) -> list[Tensor]:
    """Return the rows of each pair: the shared ones, or its own.

    Args:
        true: The networks whose tasks the rows come from.
        x: Rows for all of them, [rows, inputs], or a sequence with those of each.

    Raises:
        NetGraphError: When there is not one tensor a pair, or one is not [rows, inputs], is empty, holds NaN or
            infinity, or has fewer columns than the true network has inputs.
    """
    rows = [x] * len(true) if isinstance(x, Tensor) else list(x)
    if len(rows) != len(true):
        raise NetGraphError(f"{len(rows)} tensors of rows for {len(true)} pairs")
    for i, (graph, own) in enumerate(zip(true, rows, strict=True)):
        problem = _problem(graph.architecture.n_inputs, own)
        if problem:
            raise NetGraphError(f"x of pair {i}: {problem}")
    return rows


def _problem(n_inputs: int, x: Tensor) -> str:
    if x.ndim != 2 or not len(x):
        return f"shape {tuple(x.shape)}, expected [rows, inputs] with at least one row"
    if x.shape[1] < n_inputs:
        return f"{x.shape[1]} columns, the network has {n_inputs} inputs"
    return "" if bool(torch.isfinite(x).all()) else "holds NaN or infinity"


@torch.no_grad()
def run(graphs: Sequence[NetGraph], rows: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    """Run each network on its rows, in float64, a few hundred at a time through the stack.

    A network reads its first columns; where it has more inputs than its rows have columns, it reads 0, the mean of a
    standardized column.

    Yields:
        Outputs [rows, outputs] and the values that feed the last layer [rows, hidden] of each network.
    """
    for start in range(0, len(graphs), CHUNK):
        chunk, own = graphs[start : start + CHUNK], rows[start : start + CHUNK]
        stack = Stack([graph.architecture for graph in chunk])
        flat = stack.flatten([graph.state.detach() for graph in chunk]).double()
        outputs, hidden = stack(flat, _padded(own, stack.max_inputs), return_hidden=True)
        for i, (graph, width) in enumerate(zip(chunk, stack.hidden_size.tolist(), strict=True)):
            yield outputs[i, : len(own[i]), : graph.architecture.n_outputs], hidden[i, : len(own[i]), :width]


def _padded(rows: Sequence[Tensor], width: int) -> Tensor:
    """Lay rows side by side, [networks, most rows, width]."""
    longest = max(len(x) for x in rows)
    return torch.stack([fit(x[:, :width].double().cpu(), (longest, width)) for x in rows])


def fit(values: Tensor, shape: tuple[int, int]) -> Tensor:
    """Pad a matrix with zeros at its ends to a shape."""
    return F.pad(values, (0, shape[1] - values.shape[1], 0, shape[0] - values.shape[0]))


def same_width(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Pad the narrower of two matrices with zero columns."""
    width = max(a.shape[1], b.shape[1])
    return fit(a, (len(a), width)), fit(b, (len(b), width))


def row_cosine(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of each row of a with that of b, [rows] in [-1, 1]: 1 for two zero rows, 0 for one, 0 if not finite."""
    a, b = same_width(a, b)
    lengths = torch.stack([a.norm(dim=1), b.norm(dim=1)])
    cosine = (a / lengths[0, :, None] * (b / lengths[1, :, None])).sum(dim=1).clamp(-1, 1)
    return torch.where((lengths == 0).all(dim=0), torch.ones_like(cosine), cosine.nan_to_num(0.0))

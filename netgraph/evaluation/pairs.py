"""Checks of graphs and rows that all metrics over pairs share, and networks run side by side."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.data import Batch

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import TENSOR_KINDS
from netgraph.graph.arguments import Network, as_graphs
from netgraph.graph.netgraph import NetGraph
from netgraph.stack import Stack

Graphs = Network | Sequence[Network]
Rows = Tensor | Sequence[Tensor]

#: Kinds of state elements that a training sets.
PARAMETERS = [TENSOR_KINDS.index("edge"), TENSOR_KINDS.index("bias")]
#: Networks run at once: more of them leave the cache of a CPU.
CHUNK = 256


def as_list(graphs: Graphs, name: str) -> list[NetGraph]:
    """Return one graph or several as a list.

    Raises:
        NetGraphError: When there is no graph, or something else than a graph of a feed-forward network.
    """
    one = isinstance(graphs, NetGraph | nn.Module) and not isinstance(graphs, Batch)
    networks = as_graphs([graphs] if one else graphs, name, "the metric")
    if not networks:
        raise NetGraphError(f"{name}: no graphs")
    return networks


def as_pairs(true: Graphs, generated: Graphs) -> tuple[list[NetGraph], list[NetGraph]]:
    """Return one pair, or two sequences of the same length, of networks that can be compared.

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
    """Raise unless there are as many networks on either side.

    Raises:
        NetGraphError: When the lengths differ.
    """
    if len(true) != len(generated):
        raise NetGraphError(f"{len(true)} true and {len(generated)} generated graphs; they are compared in pairs")


def check_outputs(*sets: Sequence[NetGraph]) -> None:
    """Raise unless all networks have the same number of outputs, whose behavior can be compared.

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
        n_inputs = graph.architecture.n_inputs
        if own.ndim != 2 or not len(own):
            problem = f"shape {tuple(own.shape)}, expected [rows, inputs] with at least one row"
        elif own.shape[1] < n_inputs:
            problem = f"{own.shape[1]} columns, the network has {n_inputs} inputs"
        elif not torch.isfinite(own).all():
            problem = "holds NaN or infinity"
        else:
            continue
        raise NetGraphError(f"x of pair {i}: {problem}")
    return rows


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
        longest, width = max(map(len, own)), stack.max_inputs
        padded = [F.pad(x.double().cpu(), (0, max(0, width - x.shape[1]), 0, longest - len(x)))[:, :width] for x in own]
        outputs, hidden = stack(flat, torch.stack(padded), return_hidden=True)
        for i, (graph, size) in enumerate(zip(chunk, stack.hidden_size.tolist(), strict=True)):
            yield outputs[i, : len(own[i]), : graph.architecture.n_outputs], hidden[i, : len(own[i]), :size]


def run_pairs(true: Graphs, generated: Graphs, x: Rows) -> Iterator[tuple[tuple[Tensor, Tensor], ...]]:
    """Yield outputs and last hidden activations of both networks of each pair on its rows; see :func:`run`."""
    left, right = as_pairs(true, generated)
    rows = as_rows(left, x)
    return zip(run(left, rows), run(right, rows), strict=True)


def row_cosine(a: Tensor, b: Tensor) -> Tensor:
    """Return the cosine of each row of a with that of b, [rows]; the narrower one is padded with zeros.

    It is 1 for two zero rows, 0 for one, and 0 if it is not finite.
    """
    width = max(a.shape[1], b.shape[1])
    a, b = (F.pad(rows, (0, width - rows.shape[1])) for rows in (a, b))
    lengths = torch.stack([a.norm(dim=1), b.norm(dim=1)])
    cosine = (a / lengths[0, :, None] * (b / lengths[1, :, None])).sum(dim=1).clamp(-1, 1)
    return torch.where((lengths == 0).all(dim=0), torch.ones_like(cosine), cosine.nan_to_num(0.0))

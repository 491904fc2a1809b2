"""How alike two networks are, and how good a set of generated ones is. Every definition stands in its docstring.

Functions of pairs take one graph each, or two sequences of equal length and then give the mean over pairs;
:func:`per_pair` gives all values.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import cast

import torch
from torch import Tensor

from netgraph.errors import InvalidGraphError, NetGraphError
from netgraph.graph.architecture import Architecture
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.symmetry import canonicalize
from netgraph.graph.to_module import to_module
from netgraph.stack import Stack
from netgraph.stack.operations import fit

Graphs = NetGraph | Sequence[NetGraph]
Rows = Tensor | Sequence[Tensor]
#: Decimals to which canonical weights are rounded before two networks are called the same.
DECIMALS = 4
#: Networks that run side by side.
CHUNK = 256


def per_pair(
    metric: Callable[[NetGraph, NetGraph], float], true: Sequence[NetGraph], generated: Sequence[NetGraph]
) -> Tensor:
    """Apply a metric to every pair, [pairs].

    Raises:
        NetGraphError: When the sequences have different lengths or are empty.
    """
    _check_pairs(true, generated)
    return torch.tensor([metric(a, b) for a, b in zip(true, generated, strict=True)])


def _check_pairs(true: Sequence[NetGraph], generated: Sequence[NetGraph]) -> None:
    if len(true) != len(generated) or not true:
        raise NetGraphError(f"{len(true)} true and {len(generated)} generated networks cannot be paired")


def _listed(graphs: Graphs) -> list[NetGraph]:
    return [graphs] if isinstance(graphs, NetGraph) else list(graphs)


def _edges(graph: NetGraph) -> set[tuple[int, int]]:
    return set(map(tuple, graph.architecture.edge_index.T.tolist()))


def _jaccard(true: NetGraph, generated: NetGraph) -> float:
    a, b = _edges(true), _edges(generated)
    return len(a & b) / max(1, len(a | b))


def _f1(true: NetGraph, generated: NetGraph) -> float:
    a, b = _edges(true), _edges(generated)
    return 2 * len(a & b) / max(1, len(a) + len(b))


def edge_accuracy(true: Graphs, generated: Graphs) -> float:
    """Shared edges over all edges, |E and E'| / |E or E'|, vertices matched by index; 0 to 1."""
    return float(per_pair(_jaccard, _listed(true), _listed(generated)).mean())


def edge_f1(true: Graphs, generated: Graphs) -> float:
    """F1 of the edges, 2 |E and E'| / (|E| + |E'|), vertices matched by index; 0 to 1."""
    return float(per_pair(_f1, _listed(true), _listed(generated)).mean())


def weight_accuracy(true: Graphs, generated: Graphs, tolerance: float = 0.1) -> float:
    """Share of true weighted edges that are there with a weight within ``tolerance`` layer deviations; 0 to 1."""

    def share(a: NetGraph, b: NetGraph) -> float:
        found = {(s, t): w for s, t, w in zip(*b.edge_index.tolist(), b.edge_weight.tolist(), strict=True)}
        hits = total = 0
        for tensor in a.architecture.tensors:
            if tensor.slot.kind != "edge":
                continue
            inside = slice(tensor.offset, tensor.offset + tensor.size)
            near = tolerance * float(a.state[inside].std(unbiased=False))
            pairs = zip(a.architecture.slot_source[inside], a.architecture.slot_target[inside], strict=True)
            for pair, weight in zip(pairs, a.state[inside].tolist(), strict=True):
                other = found.get((int(pair[0]), int(pair[1])))
                hits += other is not None and abs(other - weight) <= near
                total += 1
        return hits / max(1, total)

    return float(per_pair(share, _listed(true), _listed(generated)).mean())


def run(graphs: Sequence[NetGraph], x: Rows) -> tuple[list[Tensor], list[Tensor]]:
    """Run networks through the stack.

    Args:
        graphs: n networks.
        x: Rows for all of them, [rows, inputs], each network reading its first columns (zeros where there are too
            few), or one tensor for each.

    Returns:
        Outputs, [rows, outputs], and last hidden activations, [rows, width], of each.

    Raises:
        NetGraphError: When ``x`` holds NaN or infinity, or there is not one for each network.
    """
    rows = [x] * len(graphs) if isinstance(x, Tensor) else list(x)
    if len(rows) != len(graphs):
        raise NetGraphError(f"{len(rows)} sets of rows for {len(graphs)} networks")
    for one in rows[:1] if isinstance(x, Tensor) else rows:
        if not torch.isfinite(one).all():
            raise NetGraphError("x holds NaN or infinity")
    outputs: list[Tensor] = []
    hidden: list[Tensor] = []
    for start in range(0, len(graphs), CHUNK):
        _run_chunk(graphs[start : start + CHUNK], rows[start : start + CHUNK], outputs, hidden)
    return outputs, hidden


def _run_chunk(graphs: Sequence[NetGraph], rows: Sequence[Tensor], outputs: list[Tensor], hidden: list[Tensor]) -> None:
    stack = Stack([graph.architecture for graph in graphs])
    longest = max(len(one) for one in rows)
    x = torch.zeros(len(graphs), longest, stack.max_inputs)
    for target, one in zip(x, rows, strict=True):
        target[: len(one)] = fit(one, stack.max_inputs)
    with torch.no_grad():
        flat = stack.flatten([graph.state.float() for graph in graphs])
        out, last = stack(flat, x, return_hidden=True)
    for i, one in enumerate(rows):
        outputs.append(out[i, : len(one), : int(stack.n_outputs[i])])
        hidden.append(last[i, : len(one), : int(stack.hidden_size[i])])


def cosine_similarities(true: Sequence[NetGraph], generated: Sequence[NetGraph], x: Rows) -> Tensor:
    """Give :func:`cosine_similarity` of every pair, [pairs]."""
    _check_pairs(true, generated)
    pairs = zip(run(true, x)[1], run(generated, x)[1], strict=True)
    return torch.stack([_cosine(a, b) for a, b in pairs])


def _cosine(a: Tensor, b: Tensor) -> Tensor:
    width = max(a.shape[-1], b.shape[-1])
    a, b = fit(a, width), fit(b, width)
    norms = a.norm(dim=-1), b.norm(dim=-1)
    cosine = (a * b).sum(dim=-1) / (norms[0] * norms[1]).clamp(min=1e-12)
    both_zero = (norms[0] == 0) & (norms[1] == 0)
    return torch.where(both_zero, torch.ones_like(cosine), cosine).mean()


def cosine_similarity(true: Graphs, generated: Graphs, x: Rows) -> float:
    """Mean over rows of the cosine between the last hidden activations of both networks; -1 to 1.

    The shorter is padded with zeros; the cosine of two zero vectors is 1, that of one with another 0.

    Args:
        true: Networks.
        generated: As many.
        x: Rows, [rows, inputs], or one tensor for each pair.
    """
    return float(cosine_similarities(_listed(true), _listed(generated), x).mean())


def _hidden_parameters(graph: NetGraph) -> Tensor:
    canonical = canonicalize(graph)
    last = len(graph.architecture.layers) - 1
    parts = [
        canonical.tensor(t).flatten()
        for t in graph.architecture.tensors
        if t.layer != last and t.slot.kind in ("edge", "bias")
    ]
    return torch.cat(parts) if parts else torch.zeros(0)


def parameter_cosine_similarity(true: Graphs, generated: Graphs) -> float:
    """Cosine between the flattened canonical parameters of all but the last layer; -1 to 1.

    The shorter is padded with zeros.
    """

    def cosine(a: NetGraph, b: NetGraph) -> float:
        return float(_cosine(_hidden_parameters(a)[None], _hidden_parameters(b)[None]))

    return float(per_pair(cosine, _listed(true), _listed(generated)).mean())


def output_r2s(true: Sequence[NetGraph], generated: Sequence[NetGraph], x: Rows) -> Tensor:
    """Give :func:`output_r2` of every pair, [pairs]; minus infinity to 1, cut nowhere."""
    _check_pairs(true, generated)
    pairs = zip(run(true, x)[0], run(generated, x)[0], strict=True)
    return torch.stack([_r2(*_same_width(a, b)) for a, b in pairs])


def _same_width(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    width = max(a.shape[-1], b.shape[-1])
    return fit(a, width), fit(b, width)


def _r2(y: Tensor, predicted: Tensor) -> Tensor:
    error, spread = (predicted - y).square().sum(), (y - y.mean(dim=0)).square().sum()
    if spread < 1e-12:
        return (error < 1e-10).float()
    return 1 - error / spread


def output_r2(true: Graphs, generated: Graphs, x: Rows) -> float:
    """R^2 of the generated network's outputs for the true one's, 1 - sum (y' - y)^2 / sum (y - mean y)^2; up to 1.

    Where the true output is constant: 1 if the generated one equals it, else 0. Over several pairs the median is given,
    because one broken network can pull a mean anywhere.
    """
    return float(output_r2s(_listed(true), _listed(generated), x).median())


def is_valid(graph: NetGraph) -> bool:
    """Say whether a graph validates, becomes a module, and gives finite outputs on random rows."""
    try:
        module = to_module(graph)
    except InvalidGraphError:
        return False
    x = torch.randn(8, graph.architecture.n_inputs, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return bool(torch.isfinite(module(x.to(graph.state))).all())


def validity(generated: Sequence[NetGraph]) -> float:
    """Valid networks over generated ones; 0 to 1."""
    return sum(map(is_valid, generated)) / max(1, len(generated))


def identities(graphs: Iterable[NetGraph], level: str = "network") -> list[tuple[Architecture, bytes]]:
    """Give what tells networks apart: the architecture, and at level ``network`` the canonical weights too."""
    if level not in ("network", "architecture"):
        raise NetGraphError(f"unknown level {level!r}; known: network, architecture")
    if level == "architecture":
        return [(graph.architecture.key, b"") for graph in graphs]
    canonical = (canonicalize(graph) for graph in graphs)
    return [(g.architecture.key, (g.state.round(decimals=DECIMALS) + 0.0).numpy().tobytes()) for g in canonical]


def uniqueness(generated: Sequence[NetGraph], level: str = "network") -> float:
    """Distinct networks over generated ones, by canonical form rounded to 4 decimals; 0 to 1.

    Args:
        generated: Valid networks.
        level: ``network``, or ``architecture`` to leave the weights out.
    """
    return len(set(identities(generated, level))) / max(1, len(generated))


def novelty(generated: Sequence[NetGraph], training: Sequence[NetGraph], level: str = "network") -> float:
    """Distinct networks that are not in the training zoo over distinct ones; 0 to 1."""
    distinct = set(identities(generated, level))
    return len(distinct - set(identities(training, level))) / max(1, len(distinct))


def behavior(graphs: Sequence[NetGraph], rows: int = 64, seed: int = 0) -> Tensor:
    """Outputs on common probe rows from N(0, I), each network reading its first columns, [n, rows * outputs]."""
    generator = torch.Generator().manual_seed(seed)
    most = max(graph.architecture.n_inputs for graph in graphs)
    x = torch.randn(rows, most, generator=generator)
    outputs = [one[:, 0] for one in run(graphs, x)[0]]
    return torch.stack(outputs)


def energy_distance(a: Tensor, b: Tensor) -> float:
    """Energy distance between two samples, 2 E|a - b| - E|a - a'| - E|b - b'| (Szekely & Rizzo 2013), >= 0 or so.

    Distances are Euclidean, divided by the root of the dimension; the last two means leave out pairs of a point with
    itself.

    Args:
        a: One sample, [n, d].
        b: The other, [m, d].
    """

    def within(x: Tensor) -> Tensor:
        return torch.cdist(x, x).sum() / max(1, len(x) * (len(x) - 1))

    a, b = a.double(), b.double()
    distance = 2 * torch.cdist(a, b).mean() - within(a) - within(b)
    return float(distance / a.shape[1] ** 0.5)


def sample_quality(random: float, sample: float, floor: float) -> float:
    """(random - sample) / (random - floor): 1 when samples behave like trained networks, 0 when like untrained ones."""
    return cast(float, (random - sample) / (random - floor)) if random != floor else 0.0

"""Paths between two networks, through the latent space or through the weights, and how smoothly behavior changes."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from netgraph.errors import NetGraphError
from netgraph.evaluation.behavior import first_outputs, median
from netgraph.evaluation.samples import is_valid
from netgraph.graph.architecture import Architecture
from netgraph.graph.netgraph import NetGraph
from netgraph.graph.symmetry import canonicalize

#: Steps of behavior, relative to its size, that are nothing but rounding.
ROUNDING = 1e-5
Decode = Callable[[Tensor], list[NetGraph]]
Path = Sequence[NetGraph]


@dataclass(frozen=True)
class Smoothness:
    """How behavior changes along paths; a step is the root mean square difference of two neighbors' outputs.

    Attributes:
        validity: Share of the networks on the paths, ends included, that are valid.
        relative_length: Of each path whose networks are all valid, the sum of its steps over the distance of its ends,
            at least 1: 1 on a straight way through behavior, inf where the ends behave alike and others do not. [paths]
        largest_step: Of each such path, its largest step over its mean step, from 1 (all steps are alike, or there are
            none) to the number of steps (one jump). [paths]
    """

    validity: float
    relative_length: Tensor
    largest_step: Tensor

    @property
    def median_length(self) -> float:
        """Median of the relative lengths; NaN where no path is valid."""
        return median(self.relative_length) if len(self.relative_length) else float("nan")

    @property
    def median_largest_step(self) -> float:
        """Median of the largest steps; NaN where no path is valid."""
        return median(self.largest_step) if len(self.largest_step) else float("nan")


def smoothness(paths: Sequence[Path], n_rows: int = 64, seed: int = 0) -> Smoothness:
    """Measure paths of networks.

    Args:
        paths: Each at least 2 networks; all of the same length.
        n_rows: Standard normal rows, common to all networks, on which behavior is measured.
        seed: Seed of the rows.

    Raises:
        NetGraphError: When there is no path, one has fewer than 2 networks, or their lengths differ.
    """
    lengths = {len(path) for path in paths}
    if len(lengths) != 1 or min(lengths) < 2:
        raise NetGraphError(f"paths of {sorted(lengths)} networks; they need one length, 2 or more")
    valid = [[is_valid(graph) for graph in path] for path in paths]
    whole = [path for path, sound in zip(paths, valid, strict=True) if all(sound)]
    share = sum(map(sum, valid)) / sum(map(len, valid))
    if not whole:
        return Smoothness(share, torch.zeros(0), torch.zeros(0))
    vectors = first_outputs([graph for path in whole for graph in path], n_rows, seed)
    return Smoothness(share, *_along(vectors.view(len(whole), -1, n_rows)))


def _along(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Give relative length and largest step, [paths] each, from behavior, [paths, points, rows]."""
    steps = vectors.diff(dim=1).square().mean(dim=2).sqrt()
    length = steps.sum(dim=1)
    ends = (vectors[:, -1] - vectors[:, 0]).square().mean(dim=1).sqrt()
    still = length <= ROUNDING * (1 + vectors.abs().amax(dim=(1, 2)))
    largest = steps.amax(dim=1) / steps.mean(dim=1)
    return (length / ends).masked_fill(still, 1.0), largest.masked_fill(still, 1.0)


def between(a: Tensor, b: Tensor, points: int) -> Tensor:
    """Give evenly spaced points on the straight lines from a to b, both of them included.

    Args:
        a: Starts, [n, d].
        b: Ends, [n, d].
        points: How many, at least 2.

    Returns:
        [n, points, d].

    Raises:
        NetGraphError: When there are fewer points, or the shapes differ.
    """
    if a.shape != b.shape or points < 2:
        raise NetGraphError(
            f"{points} points from shape {tuple(a.shape)} to {tuple(b.shape)}; at least 2, shapes alike"
        )
    share = torch.linspace(0, 1, points, device=a.device, dtype=a.dtype)[:, None]
    return torch.lerp(a[:, None], b[:, None], share)


def latent_paths(a: Tensor, b: Tensor, points: int, decode: Decode) -> list[Path]:
    """Decode the straight lines between latents.

    Args:
        a: Latents of the starts, [n, latent].
        b: Latents of the ends, [n, latent].
        points: Networks on each path.
        decode: Latents, [m, latent], to m networks, such as ``vae.decode``.
    """
    graphs = decode(between(a, b, points).flatten(0, 1))
    return [graphs[start : start + points] for start in range(0, len(graphs), points)]


def weight_paths(pairs: Sequence[tuple[NetGraph, NetGraph]], points: int) -> list[Path]:
    """Give the straight lines between the canonical states of two networks of one architecture.

    Raises:
        NetGraphError: When the architectures of a pair differ.
    """
    return [_weight_path(canonicalize(a), canonicalize(b), points, i) for i, (a, b) in enumerate(pairs)]


def _weight_path(a: NetGraph, b: NetGraph, points: int, i: int) -> Path:
    if a.architecture.key != b.architecture.key:
        raise NetGraphError(f"pair {i}: {a.architecture!r} and {b.architecture!r} differ")
    return [NetGraph(a.architecture, state) for state in between(a.state[None], b.state[None], points)[0]]


def pairs_of_one_architecture(graphs: Sequence[NetGraph], n: int, generator: Generator) -> list[tuple[int, int]]:
    """Draw pairs of networks that have the same architecture.

    Args:
        graphs: Networks.
        n: Most pairs; no network is in two.
        generator: Draws them.

    Returns:
        Their numbers, as many pairs as there are, at most n.
    """
    waiting: dict[Architecture, list[int]] = defaultdict(list)
    pairs = []
    for i in torch.randperm(len(graphs), generator=generator).tolist():
        alike = waiting[graphs[i].architecture.key]
        if alike:
            pairs.append((alike.pop(), i))
        else:
            alike.append(i)
        if len(pairs) == n:
            break
    return pairs

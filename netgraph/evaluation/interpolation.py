"""Paths of networks, such as those decoded along a line between two latents: how smoothly behavior changes."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from netgraph.errors import NetGraphError
from netgraph.evaluation.behavior import behavior, median
from netgraph.evaluation.samples import is_valid
from netgraph.graph.netgraph import NetGraph

#: Steps of behavior, relative to its size, that are nothing but rounding.
ROUNDING = 1e-5


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


def smoothness(paths: Sequence[Sequence[NetGraph]], n_rows: int = 64, seed: int = 0) -> Smoothness:
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
    vectors = behavior([graph for path in whole for graph in path], n_rows, seed, first=True)
    vectors = vectors.view(len(whole), -1, n_rows)  # [paths, points, rows]
    steps = vectors.diff(dim=1).square().mean(dim=2).sqrt()
    length = steps.sum(dim=1)
    ends = (vectors[:, -1] - vectors[:, 0]).square().mean(dim=1).sqrt()
    still = length <= ROUNDING * (1 + vectors.abs().amax(dim=(1, 2)))
    largest = steps.amax(dim=1) / steps.mean(dim=1)
    return Smoothness(share, (length / ends).masked_fill(still, 1.0), largest.masked_fill(still, 1.0))

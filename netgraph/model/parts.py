"""Many networks at once: in parts of similar size, by a model in evaluation mode."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import nn

from netgraph.graph.architecture import Architecture

#: Networks of similar size whose weights are encoded or decoded at once.
CHUNK = 64


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Set a module to evaluation mode, and restore the mode of each of its submodules at the end."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, training in modes.items():
            part.training = training


def by_size(architectures: Sequence[Architecture]) -> tuple[list[int], list[list[int]]]:
    """Cut networks into parts of similar size, so that little is padded.

    Returns:
        The place of each network in the parts laid end to end, and the networks of each part.
    """
    ranked = sorted(range(len(architectures)), key=lambda i: architectures[i].num_nodes)
    order = [0] * len(ranked)
    for place, i in enumerate(ranked):
        order[i] = place
    return order, [ranked[start : start + CHUNK] for start in range(0, len(ranked), CHUNK)]

"""Many networks at once: in parts of similar size, by a model in evaluation mode."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from numbers import Integral
from typing import cast

import torch
from torch import Tensor, nn

from netgraph.errors import NetGraphError
from netgraph.graph.architecture import Architecture
from netgraph.graph.modules.trace import mode

#: Networks of similar size whose weights are encoded or decoded at once.
CHUNK = 64


def evaluating(module: nn.Module) -> AbstractContextManager[None]:
    """Set a module to evaluation mode, and restore the mode of each of its submodules at the end."""
    return mode(module, training=False)


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


def is_whole(value: object, least: int = 0) -> bool:
    """Return whether a value is a whole number of 63 bits, not below ``least``; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool) and least <= int(value) < 2**63


def seeded(seed: int | None) -> torch.Generator:
    """Return a generator with a seed, with a new one when None.

    Raises:
        NetGraphError: When it is no whole number from 0 on.
    """
    generator = torch.Generator()
    if seed is None:
        generator.seed()
        return generator
    if not is_whole(seed):
        raise NetGraphError(f"seed is {seed!r}; it must be a whole number, at least 0")
    return generator.manual_seed(int(seed))


def finite_rows(values: object, name: str, size: int, like: Tensor) -> Tensor:
    """Return latents, or their first numbers, as a tensor of another's type and device, [n, k], k at most ``size``.

    Raises:
        NetGraphError: When they are no numbers, have another shape, or are not finite, or there are none.
    """
    try:
        rows = torch.as_tensor(cast(Tensor, values))
    except (TypeError, ValueError, RuntimeError):
        raise NetGraphError(f"{name} is a {type(values).__name__}; expected numbers, [n, 1 to {size}]") from None
    if rows.ndim != 2 or not 1 <= rows.shape[1] <= size or not len(rows):
        raise NetGraphError(f"{name} has shape {tuple(rows.shape)}; expected [n, 1 to {size}], n at least 1")
    if rows.is_complex():
        raise NetGraphError(f"{name} is complex; expected real numbers")
    rows = rows.to(like)
    broken = (~rows.isfinite()).any(dim=1).nonzero()
    if len(broken):
        raise NetGraphError(f"{name}[{int(broken[0])}] is not finite")
    return rows
